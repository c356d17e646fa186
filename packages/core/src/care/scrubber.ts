/**
 * Looks after sealed segments in the background of a running broker: makes the sidecar of each that
 * has none soon after it was sealed, and reads every one again after a while, at a bounded rate, so
 * that damage is found while there are other copies to take the data from.
 *
 * It never stops the store: what it cannot do now it tries at another time.
 */
import type { TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { Segment } from '../log/segment.ts'
import type { CareAccess } from './care-access.ts'
import { SCRUB_LOOK_MS, SIDECAR_BYTES_PER_SECOND } from './limits.ts'
import { Pacer } from './pacer.ts'
import { isSettled, type SegmentCare } from './segment-care.ts'

export interface ScrubberOptions {
  /** 0: segments are not read again, only sidecars are made. */
  readonly bytesPerSecond: number
  readonly intervalMs: number
}

export class Scrubber {
  readonly #access: CareAccess
  readonly #care: SegmentCare
  readonly #options: ScrubberOptions
  readonly #pacer: Pacer
  /** When each segment was last found good, or looked at in vain; 0 for those without a sidecar. */
  readonly #lookedAt = new WeakMap<Segment, number>()
  #timer: TimerHandle | undefined
  #running: Promise<void> | undefined
  #isStopped = false
  /** Sweeps over all segments that came to their end. */
  sweeps = 0

  constructor(access: CareAccess, care: SegmentCare, options: ScrubberOptions) {
    this.#access = access
    this.#care = care
    this.#options = options
    this.#pacer = new Pacer(access.environment)
  }

  start(): void {
    this.#arm()
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#pacer.stop()
    await this.#running
  }

  #arm(): void {
    if (this.#isStopped) return
    this.#timer = this.#access.environment.timers.after(SCRUB_LOOK_MS, () => {
      this.#running = this.#sweep().finally(() => this.#arm())
    })
  }

  async #sweep(): Promise<void> {
    try {
      await this.#makeSidecars()
      if (this.#options.bytesPerSecond > 0) await this.#readAgain()
      this.sweeps++
    } catch (error) {
      if (!this.#isStopped)
        this.#access.environment.log.warn('scrub broken off', { error: describeError(error) })
    }
  }

  async #makeSidecars(): Promise<void> {
    for (const log of [...this.#access.logs()])
      for (const segment of [...log.segments]) {
        if (this.#isStopped) return
        if (isSettled(log, segment) && (await this.#knownAt(segment)) === 0)
          await this.#check(log, segment, SIDECAR_BYTES_PER_SECOND)
      }
  }

  async #readAgain(): Promise<void> {
    const { clock } = this.#access.environment
    for (const log of [...this.#access.logs()])
      for (const segment of [...log.segments]) {
        if (this.#isStopped) return
        if (!isSettled(log, segment)) continue
        const age = clock.now() - (await this.#knownAt(segment))
        // A clock that was set back must not put the next look off for years.
        if (age >= 0 && age < this.#options.intervalMs) continue
        await this.#check(log, segment, this.#options.bytesPerSecond)
        // Segments that were sealed meanwhile have no sidecar yet, and do not wait for all others.
        await this.#makeSidecars()
      }
  }

  async #knownAt(segment: Segment): Promise<number> {
    const known = this.#lookedAt.get(segment)
    if (known !== undefined) return known
    const sidecar = await this.#care.readSidecar(segment)
    const at = typeof sidecar === 'string' ? 0 : sidecar.verifiedAtMs
    this.#lookedAt.set(segment, at)
    return at
  }

  async #check(log: Log, segment: Segment, bytesPerSecond: number): Promise<void> {
    const { clock } = this.#access.environment
    await this.#care.check(log, segment, (bytes) => this.#pacer.spend(bytes, bytesPerSecond))
    // Damaged or not: what is known is put aside, and reading it every minute finds no more.
    this.#lookedAt.set(segment, clock.now())
  }
}
