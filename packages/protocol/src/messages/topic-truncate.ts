/**
 * TOPIC_TRUNCATE: removes the newest records of a partition, from an offset on. Their offsets are
 * never used again. It cannot be undone.
 *
 * ```
 * TOPIC_TRUNCATE  { topic: str, partition: int, from: int }
 * TOPIC_TRUNCATED { next: int }
 * ```
 */
import { requireInteger, requireString } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicTruncate {
  readonly topic: string
  readonly partition: number
  /** The first offset that goes. */
  readonly from: number
}

export interface TopicTruncated {
  /** The offset of the next record. */
  readonly next: number
}

export const encodeTopicTruncate = (request: TopicTruncate): Uint8Array => encodeControl(request)

export const decodeTopicTruncate = (body: Uint8Array): TopicTruncate => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    from: requireInteger(map, 'from', 0, Number.MAX_SAFE_INTEGER),
  }
}

export const encodeTopicTruncated = (truncated: TopicTruncated): Uint8Array =>
  encodeControl(truncated)

export const decodeTopicTruncated = (body: Uint8Array): TopicTruncated => ({
  next: requireInteger(decodeControl(body), 'next', 0, Number.MAX_SAFE_INTEGER),
})
