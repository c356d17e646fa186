/**
 * LIST_OFFSETS: the offset of a moment, per partition.
 *
 * ```
 * LIST_OFFSETS   { topic: str, partitions?: [int], at: "earliest" | "latest" | int ms }
 * OFFSETS_LISTED { offsets: [{ partition: int, offset: int, timestamp?: int, highWatermark: int }] }
 * ```
 * A timestamp gives the first offset whose timestamp is not before it, or the high watermark when
 * there is none. `timestamp` is -1 when the answer is not about one record.
 */
import {
  asInteger,
  asMap,
  fieldOf,
  malformedField,
  optionalInteger,
  optionalList,
  requireInteger,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

export interface ListOffsets {
  readonly topic: string
  /** Left out: all. */
  readonly partitions?: readonly number[] | undefined
  readonly at: 'earliest' | 'latest' | number
}

export interface PartitionOffset {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly highWatermark: number
}

export interface OffsetsListed {
  readonly offsets: readonly PartitionOffset[]
}

export const asPartition = (value: unknown, name: string): number =>
  asInteger(value, name, 0, UINT32_MAX)

const readAt = (map: ControlMap): ListOffsets['at'] => {
  const at = fieldOf(map, 'at')
  if (at === 'earliest' || at === 'latest') return at
  if (typeof at === 'number') return asInteger(at, 'at', 0, Number.MAX_SAFE_INTEGER)
  throw malformedField('at', "'earliest', 'latest' or a timestamp in ms")
}

const readOffset = (value: unknown, name: string): PartitionOffset => {
  const map = asMap(value, name)
  return {
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    offset: requireInteger(map, 'offset', 0, Number.MAX_SAFE_INTEGER),
    timestamp: optionalInteger(map, 'timestamp', -1, Number.MAX_SAFE_INTEGER, -1),
    highWatermark: requireInteger(map, 'highWatermark', 0, Number.MAX_SAFE_INTEGER),
  }
}

export const encodeListOffsets = (list: ListOffsets): Uint8Array => encodeControl(list)

export const decodeListOffsets = (body: Uint8Array): ListOffsets => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    partitions: optionalList(map, 'partitions', asPartition, undefined),
    at: readAt(map),
  }
}

export const encodeOffsetsListed = (listed: OffsetsListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeOffsetsListed = (body: Uint8Array): OffsetsListed => ({
  offsets: requireList(decodeControl(body, CONTROL_LIST_BYTES_MAX), 'offsets', readOffset),
})
