/**
 * One segment of a log: a run of whole batches in `<base offset>.log`, with its two indexes.
 *
 * Positions are handed out in memory when a batch is accepted; the file follows. Invariant:
 * `syncedBytes <= flushedBytes <= sizeBytes`; the file holds whole batches without a hole up to
 * `flushedBytes`, and what lies behind that is not data, whatever it looks like.
 */
import { OffsetIndex } from './offset-index.ts'
import { TimeIndex } from './time-index.ts'

const NAME_DIGITS = 20
const NAME = /^(\d{20})\.(log|index|timeindex)$/

export type SegmentFileKind = 'log' | 'index' | 'timeindex'

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

export class Segment {
  readonly baseOffset: number
  readonly path: string
  readonly offsetIndex = new OffsetIndex()
  readonly timeIndex = new TimeIndex()
  /** The indexes speak of the bytes before this position; the rest is scanned when needed. */
  indexedBytes = 0
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

  constructor(options: {
    baseOffset: number
    directory: string
    sizeBytes: number
    startedAtMs: number
    isCreated: boolean
  }) {
    this.baseOffset = options.baseOffset
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

  /** Tells the indexes of a batch that was flushed, when they know everything before it. */
  noteBatch(baseOffset: number, position: number, length: number, maxTimestamp: number): void {
    if (position !== this.indexedBytes) return
    this.offsetIndex.add(baseOffset, position)
    this.timeIndex.add(maxTimestamp, position + length)
    this.indexedBytes = position + length
  }

  /** Bytes that no batch begins in are passed over: a reader finds the damage for itself. */
  skipIndexTo(position: number): void {
    this.indexedBytes = position
  }

  dropIndex(): void {
    this.offsetIndex.clear()
    this.timeIndex.clear()
    this.indexedBytes = 0
    this.isIndexLoaded = false
  }
}
