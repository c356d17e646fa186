/** Log-append time: the broker's clock in the batch, and a new CRC, since it covers both. */
import {
  BATCH_ATTRIBUTES_AT,
  BATCH_CRC_AT,
  BATCH_MAX_TIMESTAMP_AT,
  TIMESTAMP_TYPE_BIT,
  batchAttributes,
  crc32c,
  writeInt64,
  writeUint16,
  writeUint32,
} from '@millrace/codec'

/** A copy of the batch whose records all carry `nowMs`. */
export const withAppendTime = (batch: Uint8Array, nowMs: number): Uint8Array => {
  // Not `slice`: of a Buffer that is a view, and the bytes are only borrowed.
  const stamped = new Uint8Array(batch)
  writeUint16(stamped, BATCH_ATTRIBUTES_AT, batchAttributes(batch) | TIMESTAMP_TYPE_BIT)
  writeInt64(stamped, BATCH_MAX_TIMESTAMP_AT, nowMs)
  writeUint32(stamped, BATCH_CRC_AT, crc32c(stamped.subarray(BATCH_ATTRIBUTES_AT)))
  return stamped
}
