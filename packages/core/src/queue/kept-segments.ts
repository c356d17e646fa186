/**
 * What of a queue's log stays although it is settled: for a replay (`retentionMs`), or because a
 * repeat of its message id has to be known after a restart (`dedupWindowMs`). By whole segments: one
 * stays until its latest record is old enough.
 */
import type { QueueSettings } from '../engine/messaging.ts'
import type { Log } from '../log/log.ts'
import type { Segment } from '../log/segment.ts'
import type { LogStore } from '../log/store.ts'

/** How long, or `undefined` when what is settled may go at once. */
export const settledKeptMs = ({
  retentionMs,
  dedupWindowMs,
}: QueueSettings): number | undefined => {
  if (retentionMs === undefined || dedupWindowMs === undefined) return retentionMs ?? dedupWindowMs
  return Math.max(retentionMs, dedupWindowMs)
}

/** Where the first segment begins that has a record of `sinceMs` or later; `to` when none before it has. */
export const keptFrom = async (
  store: LogStore,
  log: Log,
  sinceMs: number,
  to: number,
): Promise<number> => {
  for (const segment of [...log.segments]) {
    if (segment.baseOffset >= to) return to
    if (isYoungInMemory(log, segment, sinceMs)) return segment.baseOffset
    if ((await store.latestTimestampOf(segment)) >= sinceMs) return segment.baseOffset
  }
  return to
}

/** What its file does not have yet is in no index. */
const isYoungInMemory = ({ batches }: Log, segment: Segment, sinceMs: number): boolean => {
  if (segment.flushedBytes >= segment.sizeBytes) return false
  for (let index = batches.length - 1; index >= 0; index--) {
    const batch = batches.peekAt(index)
    if (batch === undefined || batch.baseOffset < segment.baseOffset) return false
    if (batch.segment === segment && batch.maxTimestamp >= sinceMs) return true
  }
  return false
}
