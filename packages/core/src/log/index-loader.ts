/**
 * Brings a segment's indexes up to its flushed bytes: from their files when those are whole, and by
 * scanning the segment for whatever they do not cover. A missing or damaged index costs time only.
 */
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchMaxTimestamp,
  batchNextOffset,
  scanBatch,
} from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode } from './disk-errors.ts'
import type { FileCache } from './file-cache.ts'
import type { ReadBufferPool } from './read-buffer-pool.ts'
import { findNextBatch } from './resync.ts'
import type { Segment } from './segment.ts'
import { readWholeFile, writeRebuildable } from './small-file.ts'

const SCAN_BYTES = 1_048_576
const anyOffset = { from: 0, to: Infinity }

/** The bytes of both index files of a segment, taken at one moment. */
export interface IndexSnapshot {
  readonly segment: Segment
  readonly coveredBytes: number
  readonly offsets: Uint8Array
  readonly times: Uint8Array
}

export class IndexLoader {
  readonly #environment: Environment
  readonly #files: FileCache
  readonly #buffers: ReadBufferPool
  readonly #underWay = new Map<Segment, Promise<void>>()
  readonly #openedAtMs: number
  rebuilt = 0

  constructor(environment: Environment, files: FileCache, buffers: ReadBufferPool) {
    this.#environment = environment
    this.#files = files
    this.#buffers = buffers
    this.#openedAtMs = environment.clock.now()
  }

  /** Afterwards the indexes know of every batch that was flushed when this was called. */
  async cover(segment: Segment): Promise<void> {
    while (!segment.isIndexLoaded || segment.indexedBytes < segment.flushedBytes) {
      await (this.#underWay.get(segment) ?? this.#begin(segment))
    }
  }

  /**
   * The latest timestamp in a segment, 0 when it holds nothing. One of which nothing can be read for
   * damage is as old as this process at the most: age must not take what nobody was told is damaged.
   */
  async latestTimestampOf(segment: Segment): Promise<number> {
    await this.cover(segment)
    const { maxTimestamp } = segment.timeIndex
    const isUnknown = maxTimestamp === 0 && segment.sizeBytes > 0
    return isUnknown ? Math.max(this.#openedAtMs, segment.startedAtMs) : maxTimestamp
  }

  snapshot(segment: Segment): IndexSnapshot | undefined {
    if (segment.indexedBytes === segment.savedIndexBytes) return undefined
    const { baseOffset, indexedBytes } = segment
    return {
      segment,
      coveredBytes: indexedBytes,
      offsets: segment.offsetIndex.encode(baseOffset, indexedBytes),
      times: segment.timeIndex.encode(baseOffset, indexedBytes),
    }
  }

  /** Call when the bytes it covers are synced: an index never outlives what it describes. */
  async save(snapshot: IndexSnapshot): Promise<void> {
    const { disk } = this.#environment
    const { segment } = snapshot
    await writeRebuildable(disk, segment.pathOf('index'), snapshot.offsets)
    await writeRebuildable(disk, segment.pathOf('timeindex'), snapshot.times)
    segment.savedIndexBytes = snapshot.coveredBytes
  }

  #begin(segment: Segment): Promise<void> {
    const covering = this.#cover(segment).finally(() => this.#underWay.delete(segment))
    this.#underWay.set(segment, covering)
    return covering
  }

  async #cover(segment: Segment): Promise<void> {
    if (!segment.isIndexLoaded) await this.#load(segment)
    segment.isIndexLoaded = true
    if (!segment.isCreated) segment.skipIndexTo(segment.flushedBytes)
    if (segment.indexedBytes >= segment.flushedBytes) return
    const file = await this.#openIfThere(segment)
    if (file === undefined) return segment.skipIndexTo(segment.flushedBytes)
    const buffer = this.#buffers.take(SCAN_BYTES)
    try {
      while (segment.indexedBytes < segment.flushedBytes) {
        const position = segment.indexedBytes
        const wanted = Math.min(SCAN_BYTES, segment.flushedBytes - position)
        const count = await file.read(buffer.bytes.subarray(0, wanted), position)
        indexWindow(segment, buffer.bytes, count)
        if (segment.indexedBytes !== position) continue
        // Not a batch, or the file is shorter than it was: go on behind the damage.
        const found = await findNextBatch(file, position + 1, segment.flushedBytes, anyOffset)
        segment.skipIndexTo(found?.position ?? segment.flushedBytes)
      }
    } finally {
      buffer.release()
      this.#files.release(segment.path)
    }
  }

  /** `undefined` when somebody has taken the file away: the reader will say what is missing. */
  async #openIfThere(segment: Segment): Promise<DiskFile | undefined> {
    try {
      return await this.#files.acquire(segment.path)
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return undefined
    }
  }

  async #load(segment: Segment): Promise<void> {
    const { disk } = this.#environment
    const base = segment.baseOffset
    try {
      const offsets = await readWholeFile(disk, segment.pathOf('index'))
      const times = await readWholeFile(disk, segment.pathOf('timeindex'))
      const covered = segment.offsetIndex.decode(offsets, base)
      const isWhole = covered !== undefined && covered === segment.timeIndex.decode(times, base)
      if (isWhole && covered <= segment.flushedBytes) {
        segment.indexedBytes = covered
        segment.indexedOffset = covered === 0 ? base : -1
        segment.savedIndexBytes = covered
        return
      }
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
    }
    segment.dropIndex()
    this.rebuilt++
  }
}

/** Tells the indexes of the batches at the front of the window; headers only, no checksums. */
const indexWindow = (segment: Segment, bytes: Uint8Array, count: number): void => {
  const start = segment.indexedBytes
  for (let at = 0; ;) {
    const length = scanBatch(bytes, at, count)
    if (length <= 0 || start + at + length > segment.flushedBytes) return
    if (at + BATCH_HEADER_BYTES > count) return
    const baseOffset = batchBaseOffset(bytes, at)
    const nextOffset = batchNextOffset(bytes, at)
    const maxTimestamp = batchMaxTimestamp(bytes, at)
    segment.noteBatch({ baseOffset, nextOffset, maxTimestamp }, start + at, length)
    at += length
    if (at >= count) return
  }
}
