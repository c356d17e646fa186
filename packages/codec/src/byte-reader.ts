/**
 * A checked cursor over bytes that somebody else owns: big endian, views instead of copies.
 *
 * Every verb either consumes what it names or throws a `BrokerError`; nothing is read beyond `end`,
 * and a declared length is compared with what is left before it is used. The unchecked functions for
 * the hot path are in `integers.ts`. This file and `byte-writer.ts` are the only ones that build a
 * `DataView`, so that a forgotten `byteOffset` has two places to hide, not twenty.
 */
import { BrokerError } from './errors.ts'
import { readInt16, readInt32, readInt64, readUint16, readUint32, readUint64 } from './integers.ts'
import { utf8DecodeRange } from './utf8.ts'
import { UVARINT_BYTES_MAX, VARLONG_BYTES_MAX } from './varint.ts'

/** The codes whose template takes one text: what the reader could not read. */
export type ReadErrorCode = 'ERR_MALFORMED_BODY' | 'ERR_MALFORMED_FRAME' | 'ERR_INVALID_BATCH'

export class ByteReader {
  position: number
  readonly end: number
  readonly #source: Uint8Array
  readonly #code: ReadErrorCode

  constructor(
    bytes: Uint8Array,
    position = 0,
    end: number = bytes.length,
    code: ReadErrorCode = 'ERR_MALFORMED_BODY',
  ) {
    this.position = position
    this.end = Math.min(end, bytes.length)
    this.#source = bytes
    this.#code = code
  }

  get remaining(): number {
    return this.end - this.position
  }

  uint8(): number {
    return this.#source[this.#take(1)]!
  }

  int8(): number {
    return (this.uint8() << 24) >> 24
  }

  uint16(): number {
    return readUint16(this.#source, this.#take(2))
  }

  int16(): number {
    return readInt16(this.#source, this.#take(2))
  }

  uint32(): number {
    return readUint32(this.#source, this.#take(4))
  }

  int32(): number {
    return readInt32(this.#source, this.#take(4))
  }

  uint64(): number {
    return this.#safe(readUint64(this.#source, this.#take(8)))
  }

  int64(): number {
    return this.#safe(readInt64(this.#source, this.#take(8)))
  }

  float32(): number {
    const { buffer, byteOffset, byteLength } = this.#source
    return new DataView(buffer, byteOffset, byteLength).getFloat32(this.#take(4))
  }

  float64(): number {
    const { buffer, byteOffset, byteLength } = this.#source
    return new DataView(buffer, byteOffset, byteLength).getFloat64(this.#take(8))
  }

  /** Zigzag of 32 bits. */
  varint(): number {
    const source = this.#source
    let at = this.position
    // Most lengths and deltas fit one byte.
    if (at < this.end && source[at]! < 0x80) {
      this.position = at + 1
      return (source[at]! >>> 1) ^ -(source[at]! & 1)
    }
    let raw = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= this.end) this.fail('it ends inside a varint')
      const byte = source[at++]!
      if (shift === 28 && byte > 0x0f) this.fail('a varint exceeds 32 bits')
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    this.position = at
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag, magnitude up to 2^53-1. Bit 0 is the sign, the magnitude is summed above it. */
  varlong(): number {
    const source = this.#source
    let at = this.position
    if (at < this.end && source[at]! < 0x80) {
      this.position = at + 1
      return (source[at]! >>> 1) ^ -(source[at]! & 1)
    }
    const limit = at + VARLONG_BYTES_MAX
    let byte = this.#varbyte(at++, limit)
    const isNegative = (byte & 1) === 1
    let magnitude = (byte & 0x7f) >>> 1
    for (let scale = 0x40; byte >= 0x80; scale *= 0x80) {
      byte = this.#varbyte(at++, limit)
      magnitude += (byte & 0x7f) * scale
    }
    this.position = at
    return this.#safe(isNegative ? -magnitude - 1 : magnitude)
  }

  /** Unsigned, up to 2^53-1. */
  uvarint(): number {
    const limit = this.position + UVARINT_BYTES_MAX
    let at = this.position
    let byte = this.#varbyte(at++, limit)
    let value = byte & 0x7f
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = this.#varbyte(at++, limit)
      value += (byte & 0x7f) * scale
    }
    this.position = at
    return this.#safe(value)
  }

  /** A view: it lives as long as the source does, and pins it. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count)
    return this.#source.subarray(at, at + count)
  }

  skip(count: number): void {
    this.#take(count)
  }

  utf8(count: number): string {
    const at = this.#take(count)
    return utf8DecodeRange(this.#source, at, at + count)
  }

  /** Throws this reader's error: for a caller that found a value it cannot accept. */
  fail(reason: string): never {
    throw new BrokerError(this.#code, [reason])
  }

  #take(count: number): number {
    const at = this.position
    // One comparison that a NaN fails too.
    if (!(count >= 0 && count <= this.end - at)) {
      this.fail(`${count} bytes wanted, ${this.end - at} left`)
    }
    this.position = at + count
    return at
  }

  #varbyte(at: number, limit: number): number {
    if (at >= this.end) this.fail('it ends inside a varint')
    if (at >= limit) this.fail('a varint is too long')
    return this.#source[at]!
  }

  #safe(value: number): number {
    if (!Number.isSafeInteger(value)) this.fail('an integer exceeds 2^53-1')
    return value
  }
}
