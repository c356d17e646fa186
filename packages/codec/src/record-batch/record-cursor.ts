/**
 * Reads the records of one uncompressed batch in order, as views of the batch. The batch may come
 * from anywhere: lengths are checked as they are met, the checksum is not (`validateBatch` did).
 */
import { BrokerError } from '../errors.ts'
import { batchAttributes, batchBaseOffset, batchBaseTimestamp } from './batch-header.ts'
import { batchLastOffsetDelta, batchMaxTimestamp, batchRecordCount } from './batch-header.ts'
import { compressionOf, timestampTypeOf } from './batch-header.ts'
import { scanBatch } from './batch-scan.ts'
import { BATCH_HEADER_BYTES, RECORD_BYTES_MIN, timestampTypes } from './layout.ts'
import { RecordScanner } from './record-scanner.ts'
import type { DecodedRecord, RecordHeader } from './record.ts'

const invalid = (reason: string): BrokerError => new BrokerError('ERR_INVALID_BATCH', [reason])

export class RecordCursor {
  offset = -1
  timestamp = -1
  /** The position within the batch. */
  index = -1
  readonly #scanner: RecordScanner
  readonly #count: number
  readonly #baseOffset: number
  readonly #baseTimestamp: number
  readonly #lastOffsetDelta: number
  /** With append time every record has the batch's timestamp, whatever its delta says. */
  readonly #appendTimestamp: number | undefined
  #lastDelta = -1

  constructor(batch: Uint8Array, at = 0) {
    const totalBytes = scanBatch(batch, at, batch.length)
    if (totalBytes <= 0) throw invalid('the header is incomplete or not that of a batch')
    if (totalBytes > batch.length - at) throw invalid('the batch is cut short')
    const attributes = batchAttributes(batch, at)
    const codec = compressionOf(attributes)
    if (codec !== 0) throw new BrokerError('ERR_UNSUPPORTED_CODEC', [codec])
    this.#count = batchRecordCount(batch, at)
    const recordsBytes = totalBytes - BATCH_HEADER_BYTES
    if (this.#count < 0 || this.#count * RECORD_BYTES_MIN > recordsBytes) {
      throw invalid(`${recordsBytes} bytes cannot hold ${this.#count} records`)
    }
    this.#scanner = new RecordScanner(batch, at + BATCH_HEADER_BYTES, at + totalBytes)
    this.#baseOffset = batchBaseOffset(batch, at)
    this.#baseTimestamp = batchBaseTimestamp(batch, at)
    this.#lastOffsetDelta = batchLastOffsetDelta(batch, at)
    const isAppendTime = timestampTypeOf(attributes) === timestampTypes.append
    this.#appendTimestamp = isAppendTime ? batchMaxTimestamp(batch, at) : undefined
  }

  /** Moves to the next record; false after the last. */
  next(): boolean {
    const scanner = this.#scanner
    if (this.index + 1 >= this.#count) {
      if (!scanner.isAtEnd) throw invalid('bytes follow the last record')
      return false
    }
    scanner.next()
    // Compaction leaves gaps, never a step back.
    if (scanner.offsetDelta <= this.#lastDelta || scanner.offsetDelta > this.#lastOffsetDelta) {
      throw invalid(`offset delta ${scanner.offsetDelta} is out of order`)
    }
    this.#lastDelta = scanner.offsetDelta
    this.index++
    this.offset = this.#baseOffset + scanner.offsetDelta
    this.timestamp = this.#appendTimestamp ?? this.#baseTimestamp + scanner.timestampDelta
    return true
  }

  /** A new view at each call, like {@link value}: take it once. */
  get key(): Uint8Array | null {
    return this.#scanner.view(this.#scanner.keyAt, this.#scanner.keyLength)
  }

  get value(): Uint8Array | null {
    return this.#scanner.view(this.#scanner.valueAt, this.#scanner.valueLength)
  }

  /** The record's bytes as they stand in the batch: `from` to `to`. */
  get span(): { readonly from: number; readonly to: number } {
    return { from: this.#scanner.recordAt, to: this.#scanner.recordEnd }
  }

  get headerCount(): number {
    return this.#scanner.headerCount
  }

  /** One header's value without decoding any; null is a value, `undefined` is none. */
  header(key: Uint8Array): Uint8Array | null | undefined {
    return this.#scanner.header(key)
  }

  /** Decoded when asked for: most readers of a log look at few of them. */
  headers(): RecordHeader[] {
    return this.#scanner.headers()
  }
}

/** All records at once, for tests and small batches. */
export const decodeRecords = (batch: Uint8Array): DecodedRecord[] => {
  const cursor = new RecordCursor(batch)
  const records: DecodedRecord[] = []
  while (cursor.next()) {
    const { offset, timestamp, key, value, index } = cursor
    records.push({ offset, timestamp, key, value, headers: cursor.headers(), index })
  }
  return records
}
