/**
 * From a compressed batch to the same batch uncompressed, and back. The compressed part is
 * everything behind the 61-byte header; the header stays but for length, attributes and CRC.
 *
 * The codecs themselves are handed in: they are not written here and need a platform.
 */
import { crc32c } from '../crc32c.ts'
import { writeInt32, writeUint16, writeUint32 } from '../integers.ts'
import * as header from './batch-header.ts'
import * as layout from './layout.ts'

/** `codec` is the number in the attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export interface BatchCompression {
  compress(codec: number, bytes: Uint8Array): Uint8Array
  /** Throws ERR_INVALID_BATCH when the result would be larger, before it allocates. */
  decompress(codec: number, bytes: Uint8Array, bytesMax: number): Uint8Array
}

const rebuilt = (batch: Uint8Array, codec: number, records: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(layout.BATCH_HEADER_BYTES + records.length)
  bytes.set(batch.subarray(0, layout.BATCH_HEADER_BYTES))
  bytes.set(records, layout.BATCH_HEADER_BYTES)
  const attributes = (header.batchAttributes(batch) & ~layout.CODEC_MASK) | codec
  writeUint16(bytes, layout.BATCH_ATTRIBUTES_AT, attributes)
  writeInt32(bytes, layout.BATCH_LENGTH_AT, bytes.length - layout.BATCH_LENGTH_END)
  const crc = crc32c(bytes.subarray(layout.BATCH_ATTRIBUTES_AT))
  writeUint32(bytes, layout.BATCH_CRC_AT, crc)
  return bytes
}

/** The batch with its records readable; the batch itself when they are already. */
export const inflateBatch = (
  batch: Uint8Array,
  compression: BatchCompression,
  recordsBytesMax: number,
): Uint8Array => {
  const codec = header.compressionOf(header.batchAttributes(batch))
  if (codec === layout.compressionCodecs.none) return batch
  const records = batch.subarray(layout.BATCH_HEADER_BYTES, header.batchTotalBytes(batch))
  return rebuilt(batch, 0, compression.decompress(codec, records, recordsBytesMax))
}

/** The batch with its records compressed; the batch itself when that would not make it smaller. */
export const deflateBatch = (
  batch: Uint8Array,
  compression: BatchCompression,
  codec: number,
): Uint8Array => {
  const records = compression.compress(codec, batch.subarray(layout.BATCH_HEADER_BYTES))
  if (records.length >= batch.length - layout.BATCH_HEADER_BYTES) return batch
  return rebuilt(batch, codec, records)
}
