/**
 * DELIVER: batches of one partition for one subscription, whose id is the frame's correlation. The
 * channel is that of SUBSCRIBE. No answer; it costs its batches' bytes of credit.
 *
 * ```
 * 0           4       8                16            24
 * | partition | zeros | high watermark | next offset | record batches …
 *   u32         u32     u64              u64
 * ```
 */
import { readUint32, writeUint32, writeUint64 } from '@millrace/codec'
import { checkHead, readOffset } from './binary-body.ts'

export const DELIVER_HEAD_BYTES = 24

export interface DeliverHead {
  partition: number
  highWatermark: number
  /** Where a resumed subscription goes on after this delivery. */
  nextOffset: number
}

export interface Deliver extends Readonly<DeliverHead> {
  readonly batches: Uint8Array
}

export const createDeliverHead = (): DeliverHead => ({
  partition: 0,
  highWatermark: 0,
  nextOffset: 0,
})

export const writeDeliverHead = (
  target: Uint8Array,
  at: number,
  partition: number,
  highWatermark: number,
  nextOffset: number,
): void => {
  writeUint32(target, at, partition)
  writeUint32(target, at + 4, 0)
  writeUint64(target, at + 8, highWatermark)
  writeUint64(target, at + 16, nextOffset)
}

/** Fills and returns `out`. The batches are `body.subarray(DELIVER_HEAD_BYTES)`. */
export const decodeDeliverHead = (body: Uint8Array, out: DeliverHead): DeliverHead => {
  checkHead(body, DELIVER_HEAD_BYTES, 'DELIVER')
  out.partition = readUint32(body, 0)
  out.highWatermark = readOffset(body, 8, 'high watermark')
  out.nextOffset = readOffset(body, 16, 'next offset')
  return out
}

export const encodeDeliver = (deliver: Deliver): Uint8Array => {
  const body = new Uint8Array(DELIVER_HEAD_BYTES + deliver.batches.length)
  writeDeliverHead(body, 0, deliver.partition, deliver.highWatermark, deliver.nextOffset)
  body.set(deliver.batches, DELIVER_HEAD_BYTES)
  return body
}

/** `batches` is a view of the body. */
export const decodeDeliver = (body: Uint8Array): Deliver => ({
  ...decodeDeliverHead(body, createDeliverHead()),
  batches: body.subarray(DELIVER_HEAD_BYTES),
})
