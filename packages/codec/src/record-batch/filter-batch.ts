/**
 * A batch with some of its records left out, for compaction. What stays keeps its bytes, and with
 * them its offset and its time; the header keeps everything but length, record count and CRC, so
 * that the batch covers the offsets it always did.
 */
import { crc32c } from '../crc32c.ts'
import { writeInt32, writeUint32 } from '../integers.ts'
import { writeBatchPrefix } from './batch-header.ts'
import * as layout from './layout.ts'
import { RecordCursor } from './record-cursor.ts'

/** The batch itself when all are kept; one without records when none is. It must be uncompressed. */
export const filterBatch = (
  batch: Uint8Array,
  isKept: (record: RecordCursor) => boolean,
): Uint8Array => {
  const cursor = new RecordCursor(batch)
  const kept: Uint8Array[] = []
  let count = 0
  let bytes = layout.BATCH_HEADER_BYTES
  while (cursor.next()) {
    count++
    if (!isKept(cursor)) continue
    const { from, to } = cursor.span
    kept.push(batch.subarray(from, to))
    bytes += to - from
  }
  if (kept.length === count) return batch
  const filtered = new Uint8Array(bytes)
  filtered.set(batch.subarray(0, layout.BATCH_HEADER_BYTES))
  let at = layout.BATCH_HEADER_BYTES
  for (const record of kept) {
    filtered.set(record, at)
    at += record.length
  }
  return sealed(filtered, kept.length)
}

/**
 * A batch without records that covers the offsets `from` up to `to`: it stands where compaction left
 * nothing, so that a segment has no hole.
 */
export const emptyBatch = (from: number, to: number, leaderEpoch: number): Uint8Array => {
  const bytes = new Uint8Array(layout.BATCH_HEADER_BYTES)
  writeBatchPrefix(bytes, 0, from, bytes.length, leaderEpoch)
  writeInt32(bytes, layout.BATCH_LAST_OFFSET_DELTA_AT, to - from - 1)
  // No timestamp, no producer: all of them are -1.
  bytes.fill(0xff, layout.BATCH_BASE_TIMESTAMP_AT, layout.BATCH_RECORD_COUNT_AT)
  return sealed(bytes, 0)
}

const sealed = (bytes: Uint8Array, recordCount: number): Uint8Array => {
  writeInt32(bytes, layout.BATCH_LENGTH_AT, bytes.length - layout.BATCH_LENGTH_END)
  writeInt32(bytes, layout.BATCH_RECORD_COUNT_AT, recordCount)
  writeUint32(bytes, layout.BATCH_CRC_AT, crc32c(bytes.subarray(layout.BATCH_ATTRIBUTES_AT)))
  return bytes
}
