/**
 * Writes big-endian bytes into a buffer that doubles when it is full.
 *
 * It is not a check: a value outside its field is cut to the field's width. What `bytesWritten` and
 * `reserve` hand out belongs to the writer and is overwritten after `reset`; `finish` copies.
 */
import { BrokerError } from './errors.ts'
import { writeInt64, writeUint16, writeUint32 } from './integers.ts'
import { writeUtf8 } from './utf8.ts'
import {
  UVARINT_BYTES_MAX,
  VARINT_BYTES_MAX,
  VARLONG_BYTES_MAX,
  writeUvarint,
  writeVarint,
  writeVarlong,
} from './varint.ts'

/** The lengths of every format that is written with this class are 32-bit and signed. */
export const WRITER_BYTES_MAX = 0x7fff_ffff

const CAPACITY_BYTES_MIN = 16

export class ByteWriter {
  position = 0
  #bytes: Uint8Array

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(capacity, CAPACITY_BYTES_MIN))
  }

  uint8(value: number): this {
    this.#room(1)
    this.#bytes[this.position++] = value
    return this
  }

  int8(value: number): this {
    return this.uint8(value)
  }

  uint16(value: number): this {
    this.#room(2)
    writeUint16(this.#bytes, this.position, value)
    this.position += 2
    return this
  }

  int16(value: number): this {
    return this.uint16(value)
  }

  uint32(value: number): this {
    this.#room(4)
    writeUint32(this.#bytes, this.position, value)
    this.position += 4
    return this
  }

  int32(value: number): this {
    return this.uint32(value)
  }

  uint64(value: number): this {
    return this.int64(value)
  }

  int64(value: number): this {
    this.#room(8)
    writeInt64(this.#bytes, this.position, value)
    this.position += 8
    return this
  }

  float32(value: number): this {
    this.#room(4)
    const { buffer, byteOffset, byteLength } = this.#bytes
    new DataView(buffer, byteOffset, byteLength).setFloat32(this.position, value)
    this.position += 4
    return this
  }

  float64(value: number): this {
    this.#room(8)
    const { buffer, byteOffset, byteLength } = this.#bytes
    new DataView(buffer, byteOffset, byteLength).setFloat64(this.position, value)
    this.position += 8
    return this
  }

  varint(value: number): this {
    this.#room(VARINT_BYTES_MAX)
    this.position = writeVarint(this.#bytes, this.position, value)
    return this
  }

  varlong(value: number): this {
    this.#room(VARLONG_BYTES_MAX)
    this.position = writeVarlong(this.#bytes, this.position, value)
    return this
  }

  uvarint(value: number): this {
    this.#room(UVARINT_BYTES_MAX)
    this.position = writeUvarint(this.#bytes, this.position, value)
    return this
  }

  bytes(source: Uint8Array): this {
    this.#room(source.length)
    this.#bytes.set(source, this.position)
    this.position += source.length
    return this
  }

  /** The text alone: a length before it is the caller's, `utf8Length` tells it. */
  utf8(text: string): this {
    // Three bytes a code unit is the most that UTF-8 takes; a pair of units takes four.
    this.#room(text.length * 3)
    this.position = writeUtf8(this.#bytes, this.position, text)
    return this
  }

  /** Leaves `count` zero bytes to be patched later, and returns where they start. */
  reserve(count: number): number {
    this.#room(count)
    const at = this.position
    this.position += count
    this.#bytes.fill(0, at, this.position)
    return at
  }

  patchUint16(at: number, value: number): void {
    writeUint16(this.#bytes, at, value)
  }

  patchUint32(at: number, value: number): void {
    writeUint32(this.#bytes, at, value)
  }

  /** A view of what was written so far, valid until the next write. */
  bytesWritten(): Uint8Array {
    return this.#bytes.subarray(0, this.position)
  }

  /** A copy that the caller owns. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.position)
  }

  /** Starts again in the same buffer. */
  reset(): void {
    this.position = 0
  }

  #room(count: number): void {
    if (this.position + count > this.#bytes.length) this.#grow(this.position + count)
  }

  #grow(needed: number): void {
    if (needed > WRITER_BYTES_MAX) {
      throw new BrokerError('ERR_BODY_TOO_LARGE', [needed, WRITER_BYTES_MAX])
    }
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.position))
    this.#bytes = grown
  }
}
