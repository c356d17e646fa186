/**
 * Reads verified batches from one segment's file. What it cannot verify it reports as a damaged
 * range and never returns.
 */
import { BrokerError } from '@millrace/codec'
import { walkBatches, type Walk } from './batch-walk.ts'
import { hasErrorCode } from './disk-errors.ts'
import type { FileCache } from './file-cache.ts'
import type { IndexLoader } from './index-loader.ts'
import { INDEX_INTERVAL_BYTES, READ_CHUNK_BYTES_MAX, READ_CHUNK_BYTES_MIN } from './limits.ts'
import type { Log, OffsetRange } from './log.ts'
import type { LogSlice } from './log-slice.ts'
import type { ReadBufferPool } from './read-buffer-pool.ts'
import { findNextBatch, type FoundBatch } from './resync.ts'
import type { Segment } from './segment.ts'

/** Where a read stands in a segment. */
interface Cursor {
  position: number
  /** The base offset that a batch there must have. */
  expected: number
  bytes: number
}

export type DamageListener = (log: Log, range: OffsetRange) => void

export class SegmentReader {
  readonly #files: FileCache
  readonly #buffers: ReadBufferPool
  readonly #indexes: IndexLoader
  readonly #onDamage: DamageListener
  reads = 0

  constructor(
    files: FileCache,
    buffers: ReadBufferPool,
    indexes: IndexLoader,
    onDamage: DamageListener,
  ) {
    this.#files = files
    this.#buffers = buffers
    this.#indexes = indexes
    this.#onDamage = onDamage
  }

  /**
   * Batches from the one that holds `offset`. `undefined`: what was asked for is not in this file
   * any more or not yet; look again. Throws ERR_DATA_CORRUPT when it lies in a damaged range.
   */
  async read(
    log: Log,
    segment: Segment,
    offset: number,
    bytesMax: number,
  ): Promise<LogSlice | undefined> {
    await this.#indexes.cover(segment)
    const wanted = Math.min(Math.max(bytesMax, READ_CHUNK_BYTES_MIN), READ_CHUNK_BYTES_MAX)
    const bytes = wanted + INDEX_INTERVAL_BYTES
    const position = segment.offsetIndex.floor(offset)
    const expected = segment.offsetIndex.keyOf(offset) ?? segment.baseOffset
    const cursor = { position, expected, bytes }
    return this.readFrom(log, segment, cursor, offset, bytesMax)
  }

  async readFrom(
    log: Log,
    segment: Segment,
    cursor: Cursor,
    offset: number,
    bytesMax: number,
  ): Promise<LogSlice | undefined> {
    this.reads++
    while (cursor.position < segment.flushedBytes) {
      const bytes = Math.min(cursor.bytes, segment.flushedBytes - cursor.position)
      const chunk = await this.#chunk(segment, cursor.position, bytes)
      const end = log.segmentAfter(segment)?.baseOffset ?? Infinity
      const request = { log, offset, bytesMax, expected: cursor.expected, end }
      const walk = walkBatches(chunk.view, request)
      if (walk.end > walk.start) return sliceOf(chunk, walk)
      chunk.release()
      if (walk.stop === 'watermark' || walk.stop === 'end' || segment.isRemoved) return undefined
      const isShort = chunk.view.length < bytes
      const isWholeChunk = walk.end === 0 && walk.cutLength <= bytes
      // A length that leads out of the segment is damaged, however intact the header looks.
      const batchEnd = cursor.position + walk.end + walk.cutLength
      if (walk.stop === 'damage' || isShort || isWholeChunk || batchEnd > segment.flushedBytes) {
        const next = await this.#damage(log, segment, cursor, walk, offset)
        if (next === undefined) return undefined
        cursor.position = next.position
        cursor.expected = next.baseOffset
        continue
      }
      cursor.position += walk.end
      cursor.expected = walk.expected
      cursor.bytes = Math.max(cursor.bytes, walk.cutLength)
    }
    return undefined
  }

  /** The file begins behind `offset`, or ends before it, and nothing else begins with it. */
  noteMissing(log: Log, segment: Segment, offset: number): void {
    const to = offset < segment.baseOffset ? segment.baseOffset : log.endOf(segment)
    if (to <= offset) return
    const range = { from: offset, to }
    if (log.addGap(range)) this.#onDamage(log, range)
    throw new BrokerError('ERR_DATA_CORRUPT', [offset, to, log.label])
  }

  /** Nobody gets the range from here on, and the indexes are made without it. */
  putAside(log: Log, segment: Segment, range: OffsetRange): void {
    // A replay may leave a hole where records that retention took had been: nobody asks for them.
    if (range.to <= log.earliestOffset) return
    segment.dropIndex()
    // The crash story: a replay does not write what was removed since, and the file has a hole there.
    const isWanted = range.to > log.earliestOffset
    if (log.addGap(range) && isWanted) this.#onDamage(log, range)
  }

  async #chunk(segment: Segment, position: number, bytes: number): Promise<Chunk> {
    const buffer = this.#buffers.take(bytes)
    try {
      const file = await this.#files.acquire(segment.path)
      try {
        const count = await file.read(buffer.bytes.subarray(0, bytes), position)
        return { view: buffer.bytes.subarray(0, count), release: buffer.release }
      } finally {
        this.#files.release(segment.path)
      }
    } catch (error) {
      buffer.release()
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return { view: new Uint8Array(0), release: () => undefined }
    }
  }

  /**
   * What stands at the cursor is not the batch that belongs there. Throws when `offset` lies in the
   * damage, else returns where the walk towards it goes on.
   */
  async #damage(
    log: Log,
    segment: Segment,
    cursor: Cursor,
    walk: Walk,
    offset: number,
  ): Promise<FoundBatch | undefined> {
    if (log.isDeleted) throw new BrokerError('ERR_TOPIC_DELETED', [log.label])
    const from = walk.expected
    const found = await this.#nextGoodBatch(log, segment, cursor.position + walk.end, from)
    const to = found?.baseOffset ?? log.endOf(segment)
    this.putAside(log, segment, { from, to })
    if (from <= offset && offset < to)
      throw new BrokerError('ERR_DATA_CORRUPT', [from, to, log.label])
    return found
  }

  async #nextGoodBatch(
    log: Log,
    segment: Segment,
    position: number,
    from: number,
  ): Promise<FoundBatch | undefined> {
    const following = log.endOf(segment)
    try {
      const file = await this.#files.acquire(segment.path)
      try {
        const range = { from, to: following }
        return await findNextBatch(file, position, segment.flushedBytes, range)
      } finally {
        this.#files.release(segment.path)
      }
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return undefined
    }
  }
}

interface Chunk {
  readonly view: Uint8Array
  release(): void
}

const sliceOf = (chunk: Chunk, walk: Walk): LogSlice => {
  const part = chunk.view.subarray(walk.start, walk.end)
  return {
    parts: [part],
    byteLength: part.length,
    nextOffset: walk.expected,
    release: chunk.release,
  }
}
