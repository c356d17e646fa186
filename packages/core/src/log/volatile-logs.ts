/**
 * When the batches of unsynced logs become visible: at the end of the turn that appended them, below
 * a ceiling that the journal knows.
 *
 * Invariant: an offset that was shown to anybody is below a durable ceiling. A crash loses the log's
 * records and resumes from the ceiling, so an offset never names two records.
 */
import type { Timers } from '../environment/environment.ts'
import { VOLATILE_FLAG, type JournalEntryFields } from './journal-format.ts'
import { OFFSET_CEILING_STEP } from './limits.ts'
import type { Log } from './log.ts'
import { firstEndingAfter } from './log-reader.ts'
import { tellStored, type StoredBatch } from './stored-batch.ts'

export interface VolatileHooks {
  /** The store completes nothing any more. */
  isOver(): boolean
  /** Resolves when the ceiling is durable. */
  raise(fields: Partial<JournalEntryFields>): Promise<void>
  refuseFrom(first: StoredBatch, error: unknown): void
  onProgress(): void
}

export class VolatileLogs {
  readonly #timers: Timers
  readonly #hooks: VolatileHooks
  /** Appended to in this turn. */
  readonly #appended = new Set<Log>()
  readonly #releaseAppended = (): void => this.#releaseAll()

  constructor(timers: Timers, hooks: VolatileHooks) {
    this.#timers = timers
    this.#hooks = hooks
  }

  accepted(log: Log): void {
    if (log.nextOffset + OFFSET_CEILING_STEP / 2 > log.ceilingRequested) this.#raiseCeiling(log)
    this.#appended.add(log)
    if (this.#appended.size === 1) this.#timers.defer(this.#releaseAppended)
  }

  /** Once a turn, for all that was appended in it. */
  #releaseAll(): void {
    const logs = [...this.#appended]
    this.#appended.clear()
    for (const log of logs) this.#release(log)
    this.#hooks.onProgress()
  }

  #raiseCeiling(log: Log): void {
    const ceiling = log.nextOffset + OFFSET_CEILING_STEP
    log.ceilingRequested = ceiling
    const fields = { logId: log.id, nextOffset: ceiling, epoch: log.epoch, flags: VOLATILE_FLAG }
    this.#hooks.raise(fields).then(
      () => {
        log.ceiling = Math.max(log.ceiling, ceiling)
        this.#release(log)
      },
      (error: unknown) => {
        log.ceilingRequested = log.ceiling
        this.#refuseAboveCeiling(log, error)
      },
    )
  }

  /** Nobody else would ever tell who waits for these batches. */
  #refuseAboveCeiling(log: Log, error: unknown): void {
    if (this.#hooks.isOver()) return
    const first = log.batches.peekAt(firstEndingAfter(log, log.ceiling))
    if (first !== undefined && first.nextOffset > log.ceiling) this.#hooks.refuseFrom(first, error)
  }

  /** Shows what is below the ceiling; the cost is that of what is new. */
  #release(log: Log): void {
    if (this.#hooks.isOver()) return
    const visible = Math.min(log.nextOffset, log.ceiling)
    let hasMoved = false
    for (
      let index = firstEndingAfter(log, log.highWatermark);
      index < log.batches.length;
      index++
    ) {
      const batch = log.batches.peekAt(index)
      if (batch === undefined || batch.nextOffset > visible) break
      hasMoved = log.advance(batch.nextOffset) || hasMoved
      tellStored(batch)
    }
    if (hasMoved) log.notifyWatchers()
  }
}
