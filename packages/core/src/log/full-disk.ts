/**
 * What happens when the disk is full: new appends are refused by name, reads and deletes go on, a
 * reserve on disk (the ballast) is given up so that checkpoints and tombstones still have room, and
 * the disk is looked at again until there is space.
 */
import { BrokerError } from '@millrace/codec'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import { describeError, isDiskFull } from './disk-errors.ts'
import { FULL_DISK_RETRY_MS } from './limits.ts'
import { removeIfThere } from './small-file.ts'

const ZEROS_BYTES = 1_048_576

export interface FullDiskHooks {
  /** There is space again, or the ballast was given up: blocked writes may be tried. */
  onRoom(): void
}

export class FullDisk {
  readonly #environment: Environment
  readonly #directory: string
  readonly #ballastBytes: number
  readonly #hooks: FullDiskHooks
  #refusal: BrokerError | undefined
  #timer: TimerHandle | undefined
  #making: Promise<void> | undefined
  #isClosed = false

  constructor(
    environment: Environment,
    directory: string,
    ballastBytes: number,
    hooks: FullDiskHooks,
  ) {
    this.#environment = environment
    this.#directory = directory
    this.#ballastBytes = ballastBytes
    this.#hooks = hooks
  }

  get isFull(): boolean {
    return this.#refusal !== undefined
  }

  refusal(): BrokerError | undefined {
    return this.#refusal
  }

  /** A write was refused by the operating system for want of room. */
  enter(error: unknown): void {
    if (this.#refusal === undefined) {
      this.#refusal = new BrokerError('ERR_STORAGE_FULL', [describeError(error)])
      this.#environment.log.error('disk full: appends are refused', {
        error: describeError(error),
      })
      void this.#giveUpBallast()
    }
    this.#arm()
  }

  /** Resolves when the ballast is not being written any more: the directory may be taken away then. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#making?.catch(() => undefined)
  }

  /** Made once at boot and again when space is back; without room for it the broker runs without. */
  makeBallast(): Promise<void> {
    this.#making = this.#makeBallast()
    return this.#making
  }

  async #makeBallast(): Promise<void> {
    const { disk } = this.#environment
    const path = this.#ballastPath
    if (this.#ballastBytes === 0 || (await disk.sizeOf(path)) === this.#ballastBytes) return
    try {
      await removeIfThere(disk, path)
      await this.#writeBallast(path)
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await removeIfThere(disk, path)
    }
  }

  async #writeBallast(path: string): Promise<void> {
    const file = await this.#environment.disk.open(path, 'create')
    try {
      const zeros = new Uint8Array(Math.min(ZEROS_BYTES, this.#ballastBytes))
      for (let at = 0; at < this.#ballastBytes; at += zeros.length)
        await file.write([zeros.subarray(0, Math.min(zeros.length, this.#ballastBytes - at))], at)
      // Else a power loss takes the reserve, and the next start may find the disk full without it.
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#environment.disk.syncDirectory(this.#directory)
  }

  get #ballastPath(): string {
    return `${this.#directory}/ballast`
  }

  async #giveUpBallast(): Promise<void> {
    try {
      await removeIfThere(this.#environment.disk, this.#ballastPath)
    } catch (error) {
      this.#environment.log.warn('ballast not removed', { error: describeError(error) })
    }
    if (!this.#isClosed) this.#hooks.onRoom()
  }

  #arm(): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    this.#timer = this.#environment.timers.after(FULL_DISK_RETRY_MS, () => void this.#lookAgain())
  }

  async #lookAgain(): Promise<void> {
    if (this.#isClosed) return
    try {
      const free = await this.#environment.disk.freeBytes(this.#directory)
      // Twice the ballast: making it again must not fill the disk again.
      if (free <= 2 * this.#ballastBytes) return this.#arm()
      await this.makeBallast()
    } catch (error) {
      this.#environment.log.warn('disk not looked at', { error: describeError(error) })
      return this.#arm()
    }
    if (this.#isClosed) return
    this.#refusal = undefined
    this.#environment.log.info('disk has room again: appends are taken')
    this.#hooks.onRoom()
  }
}
