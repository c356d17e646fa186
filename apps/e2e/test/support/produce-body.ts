/** Bodies of PRODUCE and FETCH, and record batches, for peers that write bytes themselves. */
import { RecordBatchBuilder } from '@millrace/codec'

/** `handle u32, partition u32, durability u8, zeros 3`, then the batch. */
export const produceBody = (
  handle: number,
  partition: number,
  batch: Uint8Array,
  durability = 0,
): Buffer => {
  const head = Buffer.alloc(12)
  head.writeUInt32BE(handle, 0)
  head.writeUInt32BE(partition, 4)
  head[8] = durability
  return Buffer.concat([head, batch])
}

/** `handle u32, partition u32, offset u64, maxBytes, minBytes, maxWaitMs u32, flags u8, zeros 3`. */
export const fetchBody = (
  handle: number,
  partition: number,
  offset: bigint,
  maxBytes = 1_048_576,
): Buffer => {
  const body = Buffer.alloc(32)
  body.writeUInt32BE(handle, 0)
  body.writeUInt32BE(partition, 4)
  body.writeBigUInt64BE(offset, 8)
  body.writeUInt32BE(maxBytes, 16)
  return body
}

export const batchOf = (...values: readonly Uint8Array[]): Buffer => {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.appendFields(1_700_000_000_000, null, value, [])
  return Buffer.from(builder.build())
}
