/**
 * Sorted pairs of numbers in typed arrays: the body of both indexes of a segment, in memory and as
 * a file that is checked when it is read and rebuilt when it is missing or bad.
 *
 *     0        4        8              16              24       28
 *     | magic  | count  | segment base | covered bytes | CRC    | pairs: key f64, value f64 …
 *       u32      u32      u64            u64             u32
 *
 * `covered bytes`: the index speaks of the segment's bytes before this position. The CRC covers the
 * header before it and all pairs.
 */
import { crc32c, readUint32, readUint64, writeUint32, writeUint64 } from '@millrace/codec'

const HEADER_BYTES = 28
const PAIR_BYTES = 16
const CAPACITY_MIN = 16

export class SparseIndex {
  readonly #magic: number
  #keys = new Float64Array(CAPACITY_MIN)
  #values = new Float64Array(CAPACITY_MIN)
  #count = 0

  constructor(magic: number) {
    this.#magic = magic
  }

  get count(): number {
    return this.#count
  }

  /** Keys must not fall. */
  add(key: number, value: number): void {
    if (this.#count === this.#keys.length) this.#grow(this.#count * 2)
    this.#keys[this.#count] = key
    this.#values[this.#count] = value
    this.#count++
  }

  /** The position in the index of the last pair whose key is <= `key`, -1 when there is none. */
  floor(key: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] ?? 0) <= key) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  /** The same for values, where these rise with the keys. */
  floorOfValue(value: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if ((this.#values[middle] ?? 0) <= value) low = middle + 1
      else high = middle - 1
    }
    return high
  }

  keyAt(index: number): number {
    return this.#keys[index] ?? 0
  }

  valueAt(index: number): number {
    return this.#values[index] ?? 0
  }

  clear(): void {
    this.#count = 0
  }

  encode(segmentBase: number, coveredBytes: number): Uint8Array {
    const bytes = new Uint8Array(HEADER_BYTES + this.#count * PAIR_BYTES)
    writeUint32(bytes, 0, this.#magic)
    writeUint32(bytes, 4, this.#count)
    writeUint64(bytes, 8, segmentBase)
    writeUint64(bytes, 16, coveredBytes)
    for (let index = 0; index < this.#count; index++) {
      const at = HEADER_BYTES + index * PAIR_BYTES
      writeUint64(bytes, at, this.#keys[index] ?? 0)
      writeUint64(bytes, at + 8, this.#values[index] ?? 0)
    }
    writeUint32(bytes, 24, this.#crcOf(bytes))
    return bytes
  }

  /** Takes over what a file holds. The covered bytes, or `undefined` when the file is bad. */
  decode(bytes: Uint8Array, segmentBase: number): number | undefined {
    if (bytes.length < HEADER_BYTES || readUint32(bytes, 0) !== this.#magic) return undefined
    const count = readUint32(bytes, 4)
    if (bytes.length !== HEADER_BYTES + count * PAIR_BYTES) return undefined
    if (readUint32(bytes, 24) !== this.#crcOf(bytes)) return undefined
    if (readUint64(bytes, 8) !== segmentBase) return undefined
    this.#count = 0
    this.#grow(Math.max(count, CAPACITY_MIN))
    for (let index = 0; index < count; index++) {
      const at = HEADER_BYTES + index * PAIR_BYTES
      this.add(readUint64(bytes, at), readUint64(bytes, at + 8))
    }
    return readUint64(bytes, 16)
  }

  #crcOf(bytes: Uint8Array): number {
    return crc32c(bytes.subarray(HEADER_BYTES), crc32c(bytes.subarray(0, 24)))
  }

  #grow(capacity: number): void {
    const keys = new Float64Array(capacity)
    const values = new Float64Array(capacity)
    keys.set(this.#keys.subarray(0, Math.min(this.#count, capacity)))
    values.set(this.#values.subarray(0, Math.min(this.#count, capacity)))
    this.#keys = keys
    this.#values = values
  }
}
