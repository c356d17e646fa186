/**
 * One segment of a log: a run of whole batches in `<base offset>.log`, with its two indexes, and its
 * checksums once it is sealed.
 *
 * Positions are handed out in memory when a batch is accepted; the file follows. Invariant:
 * `syncedBytes <= flushedBytes <= sizeBytes`; the file holds whole batches without a hole up to
 * `flushedBytes`, and what lies behind that is not data, whatever it looks like.
 */
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

const NAME_DIGITS = 20
const NAME = /^(\d{20})\.(log|index|timeindex|crc)$/

export type SegmentFileKind = 'log' | 'index' | 'timeindex' | 'crc'

export const segmentFileName = (baseOffset: number, kind: SegmentFileKind): string =>
  `${String(baseOffset).padStart(NAME_DIGITS, '0')}.${kind}`

/** Strict: anything else in a log's directory is not ours and is left alone. */
export const parseSegmentFileName = (
  name: string,
): { baseOffset: number; kind: SegmentFileKind } | undefined => {
  const match = NAME.exec(name)
  if (match === null) return undefined
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return undefined
  return { baseOffset, kind: match[2] as SegmentFileKind }
}

/** What the indexes keep of a batch. */
export interface IndexedBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly maxTimestamp: number
}

export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly offsetIndex = new OffsetIndex()
  readonly timeIndex = new TimeIndex()
  /** The indexes speak of the bytes before this position; the rest is scanned when needed. */
  indexedBytes = 0
  /** The base offset that a batch at `indexedBytes` must have; -1 when that is not known. */
  indexedOffset: number
  /** Index bytes were looked for on disk. */
  isIndexLoaded: boolean
  /** `indexedBytes` when the index files were written last. */
  savedIndexBytes = 0
  sizeBytes: number
  flushedBytes: number
  /** The wall clock at the first append, for rolling by age. */
  startedAtMs: number
  /** The file exists under its name. */
  isCreated: boolean
  /** The file's name is durable. */
  isNameDurable: boolean
  /** Bytes were written since the last sync began. */
  isDirty = false
  isSealed = false
  /** A sidecar vouches for so many bytes from the front; -1 when nobody has looked yet. */
  vouchedBytes = -1
  /** No part of its log any more: what a reader misses in it is no damage. */
  isRemoved = false

  constructor(options: {
    baseOffset: number
    directory: string
    sizeBytes: number
    startedAtMs: number
    isCreated: boolean
  }) {
    this.baseOffset = options.baseOffset
    this.indexedOffset = options.baseOffset
    this.path = `${options.directory}/${segmentFileName(options.baseOffset, 'log')}`
    this.sizeBytes = options.sizeBytes
    this.flushedBytes = options.sizeBytes
    this.startedAtMs = options.startedAtMs
    this.isCreated = options.isCreated
    this.isNameDurable = options.isCreated
    this.isIndexLoaded = !options.isCreated
  }

  pathOf(kind: SegmentFileKind): string {
    return `${this.path.slice(0, -'log'.length)}${kind}`
  }

  /**
   * Tells the indexes of a batch that was flushed, when they know everything before it. No checksum
   * covers the offset in a batch's header: one that does not follow is left out, and what comes after
   * is counted from the batch before.
   */
  noteBatch(batch: IndexedBatch, position: number, length: number): void {
    if (position !== this.indexedBytes) return
    const { baseOffset, nextOffset } = batch
    const isNext = this.indexedOffset < 0 || baseOffset === this.indexedOffset
    if (isNext) {
      this.offsetIndex.add(baseOffset, position)
      this.timeIndex.add(batch.maxTimestamp, position + length)
    }
    this.indexedBytes = position + length
    this.indexedOffset = (isNext ? baseOffset : this.indexedOffset) + nextOffset - baseOffset
  }

  /** Bytes that no batch begins in are passed over: a reader finds the damage for itself. */
  skipIndexTo(position: number): void {
    this.indexedBytes = position
    this.indexedOffset = -1
  }

  dropIndex(): void {
    this.offsetIndex.clear()
    this.timeIndex.clear()
    this.indexedBytes = 0
    this.indexedOffset = this.baseOffset
    this.isIndexLoaded = false
  }
}
