/**
 * Changes of a ledger as records of its log. A record's value:
 *
 * ```
 * 0      1      3
 * | kind | lane | body …
 *   u8     u16
 * ```
 *
 * | kind | body, all unsigned varints |
 * | 1 settled  | runs: distance from the end of the one before, length |
 * | 2 returned | pairs: offset, how often |
 * | 3 ceiling  | offset: deliveries may reach up to it |
 * | 4 whole    | floor, ceiling, 1 when messages may expire: forget all before about this lane |
 * | 5 expiry   | nothing: some message has a time to live of its own |
 * | 6 replay   | offset: from it on nothing is settled |
 *
 * Settlements of one flush stand in one batch, so they are there together or not at all.
 */
import {
  BrokerError,
  RecordBatchBuilder,
  RecordCursor,
  uvarintSize,
  writeUvarint,
} from '@millrace/codec'
import type { Ledger, LedgerChanges, LedgerRun } from './ledger.ts'
import { decodeRuns, encodeRuns } from './settled-set.ts'

const SETTLED = 1
const RETURNED = 2
const CEILING = 3
const WHOLE = 4
const EXPIRY = 5
const REPLAY = 6
const PREFIX_BYTES = 3

/** Runs of consecutive numbers in a sorted list. */
function* runsOf(offsets: readonly number[]): Iterable<LedgerRun> {
  let from = -1
  let to = -1
  for (const offset of offsets) {
    if (offset === to) {
      to++
      continue
    }
    if (from >= 0) yield { from, to }
    from = offset
    to = offset + 1
  }
  if (from >= 0) yield { from, to }
}

const varints = (numbers: readonly number[]): Uint8Array => {
  let size = 0
  for (const value of numbers) size += uvarintSize(value)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const value of numbers) at = writeUvarint(bytes, at, value)
  return bytes
}

const record = (kind: number, lane: number, body: Uint8Array): Uint8Array => {
  const value = new Uint8Array(PREFIX_BYTES + body.length)
  value[0] = kind
  value[1] = lane >>> 8
  value[2] = lane & 255
  value.set(body, PREFIX_BYTES)
  return value
}

export class LedgerWriter {
  readonly #builder = new RecordBatchBuilder()
  #nowMs = 0

  begin(nowMs: number): void {
    this.#builder.reset()
    this.#nowMs = nowMs
  }

  get count(): number {
    return this.#builder.count
  }

  changes(lane: number, changes: LedgerChanges): void {
    if (changes.reset !== undefined) this.#add(REPLAY, lane, varints([changes.reset]))
    if (changes.settled.length > 0) this.#add(SETTLED, lane, encodeRuns(runsOf(changes.settled)))
    for (const run of changes.runs) this.#add(SETTLED, lane, encodeRuns([run]))
    if (changes.counts.length > 0) this.#add(RETURNED, lane, varints(changes.counts.flat()))
    if (changes.ceiling !== undefined) this.#add(CEILING, lane, varints([changes.ceiling]))
    if (changes.hasExpiry) this.#add(EXPIRY, lane, varints([]))
  }

  /** All that is known of a lane. */
  whole(ledger: Ledger, ceiling: number): void {
    const { lane, floor, settled, counts, hasExpiry } = ledger
    this.#add(WHOLE, lane, varints([floor, ceiling, hasExpiry ? 1 : 0]))
    const runs = encodeRuns(settled.runs())
    if (runs.length > 0) this.#add(SETTLED, lane, runs)
    if (counts.size > 0) this.#add(RETURNED, lane, varints([...counts].flat()))
  }

  build(): Uint8Array {
    return this.#builder.build()
  }

  #add(kind: number, lane: number, body: Uint8Array): void {
    this.#builder.appendFields(this.#nowMs, null, record(kind, lane, body), [])
  }
}

/** Applies the records of a batch from `fromOffset` on to the ledgers of their lanes. */
export const applyLedgerBatch = (
  bytes: Uint8Array,
  at: number,
  fromOffset: number,
  ledgerOf: (lane: number) => Ledger | undefined,
): void => {
  const cursor = new RecordCursor(bytes, at)
  while (cursor.next()) {
    const { value } = cursor
    if (cursor.offset < fromOffset || value === null || value.length < PREFIX_BYTES) continue
    const ledger = ledgerOf((value[1]! << 8) | value[2]!)
    if (ledger !== undefined) applyRecord(ledger, value[0]!, value)
  }
}

const applyRecord = (ledger: Ledger, kind: number, value: Uint8Array): void => {
  const apply = appliers[kind]
  if (apply === undefined) throw new BrokerError('ERR_INVALID_BATCH', [`ledger record ${kind}`])
  apply(ledger, value)
}

/** Throws ERR_INVALID_BATCH when there are fewer, or the last one is cut short. */
const numbersOf = (value: Uint8Array, countMin: number): number[] => {
  const numbers: number[] = []
  let number = 0
  let factor = 1
  for (let at = PREFIX_BYTES; at < value.length; at++) {
    const byte = value[at]!
    number += (byte & 127) * factor
    factor *= 128
    if (byte >= 128) continue
    numbers.push(number)
    number = 0
    factor = 1
  }
  if (factor > 1 || numbers.length < countMin)
    throw new BrokerError('ERR_INVALID_BATCH', ['a ledger record is cut short'])
  return numbers
}

const appliers: Readonly<Record<number, (ledger: Ledger, value: Uint8Array) => void>> = {
  [SETTLED]: (ledger, value) =>
    decodeRuns(value, PREFIX_BYTES, value.length, (from, to) => ledger.restoreSettled(from, to)),
  [RETURNED]: (ledger, value) => {
    const numbers = numbersOf(value, 0)
    if (numbers.length % 2 !== 0)
      throw new BrokerError('ERR_INVALID_BATCH', ['a ledger record is cut short'])
    for (let index = 0; index + 1 < numbers.length; index += 2)
      ledger.restoreCount(numbers[index]!, numbers[index + 1]!)
  },
  [CEILING]: (ledger, value) => {
    const [ceiling = 0] = numbersOf(value, 1)
    ledger.restore({ ceiling, isWhole: false })
  },
  [WHOLE]: (ledger, value) => {
    const [floor = 0, ceiling = 0, hasExpiry = 0] = numbersOf(value, 3)
    ledger.restore({ floor, ceiling, isWhole: true })
    ledger.hasExpiry ||= hasExpiry === 1
  },
  [EXPIRY]: (ledger) => {
    ledger.hasExpiry = true
  },
  [REPLAY]: (ledger, value) => ledger.restoreReset(numbersOf(value, 1)[0] ?? 0),
}
