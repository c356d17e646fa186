/**
 * Reads whole batches from a log: from memory at the tail, from segments before it.
 *
 * Invariants: nothing at or above the high watermark is returned; every batch that was read from a file
 * was verified, and one that stays in its file has a sidecar to vouch for it; a damaged range fails the read that asks for it, by name, and no other.
 */
import { BrokerError } from '@millrace/codec'
import type { Arena, Slab } from './arena.ts'
import type { Log } from './log.ts'
import type { FileRanges } from './file-ranges.ts'
import { emptySlice, type LogSlice } from './log-slice.ts'
import type { SegmentReader } from './segment-reader.ts'

/** A read looks again when the write-behind moved its batches meanwhile; more often is a bug. */
const ATTEMPTS_MAX = 8

export class LogReader {
  readonly #arena: Arena
  readonly #segments: SegmentReader
  readonly #ranges: FileRanges
  tailReads = 0

  constructor(arena: Arena, segments: SegmentReader, ranges: FileRanges) {
    this.#arena = arena
    this.#segments = segments
    this.#ranges = ranges
  }

  /** At once, when `offset` is in memory or nothing is there yet; else `undefined`: use `read`. */
  readTail(log: Log, offset: number, bytesMax: number): LogSlice | undefined {
    checkRange(log, offset)
    if (offset >= log.highWatermark) return emptySlice(offset)
    const first = log.batches.peek()
    if (first === undefined || offset < first.baseOffset) return undefined
    this.tailReads++
    return this.#collect(log, firstEndingAfter(log, offset), bytesMax)
  }

  /** With `mayStayInFile` what comes may be a range of a file, for who does not look into it. */
  async read(log: Log, offset: number, bytesMax: number, mayStayInFile = false): Promise<LogSlice> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const fromMemory = this.readTail(log, offset, bytesMax)
      if (fromMemory !== undefined) return fromMemory
      const segment = log.segmentAt(offset)
      if (segment === undefined) break
      const range = mayStayInFile
        ? await this.#ranges.find(log, segment, offset, bytesMax)
        : undefined
      const slice = range ?? (await this.#segments.read(log, segment, offset, bytesMax))
      if (slice !== undefined) return slice
      // Compaction or retention took it meanwhile: what it has not is elsewhere, or nobody's.
      if (!segment.isRemoved) this.#noteMissing(log, offset)
    }
    throw new BrokerError('ERR_DATA_CORRUPT', [offset, offset + 1, log.label])
  }

  /**
   * A segment that ends before the next one begins has lost its last batches; a log that begins
   * before its first segment has lost all of an earlier one, or left offsets out after a loss.
   */
  #noteMissing(log: Log, offset: number): void {
    const segment = log.segmentAt(offset)
    if (segment === undefined || log.isInMemory(offset) || offset < log.earliestOffset) return
    const isBefore = offset < segment.baseOffset
    if (!isBefore && segment.flushedBytes < segment.sizeBytes) return
    this.#segments.noteMissing(log, segment, offset)
  }

  #collect(log: Log, from: number, bytesMax: number): LogSlice {
    const parts: Uint8Array[] = []
    const slabs: (Slab | undefined)[] = []
    let byteLength = 0
    let nextOffset = log.batches.peekAt(from)?.baseOffset ?? 0
    for (let index = from; index < log.batches.length; index++) {
      const batch = log.batches.peekAt(index)
      if (batch === undefined || batch.nextOffset > log.highWatermark) break
      if (parts.length > 0 && byteLength + batch.bytes.length > bytesMax) break
      // A gap is told to the reader who stands before it, not skipped over.
      if (batch.baseOffset !== nextOffset) break
      parts.push(batch.bytes)
      slabs.push(batch.slab)
      this.#arena.retain(batch.slab)
      byteLength += batch.bytes.length
      nextOffset = batch.nextOffset
    }
    return { parts, byteLength, nextOffset, release: () => this.#releaseAll(slabs) }
  }

  #releaseAll(slabs: (Slab | undefined)[]): void {
    for (const slab of slabs) this.#arena.release(slab)
    // A lease that is released again must not free what others hold by now.
    slabs.length = 0
  }
}

const checkRange = (log: Log, offset: number): void => {
  if (offset < log.earliestOffset || offset > log.highWatermark)
    throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [
      offset,
      log.earliestOffset,
      log.highWatermark,
    ])
  const gap = log.gapAt(offset)
  if (gap !== undefined) throw new BrokerError('ERR_DATA_CORRUPT', [gap.from, gap.to, log.label])
}

/** The batch in memory that holds `offset`, or the first one after it. */
export const firstEndingAfter = (log: Log, offset: number): number => {
  let low = 0
  let high = log.batches.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((log.batches.peekAt(middle)?.nextOffset ?? 0) > offset) high = middle
    else low = middle + 1
  }
  return low
}
