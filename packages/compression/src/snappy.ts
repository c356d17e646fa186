/**
 * snappy, raw or in the framing that Java's xerial library puts around it; both are read, raw is
 * written.
 *
 * Raw data begins with its inflated size as an unsigned LEB128. The framing:
 *
 *     0        8         12          16
 *     | magic  | version | compatible | blocks: | length u32 | raw snappy | …
 *       8 bytes  u32       u32
 *
 * Every claimed size is added up and checked before anything is inflated.
 */
import { readUint32 } from '@millrace/codec'
import { snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import { damaged, tooLarge } from './bound.ts'

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const XERIAL_HEADER_BYTES = 16
const SIZE_BYTES_MAX = 5

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

export const compressSnappy = (bytes: Uint8Array): Uint8Array => snappyCompress(asBuffer(bytes))

export const decompressSnappy = (bytes: Uint8Array, bytesMax: number): Uint8Array => {
  const isFramed = XERIAL_MAGIC.every((byte, index) => bytes[index] === byte)
  const blocks = isFramed ? xerialBlocks(bytes) : [bytes]
  let total = 0
  for (const block of blocks) total += inflatedSize(block)
  if (total > bytesMax) throw tooLarge(bytesMax)
  const parts = blocks.map(inflate)
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
}

const inflate = (block: Uint8Array): Uint8Array => {
  let inflated: Uint8Array
  try {
    inflated = snappyDecompress(asBuffer(block))
  } catch (error) {
    throw damaged('snappy', error)
  }
  // The library answers damage with nothing at all.
  if (inflated.length !== inflatedSize(block)) throw damaged('snappy')
  return inflated
}

const inflatedSize = (block: Uint8Array): number => {
  let size = 0
  for (let index = 0; index < SIZE_BYTES_MAX; index++) {
    const byte = block[index]
    if (byte === undefined) throw damaged('snappy')
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return size
  }
  throw damaged('snappy')
}

const xerialBlocks = (bytes: Uint8Array): Uint8Array[] => {
  const blocks: Uint8Array[] = []
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    if (at + 4 > bytes.length) throw damaged('snappy')
    const length = readUint32(bytes, at)
    if (length === 0 || length > bytes.length - at - 4) throw damaged('snappy')
    blocks.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return blocks
}
