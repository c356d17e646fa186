/**
 * Steps through the records of an uncompressed batch and leaves positions, not objects: the
 * validator walks millions of records a second over this, and the cursor makes views of it on
 * demand. Not exported from the package.
 *
 * ```
 *  +--------+------+-----------+--------+---------+-----+---------+-------+---------+-----------
 *  | length | attr | timestamp | offset | key     | key | value   | value | header  | headers
 *  |        |      | delta     | delta  | length  |     | length  |       | count   |   ...
 *  | varint | int8 | varlong   | varint | varint  |     | varint  |       | varint  |
 *  +--------+------+-----------+--------+---------+-----+---------+-------+---------+-----------
 *           |<--------------------------- length bytes ------------------------------------------>
 * ```
 *
 * A header is a key (length as varint, never null, UTF-8) and a value (length as varint, -1 is null).
 *
 * Invariant: whatever the bytes say, no key, value or header outside the record that declares it is
 * handed out, and every step moves forward or throws ERR_INVALID_BATCH.
 */
import { ByteReader } from '../byte-reader.ts'
import { utf8DecodeRange } from '../utf8.ts'
import { RECORD_HEADER_BYTES_MIN } from './layout.ts'
import type { RecordHeader } from './record.ts'

export class RecordScanner {
  timestampDelta = 0
  offsetDelta = 0
  keyAt = 0
  /** -1 is null, here and below. */
  keyLength = -1
  valueAt = 0
  valueLength = -1
  headerCount = 0
  /** Where the record begins, its length included. */
  recordAt = 0
  readonly #bytes: Uint8Array
  readonly #reader: ByteReader
  #recordEnd: number
  #headersAt = 0

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.#bytes = bytes
    this.#reader = new ByteReader(bytes, position, end, 'ERR_INVALID_BATCH')
    this.#recordEnd = position
  }

  get recordEnd(): number {
    return this.#recordEnd
  }

  /** Whether the record read last ends where the batch does. */
  get isAtEnd(): boolean {
    return this.#recordEnd === this.#reader.end
  }

  /** Reads the next record up to its headers. */
  next(): void {
    const reader = this.#reader
    reader.position = this.#recordEnd
    this.recordAt = this.#recordEnd
    const length = reader.varint()
    if (length < 0 || length > reader.remaining) reader.fail(`a record claims ${length} bytes`)
    this.#recordEnd = reader.position + length
    // Record attributes: all bits are reserved.
    reader.skip(1)
    this.timestampDelta = reader.varlong()
    this.offsetDelta = reader.varint()
    this.keyLength = this.#span('a key')
    this.keyAt = reader.position - Math.max(this.keyLength, 0)
    this.valueLength = this.#span('a value')
    this.valueAt = reader.position - Math.max(this.valueLength, 0)
    this.headerCount = reader.varint()
    this.#headersAt = reader.position
    const roomBytes = this.#recordEnd - reader.position
    // Compared before anything is sized by it: a count of 2^31 must not become an array.
    if (this.headerCount < 0 || this.headerCount * RECORD_HEADER_BYTES_MIN > roomBytes) {
      reader.fail(`a record of ${length} bytes claims ${this.headerCount} headers`)
    }
  }

  /** Walks the headers of the current record without decoding them. */
  checkHeaders(): void {
    const reader = this.#reader
    reader.position = this.#headersAt
    for (let index = 0; index < this.headerCount; index++) {
      if (this.#span('a header key') < 0) reader.fail('a header key is null')
      this.#span('a header value')
    }
    if (reader.position !== this.#recordEnd) reader.fail('a record is longer than its fields')
  }

  headers(): RecordHeader[] {
    const reader = this.#reader
    const headers: RecordHeader[] = []
    reader.position = this.#headersAt
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = this.#span('a header key')
      if (keyLength < 0) reader.fail('a header key is null')
      const key = utf8DecodeRange(this.#bytes, reader.position - keyLength, reader.position)
      const valueLength = this.#span('a header value')
      headers.push({
        key,
        value: this.view(reader.position - Math.max(valueLength, 0), valueLength),
      })
    }
    if (reader.position !== this.#recordEnd) reader.fail('a record is longer than its fields')
    return headers
  }

  /** The value of the first header with this key, as UTF-8; the others are stepped over. */
  header(key: Uint8Array): Uint8Array | null | undefined {
    const reader = this.#reader
    reader.position = this.#headersAt
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = this.#span('a header key')
      if (keyLength < 0) reader.fail('a header key is null')
      const isMeant = keyLength === key.length && this.#isAt(reader.position - keyLength, key)
      const valueLength = this.#span('a header value')
      if (isMeant) return this.view(reader.position - Math.max(valueLength, 0), valueLength)
    }
    return undefined
  }

  view(at: number, length: number): Uint8Array | null {
    return length < 0 ? null : this.#bytes.subarray(at, at + length)
  }

  #isAt(at: number, expected: Uint8Array): boolean {
    for (let index = 0; index < expected.length; index++)
      if (this.#bytes[at + index] !== expected[index]) return false
    return true
  }

  /** Reads a length and steps over as many bytes; the length is -1 for null. */
  #span(what: string): number {
    const reader = this.#reader
    const length = reader.varint()
    const room = this.#recordEnd - reader.position
    if (length < -1 || length > room) reader.fail(`${what} claims ${length} bytes`)
    if (length > 0) reader.position += length
    return length
  }
}
