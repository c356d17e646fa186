/**
 * The fields of a batch header, read in place: `layout.ts` draws them. Nothing here checks anything;
 * `scanBatch` or `validateBatch` has looked at the bytes before.
 */
import { readInt16, readInt32, readInt64, readUint32, writeInt32, writeInt64 } from '../integers.ts'
import * as layout from './layout.ts'
import type { TimestampType } from './layout.ts'

export const batchBaseOffset = (bytes: Uint8Array, at = 0): number =>
  readInt64(bytes, at + layout.BATCH_BASE_OFFSET_AT)

/** From the first byte of this batch to the first of the next. */
export const batchTotalBytes = (bytes: Uint8Array, at = 0): number =>
  layout.BATCH_LENGTH_END + readInt32(bytes, at + layout.BATCH_LENGTH_AT)

export const batchLeaderEpoch = (bytes: Uint8Array, at = 0): number =>
  readInt32(bytes, at + layout.BATCH_LEADER_EPOCH_AT)

export const batchMagic = (bytes: Uint8Array, at = 0): number =>
  (bytes[at + layout.BATCH_MAGIC_AT]! << 24) >> 24

export const batchCrc = (bytes: Uint8Array, at = 0): number =>
  readUint32(bytes, at + layout.BATCH_CRC_AT)

export const batchAttributes = (bytes: Uint8Array, at = 0): number =>
  readInt16(bytes, at + layout.BATCH_ATTRIBUTES_AT)

export const batchLastOffsetDelta = (bytes: Uint8Array, at = 0): number =>
  readInt32(bytes, at + layout.BATCH_LAST_OFFSET_DELTA_AT)

/** The offset after the last of this batch, also where compaction removed records from it. */
export const batchNextOffset = (bytes: Uint8Array, at = 0): number =>
  batchBaseOffset(bytes, at) + batchLastOffsetDelta(bytes, at) + 1

export const batchBaseTimestamp = (bytes: Uint8Array, at = 0): number =>
  readInt64(bytes, at + layout.BATCH_BASE_TIMESTAMP_AT)

export const batchMaxTimestamp = (bytes: Uint8Array, at = 0): number =>
  readInt64(bytes, at + layout.BATCH_MAX_TIMESTAMP_AT)

export const batchProducerId = (bytes: Uint8Array, at = 0): number =>
  readInt64(bytes, at + layout.BATCH_PRODUCER_ID_AT)

export const batchProducerEpoch = (bytes: Uint8Array, at = 0): number =>
  readInt16(bytes, at + layout.BATCH_PRODUCER_EPOCH_AT)

export const batchBaseSequence = (bytes: Uint8Array, at = 0): number =>
  readInt32(bytes, at + layout.BATCH_BASE_SEQUENCE_AT)

export const batchRecordCount = (bytes: Uint8Array, at = 0): number =>
  readInt32(bytes, at + layout.BATCH_RECORD_COUNT_AT)

/** One of `compressionCodecs`, or an id that this version does not know (5 to 7). */
export const compressionOf = (attributes: number): number => attributes & layout.CODEC_MASK

export const timestampTypeOf = (attributes: number): TimestampType =>
  (attributes & layout.TIMESTAMP_TYPE_BIT) === 0 ? 0 : 1

export const isTransactional = (attributes: number): boolean =>
  (attributes & layout.TRANSACTIONAL_BIT) !== 0

export const isControl = (attributes: number): boolean => (attributes & layout.CONTROL_BIT) !== 0

export const hasDeleteHorizon = (attributes: number): boolean =>
  (attributes & layout.DELETE_HORIZON_BIT) !== 0

/**
 * Writes the 17 bytes before the checksum: in place, or into a prefix of its own whose checksum the
 * caller has copied.
 */
export const writeBatchPrefix = (
  target: Uint8Array,
  at: number,
  baseOffset: number,
  totalBytes: number,
  leaderEpoch: number,
): void => {
  writeInt64(target, at + layout.BATCH_BASE_OFFSET_AT, baseOffset)
  writeInt32(target, at + layout.BATCH_LENGTH_AT, totalBytes - layout.BATCH_LENGTH_END)
  writeInt32(target, at + layout.BATCH_LEADER_EPOCH_AT, leaderEpoch)
  target[at + layout.BATCH_MAGIC_AT] = layout.BATCH_MAGIC
}
