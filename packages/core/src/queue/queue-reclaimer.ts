/**
 * Gives the disk back of messages that are settled behind one that is not: segments of which less than
 * half is live are written anew, their offsets kept. The front of a log is the `QueueTrimmer`'s.
 *
 * The crash story: a record is gone whose settlement was lost with the power, and the ledger counts a
 * message that nobody can read. So a segment takes its place only when all that is settled by then is
 * durable.
 */
import { isGone, type Compactor, type ReclaimRules } from '../compaction/compactor.ts'
import type { EngineLog } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { LogStore } from '../log/store.ts'
import { keptFrom } from './kept-segments.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'
import { StoredLane } from './stored-lane.ts'

export interface ReclaimerParts {
  readonly store: LogStore
  readonly log: EngineLog
  readonly clock: SteadyClock
  queues(): Iterable<Queue>
}

export class QueueReclaimer {
  readonly #parts: ReclaimerParts
  #isClosed = false
  #close: (error: Error) => void = () => undefined
  /** Rejects when the broker closes: settlements may never be durable then. */
  readonly #closed = new Promise<never>((_resolve, reject) => (this.#close = reject))

  constructor(parts: ReclaimerParts) {
    this.#parts = parts
    this.#closed.catch(() => undefined)
  }

  /** One look at every queue. Answers whether something waits for a checkpoint. */
  async run(compactor: Compactor): Promise<boolean> {
    let isWaiting = false
    for (const queue of [...this.#parts.queues()]) {
      // What a replay may ask for stays; what a topic has is the topic's.
      if (queue.settings.retentionMs !== undefined || queue.settings.topic !== undefined) continue
      for (const lane of queue.lanes)
        if (lane instanceof StoredLane && (await this.#reclaim(compactor, lane))) isWaiting = true
    }
    return isWaiting
  }

  close(): void {
    this.#isClosed = true
    this.#close(new Error('the broker is closing'))
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#parts.store.failure !== undefined
  }

  async #reclaim(compactor: Compactor, lane: StoredLane): Promise<boolean> {
    const { log, ledger, home } = lane
    if (this.#isOver || home.isDeleted || log.segments.length < 2) return false
    if (ledger.settled.countAbove === 0) return false
    try {
      const outcome = await compactor.reclaim(log, await this.#rulesOf(lane))
      if (outcome === 'damaged') this.#warn(lane, 'a damaged segment stays as it is')
      return outcome === 'waiting'
    } catch (error) {
      if (this.#isOver || home.isDeleted || isGone(log, error)) return false
      this.#warn(lane, error)
      this.#parts.store.noteBackgroundError(error)
      return false
    }
  }

  async #rulesOf({ log, ledger, home }: StoredLane): Promise<ReclaimRules> {
    const { settled } = ledger
    const { dedupWindowMs } = home.settings
    const { store, clock } = this.#parts
    // Ids that a restart has to know stay, settled or not.
    const end =
      dedupWindowMs === undefined
        ? Infinity
        : await keptFrom(store, log, clock.now() - dedupWindowMs, log.nextOffset)
    return {
      countKept: (from, to) =>
        to - from - settled.countBetween(from, Math.max(from, Math.min(to, end))),
      isKept: (offset) => offset >= end || !settled.has(offset),
      final: () => Promise.race([home.ledgerLog?.flushed() ?? Promise.resolve(), this.#closed]),
    }
  }

  #warn({ log }: StoredLane, error: unknown): void {
    const fields = { log: log.label, error: describeError(error) }
    this.#parts.log.warn('settled messages keep their room for now', fields)
  }
}
