/**
 * Headers by themselves, written as those of a record: how a message outside a batch carries them,
 * on the wire and as the property block of a queued message (`propertyFormats.headers`).
 *
 * ```
 *  +--------+-- each header -----------------------------------+
 *  | count  | key length | key … | value length | value …       |
 *  | varint | varint     |       | varint       | -1: no value  |
 *  +--------+----------------------------------------------------+
 * ```
 * No bytes at all are no headers too. Invariant: nothing beyond the block is handed out, and a count
 * is compared with the bytes that are there before anything is sized by it.
 */
import { ByteReader } from './byte-reader.ts'
import type { RecordHeader } from './record-batch/record.ts'
import { isUtf8, utf8DecodeRange, utf8Length, writeUtf8 } from './utf8.ts'
import { varintSize, writeVarint } from './varint.ts'

/** An empty key and no value: a byte for each length. */
const HEADER_BYTES_MIN = 2

const NOTHING = new Uint8Array(0)

/** Lengths are varints, so that a loop over `size` and `write` agrees with the record's own. */
const sizeOf = ({ key, value }: RecordHeader): number => {
  const keyBytes = utf8Length(key)
  const valueBytes = value === null ? varintSize(-1) : varintSize(value.length) + value.length
  return varintSize(keyBytes) + keyBytes + valueBytes
}

export const headerBlockSize = (headers: readonly RecordHeader[]): number => {
  if (headers.length === 0) return 0
  let size = varintSize(headers.length)
  for (const header of headers) size += sizeOf(header)
  return size
}

/** Returns the next position; the caller has made room for `headerBlockSize`. */
export const writeHeaderBlock = (
  target: Uint8Array,
  start: number,
  headers: readonly RecordHeader[],
): number => {
  if (headers.length === 0) return start
  let at = writeVarint(target, start, headers.length)
  for (const { key, value } of headers) {
    at = writeUtf8(target, writeVarint(target, at, utf8Length(key)), key)
    at = writeVarint(target, at, value === null ? -1 : value.length)
    if (value === null) continue
    target.set(value, at)
    at += value.length
  }
  return at
}

/** A block that the caller owns; of no headers none. */
export const encodeHeaderBlock = (headers: readonly RecordHeader[]): Uint8Array => {
  if (headers.length === 0) return NOTHING
  const block = new Uint8Array(headerBlockSize(headers))
  writeHeaderBlock(block, 0, headers)
  return block
}

const readCount = (reader: ByteReader): number => {
  const count = reader.varint()
  if (count < 0 || count * HEADER_BYTES_MIN > reader.remaining) {
    reader.fail(`a block of ${reader.end} bytes claims ${count} headers`)
  }
  return count
}

const readKey = (reader: ByteReader, block: Uint8Array): string => {
  const length = reader.varint()
  if (length < 0) reader.fail('a header key is null')
  reader.skip(length)
  return utf8DecodeRange(block, reader.position - length, reader.position)
}

const readValue = (reader: ByteReader): Uint8Array | null => {
  const length = reader.varint()
  if (length < -1) reader.fail(`a header value claims ${length} bytes`)
  return length === -1 ? null : reader.bytes(length)
}

/** Values are views of the block. Throws ERR_MALFORMED_BODY. */
export const decodeHeaderBlock = (block: Uint8Array): RecordHeader[] => {
  if (block.length === 0) return []
  const reader = new ByteReader(block)
  const headers: RecordHeader[] = []
  for (let left = readCount(reader); left > 0; left--) {
    const key = readKey(reader, block)
    headers.push({ key, value: readValue(reader) })
  }
  if (reader.remaining > 0) reader.fail('bytes follow the last header')
  return headers
}

/** Walks the block of a stranger: throws ERR_MALFORMED_BODY unless `decodeHeaderBlock` will read it. */
export const checkHeaderBlock = (block: Uint8Array): void => {
  if (block.length === 0) return
  const reader = new ByteReader(block)
  for (let left = readCount(reader); left > 0; left--) {
    const length = reader.varint()
    if (length < 0) reader.fail('a header key is null')
    if (!isUtf8(reader.bytes(length))) reader.fail('a header key is not UTF-8')
    readValue(reader)
  }
  if (reader.remaining > 0) reader.fail('bytes follow the last header')
}
