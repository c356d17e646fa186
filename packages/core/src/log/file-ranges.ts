/**
 * Ranges of segment files that go to a peer without being read here.
 *
 * Nothing verifies such bytes on their way out, so a range is given only of a segment that will not
 * change any more and that a sidecar vouches for, whole, with no damage known in it. Everything else
 * is read as ever. A range begins and ends with a batch: its end is one that the index knows, so the
 * read that goes on there finds its beginning without a look into the file.
 *
 * ```
 *   index    |        |        |        |        |
 *   batches  |..|..|..|...|....|..|.....|.|..|...|...
 *            ^ asked for       ^ range ends: the last indexed batch within the bytes asked for
 * ```
 * Invariant: a range never holds bytes that are replaced, cut or closed under its holder; what
 * compaction or retention does meanwhile is done to the name, and the holder keeps the file.
 */
import { batchBaseOffset, batchNextOffset, BATCH_HEADER_BYTES, scanBatch } from '@millrace/codec'
import { isSettled } from '../care/segment-care.ts'
import { decodeSidecar } from '../care/sidecar.ts'
import type { FileRange, StorageOptions } from '../engine/operations.ts'
import type { Disk, DiskFile } from '../environment/disk.ts'
import { hasErrorCode } from './disk-errors.ts'
import type { FileCache, FileHold } from './file-cache.ts'
import type { IndexLoader } from './index-loader.ts'
import { INDEX_INTERVAL_BYTES } from './limits.ts'
import type { Log } from './log.ts'
import type { LogSlice } from './log-slice.ts'
import type { ReadBufferPool } from './read-buffer-pool.ts'
import type { Segment } from './segment.ts'
import { readWholeFile } from './small-file.ts'

interface Place {
  readonly position: number
  readonly baseOffset: number
}

interface Step extends Place {
  /** The batch is the one that was looked for. */
  readonly isThere: boolean
}

export class FileRanges {
  readonly #disk: Disk
  readonly #files: FileCache
  readonly #buffers: ReadBufferPool
  readonly #indexes: IndexLoader
  readonly #bytesMin: number
  given = 0

  constructor(
    disk: Disk,
    files: FileCache,
    buffers: ReadBufferPool,
    indexes: IndexLoader,
    options: Pick<StorageOptions, 'fileRangeBytesMin'>,
  ) {
    this.#bytesMin = options.fileRangeBytesMin
    this.#disk = disk
    this.#files = files
    this.#buffers = buffers
    this.#indexes = indexes
  }

  /** Batches from the one that holds `offset`; `undefined` when they have to be read. */
  async find(
    log: Log,
    segment: Segment,
    offset: number,
    bytesMax: number,
  ): Promise<LogSlice | undefined> {
    if (bytesMax < this.#bytesMin || offset < segment.baseOffset) return undefined
    if (!isSettled(log, segment) || !(await this.#isVouchedFor(segment))) return undefined
    await this.#indexes.cover(segment)
    const hold = await this.#hold(segment)
    if (hold === undefined) return undefined
    let slice: LogSlice | undefined
    try {
      const start = await this.#startOf(hold.file, segment, offset)
      const limits = { bytesMin: this.#bytesMin, bytesMax }
      slice = start === undefined ? undefined : sliceOf(hold, log, segment, start, limits)
    } finally {
      if (slice === undefined) hold.release()
      else this.given++
    }
    return slice
  }

  async #isVouchedFor(segment: Segment): Promise<boolean> {
    if (segment.vouchedBytes < 0) {
      const bytes = await this.#readSidecar(segment)
      // Who wrote one meanwhile knows better.
      if (segment.vouchedBytes < 0) segment.vouchedBytes = bytes
    }
    return segment.vouchedBytes === segment.flushedBytes
  }

  /** The bytes that it vouches for: none when damage was found since it was made. */
  async #readSidecar(segment: Segment): Promise<number> {
    try {
      const bytes = await readWholeFile(this.#disk, segment.pathOf('crc'))
      const sidecar = decodeSidecar(bytes, segment.baseOffset)
      return sidecar === undefined || sidecar.verifiedAtMs === 0 ? 0 : sidecar.segmentBytes
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return 0
    }
  }

  async #hold(segment: Segment): Promise<FileHold | undefined> {
    try {
      return await this.#files.hold(segment.path)
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return undefined
    }
  }

  /** Where the batch that holds `offset` begins. Steps over headers from the index on. */
  async #startOf(file: DiskFile, segment: Segment, offset: number): Promise<Place | undefined> {
    const position = segment.offsetIndex.floor(offset)
    const baseOffset = segment.offsetIndex.keyOf(offset) ?? segment.baseOffset
    if (baseOffset === offset) return { position, baseOffset }
    const buffer = this.#buffers.take(INDEX_INTERVAL_BYTES)
    try {
      for (let from: Place = { position, baseOffset }; ;) {
        const count = await file.read(buffer.bytes.subarray(0, INDEX_INTERVAL_BYTES), from.position)
        const step = stepTowards(buffer.bytes.subarray(0, count), from, offset)
        if (step === undefined || step.isThere) return step
        if (step.position === from.position) return undefined
        from = step
      }
    } finally {
      buffer.release()
    }
  }
}

/** Over the batches of the view that end at or before `offset`. `undefined`: they do not follow. */
const stepTowards = (
  view: Uint8Array,
  { position, baseOffset }: Place,
  offset: number,
): Step | undefined => {
  let at = 0
  let base = baseOffset
  while (at + BATCH_HEADER_BYTES <= view.length) {
    const length = scanBatch(view, at, view.length)
    if (length <= 0 || batchBaseOffset(view, at) !== base) return undefined
    const next = batchNextOffset(view, at)
    if (next > offset) return { position: position + at, baseOffset: base, isThere: true }
    at += length
    base = next
  }
  return { position: position + at, baseOffset: base, isThere: false }
}

/** Nothing waits from here on: what is true of the segment now is true of the range. */
const sliceOf = (
  hold: FileHold,
  log: Log,
  segment: Segment,
  start: Place,
  { bytesMin, bytesMax }: { readonly bytesMin: number; readonly bytesMax: number },
): LogSlice | undefined => {
  const end = endOf(log, segment, start.position + bytesMax)
  if (end === undefined || end.position - start.position < bytesMin) return undefined
  const isChanged = segment.isRemoved || log.isDeleted || segment.vouchedBytes <= 0
  if (isChanged || hasGap(log, start.baseOffset, end.baseOffset)) return undefined
  const range = new HeldRange(hold, segment, start.position, end.position - start.position)
  return {
    parts: [],
    range,
    byteLength: range.byteLength,
    nextOffset: end.baseOffset,
    release: () => range.release(),
  }
}

const endOf = (log: Log, segment: Segment, positionMax: number): Place | undefined => {
  const following = log.segmentAfter(segment)?.baseOffset
  if (segment.flushedBytes <= positionMax && following !== undefined)
    return { position: segment.flushedBytes, baseOffset: following }
  return segment.offsetIndex.batchBefore(positionMax)
}

const hasGap = ({ gaps }: Log, from: number, to: number): boolean =>
  gaps.some((gap) => gap.from < to && from < gap.to)

class HeldRange implements FileRange {
  readonly descriptor: number | undefined
  readonly position: number
  readonly byteLength: number
  readonly #hold: FileHold
  readonly #segment: Segment
  #reads: number
  #isReleased: boolean

  constructor(hold: FileHold, segment: Segment, position: number, byteLength: number) {
    this.descriptor = hold.file.descriptor
    this.position = position
    this.byteLength = byteLength
    this.#hold = hold
    this.#segment = segment
    this.#reads = 0
    this.#isReleased = false
  }

  async read(target: Uint8Array, at: number): Promise<number> {
    const wanted = Math.min(target.length, this.byteLength - at)
    let count = 0
    this.#reads++
    try {
      count = await this.#hold.file.read(target.subarray(0, wanted), this.position + at)
      return count
    } finally {
      // Its sidecar is wrong by now: the next who asks is read to, and learns what is damaged.
      if (count < wanted) this.#segment.vouchedBytes = 0
      this.#reads--
      this.#end()
    }
  }

  /** A read that is under way goes on: its descriptor's number could be another file's otherwise. */
  release(): void {
    this.#isReleased = true
    this.#end()
  }

  #end(): void {
    if (this.#isReleased && this.#reads === 0) this.#hold.release()
  }
}
