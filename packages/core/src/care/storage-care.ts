/**
 * All that looks after the data of a running broker: the scrubber in the background, checks and
 * backups when somebody asks. Checks and backups run one at a time each.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Log } from '../log/log.ts'
import type { CareAccess } from './care-access.ts'
import { backUp } from './backup.ts'
import { describeError, isDiskFull } from '../log/disk-errors.ts'
import type { BackupReport, CareCounters, StorageCheckReport } from './reports.ts'
import { Scrubber, type ScrubberOptions } from './scrubber.ts'
import { SegmentCare } from './segment-care.ts'
import { StorageCheck } from './storage-check.ts'

export interface StorageCareOptions extends ScrubberOptions {
  readonly dataDirectory: string
  readonly backupDirectory: string
}

export class StorageCare {
  readonly #access: CareAccess
  readonly #options: StorageCareOptions
  readonly #segments: SegmentCare
  readonly #scrubber: Scrubber
  #checking: Promise<StorageCheckReport> | undefined
  #backup: Promise<BackupReport> | undefined
  #backups = 0
  #isClosed = false

  constructor(access: CareAccess, options: StorageCareOptions) {
    this.#access = access
    this.#options = options
    this.#segments = new SegmentCare(access)
    this.#scrubber = new Scrubber(access, this.#segments, options)
  }

  start(): void {
    this.#scrubber.start()
  }

  /** Of the logs given, or of all. */
  async check(logs?: readonly Log[]): Promise<StorageCheckReport> {
    this.#checkOpen()
    if (this.#checking !== undefined) throw new BrokerError('ERR_BUSY')
    const check = new StorageCheck(this.#segments, () => this.#yield())
    this.#checking = check.run(this.#access.environment, logs ?? [...this.#access.logs()])
    try {
      return await this.#checking
    } finally {
      this.#checking = undefined
    }
  }

  /** Below the directory of backups, under `name` or one that the clock gives. */
  async backUp(name: string | undefined): Promise<BackupReport> {
    this.#checkOpen()
    if (this.#backup !== undefined) throw new BrokerError('ERR_BUSY')
    const { dataDirectory, backupDirectory } = this.#options
    const request = { dataDirectory, backupDirectory, name: name ?? this.#nameOfNow() }
    this.#backup = backUp(this.#access, request, () => this.#yield())
    try {
      const report = await this.#backup
      this.#backups++
      this.#access.environment.log.info('backup taken', { ...report })
      return report
    } catch (error) {
      throw this.#refusal(error)
    } finally {
      this.#backup = undefined
    }
  }

  #nameOfNow(): string {
    const text = new Date(this.#access.environment.clock.now()).toISOString()
    return `backup-${text.replace(/[-:.]/g, '')}`
  }

  /** What went wrong with the copy is no harm to the broker. */
  #refusal(error: unknown): BrokerError {
    if (isBrokerError(error)) return error
    const reason = describeError(error)
    this.#access.environment.log.error('backup failed', { error: reason })
    const code = String((error as { code?: unknown } | null)?.code ?? 'an error')
    if (isDiskFull(error)) return new BrokerError('ERR_STORAGE_FULL', [code])
    const text = `the backup could not be written there: ${code}`
    return new BrokerError('ERR_INVALID_ARGUMENT', ['backup.directory', text])
  }

  counters(): CareCounters {
    const segments = this.#segments
    return {
      segmentsChecked: segments.segmentsChecked,
      bytesChecked: segments.bytesChecked,
      damagedRanges: segments.rangesDamaged,
      sidecarsWritten: segments.sidecarsWritten,
      sidecarsDamaged: segments.sidecarsRejected,
      indexesDamaged: segments.indexesRejected,
      sweeps: this.#scrubber.sweeps,
      backups: this.#backups,
    }
  }

  /** Before the store closes: nothing reads its files afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#scrubber.stop()
    await this.#checking?.catch(() => undefined)
    await this.#backup?.catch(() => undefined)
  }

  async #yield(): Promise<void> {
    await new Promise<void>((resolve) => this.#access.environment.timers.defer(resolve))
    this.#checkOpen()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the broker'])
  }
}
