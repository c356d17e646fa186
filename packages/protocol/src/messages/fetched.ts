/**
 * FETCHED: a head, then whole record batches back to back, perhaps none.
 *
 * ```
 * 0                8                 16            24            28      32
 * | high watermark | earliest offset | next offset | leader epoch| zeros | record batches …
 *   u64              u64               u64           u32           u32
 * ```
 * The first batch may start below the asked offset: the reader skips. Offsets may have gaps.
 */
import { readUint32, writeUint32, writeUint64 } from '@millrace/codec'
import { checkHead, readOffset } from './binary-body.ts'

export const FETCHED_HEAD_BYTES = 32

export interface FetchedHead {
  highWatermark: number
  earliestOffset: number
  /** What to ask for next. */
  nextOffset: number
  leaderEpoch: number
}

export interface Fetched extends Readonly<FetchedHead> {
  readonly batches: Uint8Array
}

export const createFetchedHead = (): FetchedHead => ({
  highWatermark: 0,
  earliestOffset: 0,
  nextOffset: 0,
  leaderEpoch: 0,
})

export const writeFetchedHead = (
  target: Uint8Array,
  at: number,
  highWatermark: number,
  earliestOffset: number,
  nextOffset: number,
  leaderEpoch: number,
): void => {
  writeUint64(target, at, highWatermark)
  writeUint64(target, at + 8, earliestOffset)
  writeUint64(target, at + 16, nextOffset)
  writeUint32(target, at + 24, leaderEpoch)
  writeUint32(target, at + 28, 0)
}

/** Fills and returns `out`. The batches are `body.subarray(FETCHED_HEAD_BYTES)`. */
export const decodeFetchedHead = (body: Uint8Array, out: FetchedHead): FetchedHead => {
  checkHead(body, FETCHED_HEAD_BYTES, 'FETCHED')
  out.highWatermark = readOffset(body, 0, 'high watermark')
  out.earliestOffset = readOffset(body, 8, 'earliest offset')
  out.nextOffset = readOffset(body, 16, 'next offset')
  out.leaderEpoch = readUint32(body, 24)
  return out
}

export const encodeFetched = (fetched: Fetched): Uint8Array => {
  const body = new Uint8Array(FETCHED_HEAD_BYTES + fetched.batches.length)
  const { highWatermark, earliestOffset, nextOffset, leaderEpoch } = fetched
  writeFetchedHead(body, 0, highWatermark, earliestOffset, nextOffset, leaderEpoch)
  body.set(fetched.batches, FETCHED_HEAD_BYTES)
  return body
}

/** `batches` is a view of the body. */
export const decodeFetched = (body: Uint8Array): Fetched => ({
  ...decodeFetchedHead(body, createFetchedHead()),
  batches: body.subarray(FETCHED_HEAD_BYTES),
})
