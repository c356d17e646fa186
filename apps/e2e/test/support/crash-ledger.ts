/**
 * What producers sent, what was acknowledged, and at which offset every record was ever seen: the
 * memory against which a broker is held after each `kill -9`.
 *
 * A record's payload says who sent it and proves its content:
 *
 *     0          4          8                      length - 4
 *     | producer | sequence | content …            | CRC-32C of all before |
 *       u32        u32        from a shared pool     u32
 *
 * Rules: everything acknowledged, or seen by a reader, is there once, at its offset; nothing is there
 * that was not sent, to that topic and with that key; a producer's records keep their order within a
 * partition; an offset never names two records, whatever happened in between. A topic whose records
 * may be lost has all rules but the first.
 */
import { crc32c } from '@millrace/codec'

const OVERHEAD_BYTES = 12
const CHUNK_COUNT = 4096
const PROBLEMS_MAX = 20

export interface LedgerTopic {
  readonly name: string
  readonly partitions: number
  /** An acknowledged record may be lost with the process. */
  readonly isMemory: boolean
}

export interface SentRecord {
  readonly producer: number
  readonly sequence: number
  readonly key: string | null
  readonly value: Buffer
}

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly keyText: string | null
  readonly bytes: Uint8Array | null
}

/** Where contents come from: a text and the places where its lines begin. */
export interface ContentSource {
  readonly text: Buffer
  readonly count: number
  start(line: number): number
}

/** `line`: the next line of the source, whatever its length. */
export type RecordSize = number | 'line'

export interface RoundCounts {
  sent: number
  acknowledged: number
  /** The same of topics whose records may be lost. */
  memoryAcknowledged: number
}

interface ProducerHistory {
  readonly topic: LedgerTopic
  readonly round: number
  readonly keys: (string | null)[]
  readonly sizes: number[]
  readonly isAcknowledged: boolean[]
}

/** Which record stands at which offset of a partition, sparse: memory topics jump by a million. */
class OffsetTable {
  readonly #chunks = new Map<number, Float64Array>()
  count = 0

  /** False when another record stands there. */
  put(offset: number, id: number): boolean {
    const index = Math.floor(offset / CHUNK_COUNT)
    let chunk = this.#chunks.get(index)
    if (chunk === undefined) this.#chunks.set(index, (chunk = new Float64Array(CHUNK_COUNT)))
    const known = chunk[offset % CHUNK_COUNT]
    if (known === 0) {
      chunk[offset % CHUNK_COUNT] = id
      this.count++
      return true
    }
    return known === id
  }

  get(offset: number): number {
    return this.#chunks.get(Math.floor(offset / CHUNK_COUNT))?.[offset % CHUNK_COUNT] ?? 0
  }
}

const idOf = (producer: number, sequence: number): number => producer * 2 ** 32 + sequence + 1

export class CrashLedger {
  readonly problems: string[] = []
  readonly #source: ContentSource
  readonly #producers: ProducerHistory[] = []
  readonly #tables = new Map<string, OffsetTable>()

  constructor(source: ContentSource) {
    this.#source = source
  }

  addProducer(topic: LedgerTopic, round: number): number {
    this.#producers.push({ topic, round, keys: [], sizes: [], isAcknowledged: [] })
    return this.#producers.length - 1
  }

  /** The next record of a producer, ready to be sent. */
  next(producer: number, bytes: RecordSize, key: string | null): SentRecord {
    const history = this.#history(producer)
    const sequence = history.sizes.length
    const content = bytes === 'line' ? this.#lineBytes(producer, sequence) : bytes
    const size = content + OVERHEAD_BYTES
    history.sizes.push(size)
    history.keys.push(key)
    history.isAcknowledged.push(false)
    const value = Buffer.allocUnsafe(size)
    value.writeUInt32BE(producer, 0)
    value.writeUInt32BE(sequence, 4)
    this.#content(producer, sequence, size).copy(value, 8)
    value.writeUInt32BE(crc32c(value.subarray(0, size - 4)), size - 4)
    return { producer, sequence, key, value }
  }

  acknowledge({ producer, sequence }: SentRecord, partition: number, offset: number): void {
    const history = this.#history(producer)
    history.isAcknowledged[sequence] = true
    this.#place(history.topic, partition, offset, idOf(producer, sequence))
  }

  /** A reader saw it while the broker served. */
  observe(topic: LedgerTopic, record: ReadRecord): void {
    const id = this.#identify(topic, record)
    if (id > 0) this.#place(topic, record.partition, record.offset, id)
  }

  countsOf(round: number): RoundCounts {
    const counts = { sent: 0, acknowledged: 0, memoryAcknowledged: 0 }
    for (const { round: its, topic, sizes, isAcknowledged } of this.#producers) {
      if (its !== round) continue
      const acknowledged = isAcknowledged.filter((is) => is).length
      if (topic.isMemory) counts.memoryAcknowledged += acknowledged
      else counts.acknowledged += acknowledged
      if (!topic.isMemory) counts.sent += sizes.length
    }
    return counts
  }

  /** Holds all that a topic has against what is known; the number of records that `round` sent. */
  verify(topic: LedgerTopic, records: Iterable<ReadRecord>, round: number): number {
    const reading = new Reading()
    const expected = this.#knownCount(topic)
    let found = 0
    let recovered = 0
    for (const record of records) {
      const id = this.#identify(topic, record)
      if (id === 0) continue
      const where = `${topic.name} ${record.partition}/${record.offset}`
      const problem = reading.take(record, id)
      if (problem !== undefined) this.#note(`${where}: ${problem}`)
      if (this.#table(topic, record.partition).get(record.offset) === id) found++
      this.#place(topic, record.partition, record.offset, id)
      if (this.#history(Math.floor(id / 2 ** 32)).round === round) recovered++
    }
    if (!topic.isMemory && found < expected)
      this.#note(
        `${topic.name}: ${expected - found} records are lost that were acknowledged or seen`,
      )
    return recovered
  }

  #knownCount(topic: LedgerTopic): number {
    let count = 0
    for (let partition = 0; partition < topic.partitions; partition++)
      count += this.#table(topic, partition).count
    return count
  }

  /** Its id, or 0 when nobody sent such a record here. */
  #identify(topic: LedgerTopic, { partition, offset, keyText, bytes }: ReadRecord): number {
    const where = `${topic.name} ${partition}/${offset}`
    if (bytes === null || bytes.length < OVERHEAD_BYTES) return this.#unexpected(where, 'too short')
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const producer = value.readUInt32BE(0)
    const sequence = value.readUInt32BE(4)
    const history = this.#producers[producer]
    const size = history?.sizes[sequence]
    if (history === undefined || size === undefined || history.topic.name !== topic.name)
      return this.#unexpected(where, `never sent: producer ${producer}, sequence ${sequence}`)
    if (size !== value.length) return this.#unexpected(where, `${value.length} bytes, not ${size}`)
    if (value.readUInt32BE(size - 4) !== crc32c(value.subarray(0, size - 4)))
      return this.#unexpected(where, 'wrong checksum')
    if (!this.#content(producer, sequence, size).equals(value.subarray(8, size - 4)))
      return this.#unexpected(where, 'other content')
    if (keyText !== history.keys[sequence]) return this.#unexpected(where, `key ${keyText}`)
    return idOf(producer, sequence)
  }

  #content(producer: number, sequence: number, size: number): Buffer {
    const { text } = this.#source
    const bytes = size - OVERHEAD_BYTES
    const from = Math.min(this.#source.start(this.#line(producer, sequence)), text.length - bytes)
    return text.subarray(from, from + bytes)
  }

  /** A stretch of lines of its own for each producer. */
  #line(producer: number, sequence: number): number {
    return (producer * 104_729 + sequence) % this.#source.count
  }

  #lineBytes(producer: number, sequence: number): number {
    const line = this.#line(producer, sequence)
    const end =
      line + 1 < this.#source.count ? this.#source.start(line + 1) : this.#source.text.length
    return end - this.#source.start(line)
  }

  #place(topic: LedgerTopic, partition: number, offset: number, id: number): void {
    if (!this.#table(topic, partition).put(offset, id))
      this.#note(`${topic.name} ${partition}/${offset} names two records`)
  }

  #table(topic: LedgerTopic, partition: number): OffsetTable {
    const name = `${topic.name}/${partition}`
    let table = this.#tables.get(name)
    if (table === undefined) this.#tables.set(name, (table = new OffsetTable()))
    return table
  }

  #history(producer: number): ProducerHistory {
    const history = this.#producers[producer]
    if (history === undefined) throw new Error(`there is no producer ${producer}`)
    return history
  }

  #unexpected(where: string, what: string): 0 {
    this.#note(`${where} is unexpected: ${what}`)
    return 0
  }

  #note(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem)
  }
}

/** One pass over a topic: order and repetition. */
class Reading {
  readonly #ids = new Set<number>()
  readonly #lastOf = new Map<string, number>()
  readonly #offsetOf = new Map<number, number>()

  take({ partition, offset }: ReadRecord, id: number): string | undefined {
    const producer = Math.floor(id / 2 ** 32)
    const name = `${producer}/${partition}`
    const last = this.#lastOf.get(name) ?? 0
    const lastOffset = this.#offsetOf.get(partition) ?? -1
    this.#lastOf.set(name, id)
    this.#offsetOf.set(partition, offset)
    if (offset <= lastOffset) return `offset after ${lastOffset}`
    if (this.#ids.has(id)) return 'a record that was there before'
    this.#ids.add(id)
    return id < last ? 'out of the order it was sent in' : undefined
  }
}
