/**
 * All that looks after the data of a running broker: the scrubber in the background, checks and
 * backups when somebody asks. Checks and backups run one at a time each.
 */
import { BrokerError } from '@millrace/codec'
import type { Log } from '../log/log.ts'
import type { CareAccess } from './care-access.ts'
import type { CareCounters, StorageCheckReport } from './reports.ts'
import { Scrubber, type ScrubberOptions } from './scrubber.ts'
import { SegmentCare } from './segment-care.ts'
import { StorageCheck } from './storage-check.ts'

export class StorageCare {
  readonly #access: CareAccess
  readonly #segments: SegmentCare
  readonly #scrubber: Scrubber
  #checking: Promise<StorageCheckReport> | undefined
  #isClosed = false

  constructor(access: CareAccess, options: ScrubberOptions) {
    this.#access = access
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
      backups: 0,
    }
  }

  /** Before the store closes: nothing reads its files afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#scrubber.stop()
    await this.#checking?.catch(() => undefined)
  }

  async #yield(): Promise<void> {
    await new Promise<void>((resolve) => this.#access.environment.timers.defer(resolve))
    this.#checkOpen()
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the broker'])
  }
}
