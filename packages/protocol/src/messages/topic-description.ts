/**
 * What TOPIC_CREATED, TOPIC_DESCRIBED and TOPIC_ALTERED say about a topic.
 *
 * ```
 * { topic: str, id: int, revision: int, createdAt: int ms,
 *   partitions: [{ partition: int, earliest: int, next: int, highWatermark: int, epoch: int,
 *                  bytes: int }],
 *   settings: { durability: str, … } }
 * ```
 */
import { asMap, requireInteger, requireList, requireMap, requireString } from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

export interface PartitionDescription {
  readonly partition: number
  readonly earliest: number
  /** The offset the next record will get: the log's end. */
  readonly next: number
  readonly highWatermark: number
  readonly epoch: number
  readonly bytes: number
}

/** Names and values are the broker's: docs/configuration.md lists them. */
export type TopicSettings = Readonly<Record<string, unknown>>

export interface TopicDescription {
  readonly topic: string
  readonly id: number
  readonly revision: number
  readonly partitions: readonly PartitionDescription[]
  readonly settings: TopicSettings
  readonly createdAt: number
}

const readPartition = (value: unknown, name: string): PartitionDescription => {
  const map = asMap(value, name)
  return {
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    earliest: requireInteger(map, 'earliest', 0, Number.MAX_SAFE_INTEGER),
    next: requireInteger(map, 'next', 0, Number.MAX_SAFE_INTEGER),
    highWatermark: requireInteger(map, 'highWatermark', 0, Number.MAX_SAFE_INTEGER),
    epoch: requireInteger(map, 'epoch', 0, UINT32_MAX),
    bytes: requireInteger(map, 'bytes', 0, Number.MAX_SAFE_INTEGER),
  }
}

const readDescription = (map: ControlMap): TopicDescription => ({
  topic: requireString(map, 'topic'),
  id: requireInteger(map, 'id', 0, Number.MAX_SAFE_INTEGER),
  revision: requireInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER),
  partitions: requireList(map, 'partitions', readPartition),
  settings: requireMap(map, 'settings'),
  createdAt: requireInteger(map, 'createdAt', 0, Number.MAX_SAFE_INTEGER),
})

export const encodeTopicDescription = (description: TopicDescription): Uint8Array =>
  encodeControl(description, CONTROL_LIST_BYTES_MAX)

export const decodeTopicDescription = (body: Uint8Array): TopicDescription =>
  readDescription(decodeControl(body, CONTROL_LIST_BYTES_MAX))
