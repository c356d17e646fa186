/**
 * Which offsets of a log are settled: all below a floor, and above it one bit each, in chunks.
 *
 * ```
 *   floor            chunk n                  chunk n+1 (full)        chunk n+2
 *     v   |0011010…  65,536 bits, 8 KiB  |  all ones: no bits kept  |  not there: all zeros
 * ```
 *
 * A chunk is made with its first settled offset and given back when all of it is settled, so a queue
 * whose messages are settled nearly in order costs a chunk or two, and one stuck message costs a bit
 * for each one behind it that is settled, while chunks that filled up cost nothing.
 *
 * Invariant: the floor is the lowest offset that is not settled.
 */
import { BrokerError, writeUvarint, uvarintSize } from '@millrace/codec'

const CHUNK_OFFSETS = 65_536
const WORDS = CHUNK_OFFSETS / 32
const ALL_SET = 0xffffffff

class Chunk {
  /** `undefined`: all settled. */
  words: Uint32Array | undefined = new Uint32Array(WORDS)
  count = 0
}

const isSet = ({ words }: Chunk, bit: number): boolean =>
  words === undefined || ((words[bit >>> 5]! >>> (bit & 31)) & 1) === 1

/** How many bits of a word are set. */
const bitsIn = (word: number): number => {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

const countSet = (chunk: Chunk, from: number, to: number): number => {
  const { words } = chunk
  if (words === undefined) return Math.max(0, to - from)
  let count = 0
  for (let bit = from; bit < to;) {
    const isWhole = (bit & 31) === 0 && bit + 32 <= to
    if (isWhole) count += bitsIn(words[bit >>> 5]!)
    else if (isSet(chunk, bit)) count++
    bit += isWhole ? 32 : 1
  }
  return count
}

const lowestZero = (word: number): number => 31 - Math.clz32(~word & (word + 1))

/** Never written to. */
const noChunks = new Map<number, Chunk>()

export class SettledSet {
  /** Made with its first chunk: most queues never have one. */
  #chunks: Map<number, Chunk> = noChunks
  #floor: number
  /** Settled offsets at or above the floor. */
  #countAbove = 0

  constructor(floor = 0) {
    this.#floor = floor
  }

  get floor(): number {
    return this.#floor
  }

  /** How many offsets at or above the floor are settled. */
  get countAbove(): number {
    return this.#countAbove
  }

  has(offset: number): boolean {
    if (offset < this.#floor) return true
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK_OFFSETS))
    if (chunk === undefined) return false
    return isSet(chunk, offset % CHUNK_OFFSETS)
  }

  /** False when it was settled before. */
  add(offset: number): boolean {
    if (offset === this.#floor) {
      this.#floor++
      if (this.#countAbove > 0) this.#advance()
      return true
    }
    if (offset < this.#floor) return false
    return this.#mark(offset)
  }

  /** Settles `from` up to and without `to`. */
  addRange(from: number, to: number): void {
    if (from <= this.#floor) return this.raiseFloor(Math.max(to, this.#floor))
    for (let offset = from; offset < to;) {
      const isWhole = offset % CHUNK_OFFSETS === 0 && offset + CHUNK_OFFSETS <= to
      if (isWhole) this.#fill(offset / CHUNK_OFFSETS)
      else this.#mark(offset)
      offset += isWhole ? CHUNK_OFFSETS : 1
    }
  }

  /** Everything below `offset` is settled, or gone. */
  raiseFloor(offset: number): void {
    if (offset <= this.#floor) return
    const indexOfFloor = Math.floor(offset / CHUNK_OFFSETS)
    for (const [index, chunk] of this.#chunks) {
      if (index > indexOfFloor) continue
      const base = index * CHUNK_OFFSETS
      const end = Math.min(base + CHUNK_OFFSETS, offset)
      this.#countAbove -= countSet(chunk, Math.max(this.#floor, base) - base, end - base)
      if (index < indexOfFloor) this.#chunks.delete(index)
    }
    this.#floor = offset
    this.#advance()
  }

  /** How many of the offsets from `from` up to and without `to` are settled. */
  countBetween(from: number, to: number): number {
    if (from >= to) return 0
    let count = Math.max(0, Math.min(to, this.#floor) - from)
    for (let at = Math.max(from, this.#floor); at < to;) {
      const index = Math.floor(at / CHUNK_OFFSETS)
      const base = index * CHUNK_OFFSETS
      const end = Math.min(base + CHUNK_OFFSETS, to)
      const chunk = this.#chunks.get(index)
      if (chunk !== undefined) count += countSet(chunk, at - base, end - base)
      at = end
    }
    return count
  }

  /** Takes back that offsets from `offset` on are settled. */
  reset(offset: number): void {
    this.#chunks = noChunks
    this.#countAbove = 0
    this.#floor = offset
  }

  /** Settled runs above the floor, in order. */
  *runs(): Iterable<{ readonly from: number; readonly to: number }> {
    let from = -1
    let to = -1
    for (const index of [...this.#chunks.keys()].sort((left, right) => left - right))
      for (const run of this.#runsOf(index)) {
        if (run.from === to) to = run.to
        else {
          if (from >= 0) yield { from, to }
          ;({ from, to } = run)
        }
      }
    if (from >= 0) yield { from, to }
  }

  #fill(index: number): void {
    const chunk = this.#chunks.get(index) ?? new Chunk()
    this.#countAbove += CHUNK_OFFSETS - chunk.count
    chunk.words = undefined
    chunk.count = CHUNK_OFFSETS
    this.#put(index, chunk)
  }

  #put(index: number, chunk: Chunk): void {
    if (this.#chunks === noChunks) this.#chunks = new Map()
    this.#chunks.set(index, chunk)
  }

  #mark(offset: number): boolean {
    const index = Math.floor(offset / CHUNK_OFFSETS)
    let chunk = this.#chunks.get(index)
    if (chunk === undefined) this.#put(index, (chunk = new Chunk()))
    if (chunk.words === undefined) return false
    const bit = offset % CHUNK_OFFSETS
    const word = chunk.words[bit >>> 5]!
    const mask = 1 << (bit & 31)
    if ((word & mask) !== 0) return false
    chunk.words[bit >>> 5] = word | mask
    chunk.count++
    this.#countAbove++
    if (chunk.count === CHUNK_OFFSETS) chunk.words = undefined
    return true
  }

  /** Moves the floor over what is settled already. */
  #advance(): void {
    for (;;) {
      const index = Math.floor(this.#floor / CHUNK_OFFSETS)
      const chunk = this.#chunks.get(index)
      if (chunk === undefined) return
      const next = this.#firstOpen(chunk, index)
      this.#countAbove -= next - this.#floor
      this.#floor = next
      if (next < (index + 1) * CHUNK_OFFSETS) return
      this.#chunks.delete(index)
    }
  }

  #firstOpen(chunk: Chunk, index: number): number {
    const base = index * CHUNK_OFFSETS
    if (chunk.words === undefined) return base + CHUNK_OFFSETS
    let bit = this.#floor - base
    while (bit < CHUNK_OFFSETS) {
      const word = chunk.words[bit >>> 5]! | ((1 << (bit & 31)) - 1)
      if (word !== -1) return base + (bit & ~31) + lowestZero(word)
      bit = (bit & ~31) + 32
    }
    return base + CHUNK_OFFSETS
  }

  *#runsOf(index: number): Iterable<{ from: number; to: number }> {
    const chunk = this.#chunks.get(index)
    if (chunk === undefined) return
    const base = index * CHUNK_OFFSETS
    const end = base + CHUNK_OFFSETS
    const { words } = chunk
    if (words === undefined) return yield { from: Math.max(base, this.#floor), to: end }
    let from = -1
    for (let offset = Math.max(base, this.#floor); offset < end;) {
      const word = words[(offset - base) >>> 5]!
      const isSettled = isSet(chunk, offset - base)
      if (isSettled && from < 0) from = offset
      if (!isSettled && from >= 0) {
        yield { from, to: offset }
        from = -1
      }
      const isUniform = (offset & 31) === 0 && (word === 0 || word === ALL_SET)
      offset += isUniform ? 32 : 1
    }
    if (from >= 0) yield { from, to: end }
  }
}

/** Runs as varints: from, counted from the end of the one before, and length. */
export const encodeRuns = (
  runs: Iterable<{ readonly from: number; readonly to: number }>,
): Uint8Array => {
  const numbers: number[] = []
  let last = 0
  for (const { from, to } of runs) {
    numbers.push(from - last, to - from)
    last = to
  }
  let size = 0
  for (const value of numbers) size += uvarintSize(value)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const value of numbers) at = writeUvarint(bytes, at, value)
  return bytes
}

/** Calls `visit` for each run. Throws ERR_INVALID_BATCH when the bytes are cut short. */
export const decodeRuns = (
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (from: number, to: number) => void,
): void => {
  const reader = new RunReader(bytes, start, end)
  let last = 0
  while (reader.hasMore) {
    const from = last + reader.next()
    last = from + reader.next()
    visit(from, last)
  }
}

class RunReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get hasMore(): boolean {
    return this.#at < this.#end
  }

  next(): number {
    let value = 0
    for (let factor = 1; this.#at < this.#end; factor *= 128) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    throw new BrokerError('ERR_INVALID_BATCH', ['a run of settled offsets is cut short'])
  }
}
