/**
 * FETCH: batches of one partition from an offset, now or when there are enough.
 *
 * ```
 * 0        4           8        16         20         24          28      29      32
 * | handle | partition | offset | maxBytes | minBytes | maxWaitMs | flags | zeros |
 *   u32      u32         u64      u32        u32        u32         u8      3 bytes
 * ```
 * Flag bit 0, read committed, is reserved: send 0.
 */
import { readUint32, writeUint32, writeUint64 } from '@millrace/codec'
import { checkHead, readOffset } from './binary-body.ts'

export const FETCH_BYTES = 32

/** Reserved until there are transactions. */
export const FETCH_FLAG_READ_COMMITTED = 0x01

export interface Fetch {
  handle: number
  partition: number
  offset: number
  maxBytes: number
  /** 0: answer at once, with whatever there is. */
  minBytes: number
  maxWaitMs: number
  flags: number
}

export const createFetch = (): Fetch => ({
  handle: 0,
  partition: 0,
  offset: 0,
  maxBytes: 0,
  minBytes: 0,
  maxWaitMs: 0,
  flags: 0,
})

export const writeFetch = (target: Uint8Array, at: number, fetch: Readonly<Fetch>): void => {
  writeUint32(target, at, fetch.handle)
  writeUint32(target, at + 4, fetch.partition)
  writeUint64(target, at + 8, fetch.offset)
  writeUint32(target, at + 16, fetch.maxBytes)
  writeUint32(target, at + 20, fetch.minBytes)
  writeUint32(target, at + 24, fetch.maxWaitMs)
  writeUint32(target, at + 28, fetch.flags * 0x100_0000)
}

/** Fills and returns `out`. */
export const decodeFetch = (body: Uint8Array, out: Fetch = createFetch()): Fetch => {
  checkHead(body, FETCH_BYTES, 'FETCH')
  out.handle = readUint32(body, 0)
  out.partition = readUint32(body, 4)
  out.offset = readOffset(body, 8, 'offset')
  out.maxBytes = readUint32(body, 16)
  out.minBytes = readUint32(body, 20)
  out.maxWaitMs = readUint32(body, 24)
  out.flags = body[28] as number
  return out
}

export const encodeFetch = (fetch: Readonly<Fetch>): Uint8Array => {
  const body = new Uint8Array(FETCH_BYTES)
  writeFetch(body, 0, fetch)
  return body
}
