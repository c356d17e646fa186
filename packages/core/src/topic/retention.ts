/** Which records of a partition its topic's settings let go. Pure but for the look at timestamps. */
import type { TopicSettings } from '../engine/operations.ts'
import type { Log } from '../log/log.ts'
import type { Segment } from '../log/segment.ts'

export interface RetentionView {
  /** The time that everybody agrees has passed, in milliseconds since 1970. */
  readonly nowMs: number
  /** The latest timestamp of a segment's records, 0 when there is none. */
  latestTimestampOf(segment: Segment): Promise<number>
  /** Moves what is visible into segments. */
  flush(log: Log): Promise<void>
}

export const isCompacting = (settings: TopicSettings): boolean =>
  settings.cleanupPolicy !== 'delete'

export const isDeleting = (settings: TopicSettings): boolean => settings.cleanupPolicy !== 'compact'

/**
 * The offset that the partition may begin with. Whole segments only: by age those whose latest
 * record is too old, from the front up to the first that is not; by size as many as leave
 * `retentionBytes` behind them. The last segment goes only by age.
 */
export const retainedFrom = async (
  log: Log,
  settings: TopicSettings,
  view: RetentionView,
): Promise<number> => {
  if (!isDeleting(settings)) return log.earliestOffset
  const byAge = await retainedByAge(log, settings.retentionMs, view)
  return Math.max(log.earliestOffset, byAge, retainedBySize(log, settings.retentionBytes))
}

const retainedByAge = async (
  log: Log,
  retentionMs: number,
  view: RetentionView,
): Promise<number> => {
  if (retentionMs < 0) return 0
  let from = 0
  for (const segment of [...log.segments]) {
    const end = log.segmentAfter(segment)?.baseOffset ?? log.nextOffset
    if (segment.sizeBytes === 0 || end > log.highWatermark) return from
    if (view.nowMs - segment.startedAtMs <= retentionMs && !segment.isSealed) return from
    if (segment.flushedBytes < segment.sizeBytes) await view.flush(log)
    if (view.nowMs - (await view.latestTimestampOf(segment)) <= retentionMs) return from
    from = end
  }
  return from
}

const retainedBySize = (log: Log, retentionBytes: number): number => {
  if (retentionBytes < 0) return 0
  let left = log.sizeBytes
  let from = 0
  for (const segment of log.segments) {
    const following = log.segmentAfter(segment)
    left -= segment.sizeBytes
    if (left < retentionBytes || following === undefined) return from
    if (following.baseOffset > log.highWatermark) return from
    from = following.baseOffset
  }
  return from
}
