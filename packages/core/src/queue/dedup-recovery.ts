/**
 * Fills the window of message ids of a queue that is opened again.
 *
 * The crash story: a publisher has sent a message and not heard of it when the broker dies. The message
 * is in the queue's log; a consumer may have settled it already. The publisher sends it again to the
 * next process, which must know it.
 *
 * Nothing is written for this. The ids stand in the records of the queue's own logs, with the time at
 * which each came in, and a record is there exactly when its message is. So what is settled stays in
 * the log until the window has passed (`kept-segments.ts`), and a start reads each log of a queue with
 * a window from the first record on that is younger than it, settled or not. It does so before the
 * queue is opened: no publication can come before its window is read, and none has to wait for it.
 *
 * What is read is bounded by the window, and by as many records of a log as a window has ids.
 *
 * What it does not know: ids in damaged ranges; and how long the broker was away, other than by the
 * wall clock. Times ahead of it count as the start's, so a clock that was set back has ids known for
 * one window more. A clock that was set forward has them known for so much less: no grace as for what
 * expires, because an id that is known too long loses a message, and one known too short doubles it.
 */
import { RecordCursor } from '@millrace/codec'
import type { EngineLog } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { idBytes, type DedupWindow } from './dedup-window.ts'
import { DEDUP_BYTES_MAX, DEDUP_IDS_MAX } from './limits.ts'
import { readMessageId } from './message-record.ts'
import type { Queue } from './queue.ts'
import { readOn } from './read-on.ts'
import type { SteadyClock } from './steady-clock.ts'
import { StoredLane } from './stored-lane.ts'

export interface DedupRecoveryParts {
  readonly store: LogStore
  readonly log: EngineLog
  readonly clock: SteadyClock
}

/** Where ids go that are found. */
type IdSink = Pick<DedupWindow, 'enter'>

/** What a window may hold. */
const windowLimits = { countMax: DEDUP_IDS_MAX, bytesMax: DEDUP_BYTES_MAX }

/** The youngest ids of several logs, each in its own order. Holds twice of what a window may. */
export class FoundIds implements IdSink {
  readonly #limits: typeof windowLimits
  #times = new Map<string, number>()
  #bytes = 0

  constructor(limits = windowLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#times.size
  }

  enter(id: string, atMs: number): void {
    const known = this.#times.get(id)
    if (known === undefined) this.#bytes += idBytes(id)
    this.#times.set(id, Math.max(known ?? atMs, atMs))
    const { countMax, bytesMax } = this.#limits
    if (this.#times.size > 2 * countMax || this.#bytes > 2 * bytesMax) this.#thin()
  }

  fill(window: IdSink): void {
    for (const [id, atMs] of this.#sorted()) window.enter(id, atMs)
  }

  #sorted(): [id: string, atMs: number][] {
    return [...this.#times].sort(([, left], [, right]) => left - right)
  }

  #thin(): void {
    const sorted = this.#sorted()
    const { countMax, bytesMax } = this.#limits
    let bytes = 0
    let from = sorted.length
    while (from > 0 && sorted.length - from < countMax && bytes < bytesMax)
      bytes += idBytes(sorted[--from]![0])
    this.#times = new Map(sorted.slice(from))
    this.#bytes = bytes
  }
}

/** Before the queue is opened, after its lanes are there. */
export const recoverWindow = async (queue: Queue, parts: DedupRecoveryParts): Promise<void> => {
  const { dedupWindowMs } = queue.settings
  if (dedupWindowMs === undefined) return
  const afterMs = parts.clock.now() - dedupWindowMs
  const found = queue.lanes.length > 1 ? new FoundIds() : undefined
  for (const lane of queue.lanes)
    if (lane instanceof StoredLane) await findIds(lane.log, afterMs, found ?? queue.dedup, parts)
  found?.fill(queue.dedup)
}

/** A disk that cannot be read must not keep the broker from its start: the rest is not known then. */
const findIds = async (
  log: Log,
  afterMs: number,
  found: IdSink,
  parts: DedupRecoveryParts,
): Promise<void> => {
  try {
    const first = await parts.store.times.find(log, afterMs + 1)
    let offset = Math.max(first?.offset ?? log.highWatermark, log.highWatermark - DEDUP_IDS_MAX)
    while (offset < log.highWatermark) offset = await readFrom(log, offset, afterMs, found, parts)
  } catch (error) {
    const fields = { log: log.label, error: describeError(error) }
    parts.log.error('message ids cannot be read: repeats of them are stored again', fields)
  }
}

/** Answers where to go on. */
const readFrom = (
  log: Log,
  offset: number,
  afterMs: number,
  found: IdSink,
  { store, log: report, clock }: DedupRecoveryParts,
): Promise<number> =>
  readOn(store, log, offset, {
    batch: (bytes, at) => {
      // Uncompressed: the broker has built these batches.
      const cursor = new RecordCursor(bytes, at)
      while (cursor.next()) {
        const id = readMessageId(cursor)
        if (id !== undefined && cursor.timestamp > afterMs)
          found.enter(id, Math.min(cursor.timestamp, clock.startedAtMs))
      }
    },
    damaged: (gap) => {
      const fields = { log: log.label, ...gap }
      report.error('message ids are damaged: repeats of them are stored again', fields)
    },
  })
