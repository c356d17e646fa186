/**
 * Looks once a second whether memory or disk run short. While they do, protocols do not read peers
 * that publish: what is in hand is finished, consumers go on, nothing is refused and nothing lost.
 *
 * A disk that is full is not throttled but refused, by the engine and by name: who waits for an answer
 * gets one. So the disk's alarm throttles only as long as something still fits.
 */
import type { AlarmKind, Alarms, EngineLog, TimerHandle, Timers } from '@millrace/core'
import { ALARM_LOOK_MS, LOOKS_PER_COLLECTION } from '../limits.ts'
import { ResourceAlarm } from './resource-alarm.ts'

export interface AlarmSources {
  readonly memoryBytesMax: number
  /** 0: no alarm of the disk. */
  readonly diskFreeBytesMin: number
  readonly usedMemoryBytes: () => number
  /** Costs a pause: asked for when memory seems short, and then seldom. */
  readonly collectGarbage: () => void
  readonly freeDiskBytes: () => Promise<number>
  readonly isStorageFull: () => boolean
  readonly timers: Timers
  readonly log: EngineLog
}

export class AlarmWatch implements Alarms {
  readonly #sources: AlarmSources
  readonly #memory: ResourceAlarm
  readonly #disk: ResourceAlarm
  readonly #listeners = new Set<(isThrottling: boolean) => void>()
  #timer: TimerHandle | undefined
  #isStopped = false
  #isThrottling = false
  #freeDiskBytes: number | undefined
  #looksSinceCollection = LOOKS_PER_COLLECTION

  constructor(sources: AlarmSources) {
    this.#sources = sources
    this.#memory = ResourceAlarm.above(sources.memoryBytesMax)
    this.#disk = ResourceAlarm.below(sources.diskFreeBytesMin)
  }

  get isThrottling(): boolean {
    return this.#isThrottling
  }

  get limits(): Readonly<Record<AlarmKind, number>> {
    return { memory: this.#sources.memoryBytesMax, disk: this.#sources.diskFreeBytesMin }
  }

  /** As of the last look. */
  get freeDiskBytes(): number | undefined {
    return this.#freeDiskBytes
  }

  isRaised(kind: AlarmKind): boolean {
    return this.#of(kind).isRaised
  }

  raisedCount(kind: AlarmKind): number {
    return this.#of(kind).raisedCount
  }

  onChange(listener: (isThrottling: boolean) => void): { readonly cancel: () => void } {
    this.#listeners.add(listener)
    return { cancel: () => this.#listeners.delete(listener) }
  }

  start(): void {
    if (this.#isStopped) return
    this.#timer = this.#sources.timers.after(ALARM_LOOK_MS, () => void this.look())
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** Looks once, and again a second later. */
  async look(): Promise<void> {
    this.#timer?.cancel()
    this.#note('memory', this.#usedMemoryBytes(), this.#sources.memoryBytesMax)
    await this.#lookAtDisk()
    this.#update()
    this.start()
  }

  /** What nobody has collected yet is no reason for an alarm, nor to keep one. */
  #usedMemoryBytes(): number {
    const { usedMemoryBytes, memoryBytesMax, collectGarbage } = this.#sources
    this.#looksSinceCollection += 1
    const bytes = usedMemoryBytes()
    const isShort = bytes >= memoryBytesMax || this.#memory.isRaised
    if (!isShort || this.#looksSinceCollection < LOOKS_PER_COLLECTION) return bytes
    this.#looksSinceCollection = 0
    collectGarbage()
    return usedMemoryBytes()
  }

  async #lookAtDisk(): Promise<void> {
    const { freeDiskBytes, diskFreeBytesMin } = this.#sources
    try {
      this.#freeDiskBytes = await freeDiskBytes()
    } catch {
      // A disk that does not say how full it is has worse troubles, and the engine meets those.
      return
    }
    this.#note('disk', this.#freeDiskBytes, diskFreeBytesMin)
  }

  #note(kind: AlarmKind, bytes: number, limitBytes: number): void {
    const alarm = this.#of(kind)
    if (!alarm.look(bytes)) return
    const { log } = this.#sources
    if (alarm.isRaised) log.warn('alarm.raised', { kind, bytes, limitBytes, reason: reasons[kind] })
    else log.info('alarm.cleared', { kind, bytes, limitBytes })
  }

  #update(): void {
    const isDiskThrottling = this.#disk.isRaised && !this.#sources.isStorageFull()
    const isThrottling = this.#memory.isRaised || isDiskThrottling
    if (isThrottling === this.#isThrottling || this.#isStopped) return
    this.#isThrottling = isThrottling
    for (const listener of [...this.#listeners]) listener(isThrottling)
  }

  #of(kind: AlarmKind): ResourceAlarm {
    return kind === 'memory' ? this.#memory : this.#disk
  }
}

const reasons: Readonly<Record<AlarmKind, string>> = {
  memory: 'the process uses too much memory: publishers are not read until it uses less',
  disk: 'the disk is almost full: publishers are not read until there is more space',
}
