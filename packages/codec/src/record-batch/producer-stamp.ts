/**
 * Who produced a batch, as its header says it: bytes 43 to 56, drawn in `layout.ts`. The checksum
 * covers them, so a batch that is stamped again gets another one.
 */
import { crc32c } from '../crc32c.ts'
import { writeInt32, writeInt64, writeUint16, writeUint32 } from '../integers.ts'
import * as layout from './layout.ts'

export interface ProducerStamp {
  readonly producerId: number
  readonly producerEpoch: number
  /** Of the first record; the others count on from it. */
  readonly baseSequence: number
}

/** 0 follows it. */
export const SEQUENCE_MAX = 0x7fff_ffff

/** The sequence `count` records after `sequence`. */
export const sequenceAfter = (sequence: number, count: number): number => {
  const next = sequence + count
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next
}

/** Without the checksum: for who computes it next. */
export const writeProducerStamp = (batch: Uint8Array, stamp: ProducerStamp): void => {
  writeInt64(batch, layout.BATCH_PRODUCER_ID_AT, stamp.producerId)
  writeUint16(batch, layout.BATCH_PRODUCER_EPOCH_AT, stamp.producerEpoch)
  writeInt32(batch, layout.BATCH_BASE_SEQUENCE_AT, stamp.baseSequence)
}

/** In place; compressed or not. The caller owns the bytes, and nobody is sending them. */
export const stampBatch = (batch: Uint8Array, stamp: ProducerStamp): void => {
  writeProducerStamp(batch, stamp)
  const covered = batch.subarray(layout.BATCH_ATTRIBUTES_AT)
  writeUint32(batch, layout.BATCH_CRC_AT, crc32c(covered))
}
