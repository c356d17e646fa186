/** Finds the first record that is as late as a timestamp. */
import {
  RecordCursor,
  batchMaxTimestamp,
  batchTotalBytes,
  inflateBatch,
  type BatchCompression,
} from '@millrace/codec'
import type { IndexLoader } from './index-loader.ts'
import { INFLATED_BYTES_MAX } from './limits.ts'
import type { Log } from './log.ts'
import type { LogReader } from './log-reader.ts'
import type { LogSlice } from './log-slice.ts'

const SEARCH_BYTES = 262_144

export interface FoundRecord {
  readonly offset: number
  readonly timestamp: number
}

export class TimeSearch {
  readonly #reader: LogReader
  readonly #indexes: IndexLoader
  readonly #compression: BatchCompression | undefined

  constructor(reader: LogReader, indexes: IndexLoader, compression: BatchCompression | undefined) {
    this.#reader = reader
    this.#indexes = indexes
    this.#compression = compression
  }

  /** `undefined` when every visible record is older. Damaged ranges are passed over. */
  async find(log: Log, timestamp: number): Promise<FoundRecord | undefined> {
    let offset = await this.#startOf(log, timestamp)
    while (offset < log.highWatermark) {
      // Records may be removed from the front while the search is under way.
      offset = Math.max(offset, log.earliestOffset)
      const gap = log.gapAt(offset)
      if (gap !== undefined) {
        offset = gap.to
        continue
      }
      const slice = await this.#read(log, offset)
      if (slice === undefined) continue
      try {
        const found = firstAtOrAfter(slice, timestamp, offset, this.#compression)
        if (found !== undefined) return found
        if (slice.nextOffset <= offset) return undefined
        offset = slice.nextOffset
      } finally {
        slice.release()
      }
    }
    return undefined
  }

  /** A damaged range becomes a gap when it is read: the caller looks again. */
  async #read(log: Log, offset: number): Promise<LogSlice | undefined> {
    try {
      return await this.#reader.read(log, offset, SEARCH_BYTES)
    } catch (error) {
      if (log.gapAt(offset) !== undefined || offset < log.earliestOffset) return undefined
      throw error
    }
  }

  /** An offset before which no record is as late as `timestamp`. */
  async #startOf(log: Log, timestamp: number): Promise<number> {
    const first = log.batches.peek()
    for (const segment of [...log.segments]) {
      if (first !== undefined && segment.baseOffset >= first.baseOffset) break
      await this.#indexes.cover(segment)
      if (segment.timeIndex.maxTimestamp < timestamp) continue
      const position = segment.timeIndex.floor(timestamp)
      return Math.max(
        segment.offsetIndex.offsetAt(position) ?? segment.baseOffset,
        log.earliestOffset,
      )
    }
    return Math.max(first?.baseOffset ?? log.earliestOffset, log.earliestOffset)
  }
}

/** Times stand in each record: a compressed batch has to be inflated for this one look. */
const readable = (
  part: Uint8Array,
  at: number,
  compression: BatchCompression | undefined,
): Uint8Array => {
  const batch = part.subarray(at, at + batchTotalBytes(part, at))
  return compression === undefined ? batch : inflateBatch(batch, compression, INFLATED_BYTES_MAX)
}

const firstAtOrAfter = (
  slice: LogSlice,
  timestamp: number,
  from: number,
  compression: BatchCompression | undefined,
): FoundRecord | undefined => {
  for (const part of slice.parts) {
    for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
      if (batchMaxTimestamp(part, at) < timestamp) continue
      const cursor = new RecordCursor(readable(part, at, compression))
      while (cursor.next())
        if (cursor.timestamp >= timestamp && cursor.offset >= from)
          return { offset: cursor.offset, timestamp: cursor.timestamp }
    }
  }
  return undefined
}
