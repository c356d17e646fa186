/**
 * Gives the disk back: segments at the front of a queue's log whose messages are all settled, as soon
 * as retention for replays and the window of message ids let them go.
 */
import type { StorageOptions } from '../engine/operations.ts'
import type { Environment } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { keptFrom, settledKeptMs } from './kept-segments.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'
import { StoredLane } from './stored-lane.ts'

export class QueueTrimmer {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #clock: SteadyClock
  readonly #emptySegmentBytesMin: number
  readonly #busy = new Set<Log>()

  constructor(
    environment: Environment,
    store: LogStore,
    clock: SteadyClock,
    { emptySegmentBytesMin }: Pick<StorageOptions, 'emptySegmentBytesMin'>,
  ) {
    this.#emptySegmentBytesMin = emptySegmentBytesMin
    this.#environment = environment
    this.#store = store
    this.#clock = clock
  }

  /** Messages of the queue were settled, or time has passed. */
  check(queue: Queue): void {
    if (queue.settings.topic !== undefined || queue.isDeleted) return
    const { lanes } = queue
    for (let index = 0; index < lanes.length; index++) {
      const lane = lanes[index]
      if (lane instanceof StoredLane && this.#isWorthIt(lane)) void this.#trim(queue, lane)
    }
  }

  #isWorthIt({ log, ledger }: StoredLane): boolean {
    const second = log.segments[1]
    if (second !== undefined) return second.baseOffset <= ledger.floor
    if (ledger.floor < log.nextOffset || log.earliestOffset === ledger.floor) return false
    return (log.activeSegment?.sizeBytes ?? 0) >= this.#emptySegmentBytesMin
  }

  async #trim(queue: Queue, lane: StoredLane): Promise<void> {
    const { log, ledger } = lane
    if (this.#busy.has(log) || this.#store.failure !== undefined) return
    this.#busy.add(log)
    try {
      const offset = await this.#releasable(log, ledger.floor, settledKeptMs(queue.settings))
      const isTrimming = offset > log.earliestOffset
      if (isTrimming) await this.#store.trimmer.trim(log, offset)
      this.#busy.delete(log)
      // What was settled meanwhile asked in vain.
      if (isTrimming) this.check(queue)
    } catch (error) {
      const fields = { queue: queue.name, error: describeError(error) }
      this.#environment.log.warn('a queue keeps settled messages', fields)
    } finally {
      this.#busy.delete(log)
    }
  }

  async #releasable(log: Log, floor: number, keptMs: number | undefined): Promise<number> {
    if (keptMs === undefined) return floor
    return keptFrom(this.#store, log, this.#clock.now() - keptMs, floor)
  }
}
