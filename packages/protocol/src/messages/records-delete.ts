/**
 * RECORDS_DELETE: removes the oldest records of partitions, up to an offset. It cannot be undone.
 *
 * ```
 * RECORDS_DELETE  { topic: str, partitions: [{ partition: int, before: int }] }
 * RECORDS_DELETED { partitions: [{ partition: int, earliest: int }] }
 * ```
 * `before` -1: everything below the high watermark.
 */
import { asMap, requireInteger, requireList, requireString } from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface PartitionDeletion {
  readonly partition: number
  /** The first offset that stays; -1: that of the high watermark. */
  readonly before: number
}

export interface RecordsDelete {
  readonly topic: string
  readonly partitions: readonly PartitionDeletion[]
}

export interface PartitionEarliest {
  readonly partition: number
  readonly earliest: number
}

export interface RecordsDeleted {
  readonly partitions: readonly PartitionEarliest[]
}

const readDeletion = (value: unknown, name: string): PartitionDeletion => {
  const map = asMap(value, name)
  return {
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    before: requireInteger(map, 'before', -1, Number.MAX_SAFE_INTEGER),
  }
}

const readEarliest = (value: unknown, name: string): PartitionEarliest => {
  const map = asMap(value, name)
  return {
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    earliest: requireInteger(map, 'earliest', 0, Number.MAX_SAFE_INTEGER),
  }
}

export const encodeRecordsDelete = (request: RecordsDelete): Uint8Array => encodeControl(request)

export const decodeRecordsDelete = (body: Uint8Array): RecordsDelete => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    partitions: requireList(map, 'partitions', readDeletion),
  }
}

export const encodeRecordsDeleted = (deleted: RecordsDeleted): Uint8Array =>
  encodeControl(deleted, CONTROL_LIST_BYTES_MAX)

export const decodeRecordsDeleted = (body: Uint8Array): RecordsDeleted => ({
  partitions: requireList(decodeControl(body, CONTROL_LIST_BYTES_MAX), 'partitions', readEarliest),
})
