/**
 * The LZ4 frame format. The library inflates without a bound, so the frame's own structure is walked
 * first: no block yields more than the size its descriptor states.
 *
 *     | magic  | FLG | BD | [content size u64] | [dictionary u32] | HC | blocks … | end mark 0 |
 *       u32 LE   u8    u8                                           u8
 *     a block: | size u32 LE, bit 31: stored | bytes | [checksum u32] |
 */
import { lz4Compress, lz4Decompress } from '@platformatic/wasm-utils'
import { damaged, tooLarge } from './bound.ts'

const MAGIC = 0x184d2204
const BLOCK_BYTES_MAX: Readonly<Record<number, number>> = {
  4: 65_536,
  5: 262_144,
  6: 1_048_576,
  7: 4_194_304,
}
const STORED = 0x8000_0000

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

export const compressLz4 = (bytes: Uint8Array): Uint8Array => lz4Compress(asBuffer(bytes))

export const decompressLz4 = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  if (sizeBound(bytes) > bytesMax) throw tooLarge(bytesMax)
  let inflated: Uint8Array
  try {
    inflated = lz4Decompress(asBuffer(bytes))
  } catch (error) {
    throw damaged('lz4', error)
  }
  if (inflated.length > bytesMax) throw tooLarge(bytesMax)
  return inflated
}

/** The most bytes that the frame can inflate to: whole blocks, and an exact size when it states one. */
const sizeBound = (bytes: Uint8Array): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 11 || view.getUint32(0, true) !== MAGIC) throw damaged('lz4')
  const flags = view.getUint8(4)
  const blockBytesMax = BLOCK_BYTES_MAX[(view.getUint8(5) >> 4) & 7]
  if (blockBytesMax === undefined) throw damaged('lz4')
  const hasContentSize = (flags & 8) !== 0
  const headerBytes = 7 + (hasContentSize ? 8 : 0) + ((flags & 1) !== 0 ? 4 : 0)
  const stated =
    hasContentSize && bytes.length >= 14 ? Number(view.getBigUint64(6, true)) : Infinity
  return Math.min(stated, walkBlocks(view, headerBytes, (flags & 16) !== 0 ? 4 : 0, blockBytesMax))
}

const walkBlocks = (
  view: DataView,
  from: number,
  checksumBytes: number,
  blockBytesMax: number,
): number => {
  let total = 0
  for (let at = from; ;) {
    if (at + 4 > view.byteLength) throw damaged('lz4')
    const word = view.getUint32(at, true)
    if (word === 0) return total
    const length = word % STORED
    const isStored = word >= STORED
    if (length > blockBytesMax || at + 4 + length + checksumBytes > view.byteLength)
      throw damaged('lz4')
    // A compressed byte yields at most 255 bytes, and a block at most what its descriptor allows.
    total += isStored ? length : Math.min(blockBytesMax, length * 255)
    at += 4 + length + checksumBytes
  }
}
