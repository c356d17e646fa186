/**
 * zstd: built into newer Nodes, WebAssembly in older ones. The WebAssembly one inflates without a
 * bound of its own, so the frames are walked first: a block yields at most 128 KiB.
 *
 *     | magic  | descriptor | [window] | [dictionary] | [content size] | blocks … | [checksum u32] |
 *       u32 LE   u8
 *     a block: | header u24 LE: bit 0 last, bits 1-2 type, bits 3-23 size | bytes |
 */
import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'
import { damaged, tooLarge } from './bound.ts'

interface ZstdImplementation {
  compress(bytes: Uint8Array): Uint8Array
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array
}

interface BuiltIn {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

interface WasmModule {
  init(): Promise<void>
  compress(bytes: Uint8Array, level: number): Uint8Array
  decompress(bytes: Uint8Array, options: { defaultHeapSize: number }): Uint8Array
}

const MAGIC = 0xfd2fb528
const BLOCK_BYTES_MAX = 131_072
const LEVEL = 3
const RLE_BLOCK = 1
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const DICTIONARY_BYTES = [0, 1, 2, 4]

/** Loads what this Node has. */
export const loadZstd = async (): Promise<ZstdImplementation> => builtIn() ?? (await wasmOnce())

/**
 * The library keeps one instance in a variable of its own and is damaged when it is initialised
 * again: what it works on then lies in the memory of the one before.
 */
const once = <T>(load: () => Promise<T>): (() => Promise<T>) => {
  let loading: Promise<T> | undefined
  return () => (loading ??= load())
}

const builtIn = (): ZstdImplementation | undefined => {
  const { zstdCompressSync, zstdDecompressSync } = zlib as BuiltIn
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: (bytes) => zstdCompressSync(bytes),
    decompress: (bytes, bytesMax) => {
      checkBound(bytes, bytesMax)
      return guarded(() => zstdDecompressSync(bytes, { maxOutputLength: bytesMax }), bytesMax)
    },
  }
}

const wasm = async (): Promise<ZstdImplementation> => {
  const library = createRequire(import.meta.url)('@bokuweb/zstd-wasm') as WasmModule
  await library.init()
  return {
    compress: (bytes) => library.compress(bytes, LEVEL),
    decompress: (bytes, bytesMax) => {
      // Where the frame states no size the library inflates into a heap of this size.
      const bound = checkBound(bytes, bytesMax)
      return guarded(() => library.decompress(bytes, { defaultHeapSize: bound }), bytesMax)
    },
  }
}

const wasmOnce = once(wasm)

const guarded = (inflate: () => Uint8Array, bytesMax: number): Uint8Array => {
  let inflated: Uint8Array
  try {
    inflated = inflate()
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax)
    throw damaged('zstd', error)
  }
  if (inflated.length > bytesMax) throw tooLarge(bytesMax)
  return inflated
}

/** The most that all frames can inflate to; throws when that is too much or the frames are damaged. */
const checkBound = (bytes: Uint8Array, bytesMax: number): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length === 0) throw damaged('zstd')
  let total = 0
  for (let at = 0; at < bytes.length;) {
    const frame = frameBound(view, at)
    // A frame that was written as a stream states no size: its blocks alone bound it.
    if (frame.statedBytes !== undefined && frame.statedBytes > bytesMax) throw tooLarge(bytesMax)
    total += Math.min(frame.blockBytes, frame.statedBytes ?? Infinity)
    at = frame.end
  }
  if (total > bytesMax) throw tooLarge(bytesMax)
  return Math.max(total, 1)
}

interface FrameBound {
  readonly end: number
  readonly blockBytes: number
  readonly statedBytes: number | undefined
}

const frameBound = (view: DataView, from: number): FrameBound => {
  if (from + 6 > view.byteLength || view.getUint32(from, true) !== MAGIC) throw damaged('zstd')
  const descriptor = view.getUint8(from + 4)
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0)
  const sizeAt = from + 5 + (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] ?? 0)
  if (sizeAt + sizeBytes > view.byteLength) throw damaged('zstd')
  const statedBytes = sizeBytes === 0 ? undefined : contentSize(view, sizeAt, sizeBytes)
  const blocks = walkBlocks(view, sizeAt + sizeBytes)
  const end = blocks.end + ((descriptor & 4) !== 0 ? 4 : 0)
  if (end > view.byteLength) throw damaged('zstd')
  return { end, blockBytes: blocks.bytes, statedBytes }
}

const contentSize = (view: DataView, at: number, bytes: number): number => {
  if (bytes === 1) return view.getUint8(at)
  if (bytes === 2) return view.getUint16(at, true) + 256
  if (bytes === 4) return view.getUint32(at, true)
  return Number(view.getBigUint64(at, true))
}

const walkBlocks = (view: DataView, from: number): { end: number; bytes: number } => {
  let bytes = 0
  for (let at = from; ;) {
    if (at + 3 > view.byteLength) throw damaged('zstd')
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const type = (header >> 1) & 3
    const size = header >> 3
    if (size > BLOCK_BYTES_MAX) throw damaged('zstd')
    bytes += type === 2 ? BLOCK_BYTES_MAX : size
    at += 3 + (type === RLE_BLOCK ? 1 : size)
    if (at > view.byteLength) throw damaged('zstd')
    if ((header & 1) === 1) return { end: at, bytes }
  }
}
