/**
 * One log: ordered segments, the batches still in memory, and the watermarks. In memory only; the
 * journal makes it durable and the write-behind moves it into segments.
 *
 *     earliest                     flushed          durable        next
 *        |   segments (files)         |   in memory    |  under way   |
 *        v____________________________v________________v______________v
 *
 * Invariants: offsets rise without a gap unless the gap is in `gaps`; what is above the high
 * watermark is shown to nobody; a batch leaves memory only after it was flushed.
 */
import { BrokerError, RingQueue, writeBatchPrefix } from '@millrace/codec'
import type { Slab } from './arena.ts'
import { OFFSET_MAX } from './limits.ts'
import { Segment } from './segment.ts'
import { StoredBatch, type AppendTicket } from './stored-batch.ts'

export interface LogSettings {
  readonly segmentBytes: number
  readonly segmentMs: number
}

/** Offsets that hold nothing a reader can have: damaged or never written. */
export interface OffsetRange {
  readonly from: number
  readonly to: number
}

/** Told when the high watermark moved, or when the log is gone. */
export type LogWatcher = () => void

export interface LogState {
  readonly id: number
  readonly directory: string
  readonly isVolatile: boolean
  readonly epoch: number
  readonly earliestOffset: number
  readonly nextOffset: number
  readonly ceiling: number
  readonly segments: readonly Segment[]
}

export interface AcceptedBytes {
  readonly bytes: Uint8Array
  readonly slab: Slab | undefined
  readonly recordCount: number
  readonly maxTimestamp: number
}

export class Log {
  readonly id: number
  readonly directory: string
  /** Not synced: `memory` durability. */
  readonly isVolatile: boolean
  settings: LogSettings
  /** What people call it, for errors. */
  label: string
  epoch: number
  earliestOffset: number
  nextOffset: number
  highWatermark: number
  /** Volatile logs: offsets below it may be used; durable in the journal. */
  ceiling: number
  /** Volatile logs: the ceiling asked for and not yet durable. */
  ceilingRequested: number
  readonly segments: Segment[]
  /** Batches in memory in offset order: first the flushed ones that are kept, then the rest. */
  readonly batches = new RingQueue<StoredBatch>()
  /** How many of `batches`, from the front, are flushed. */
  flushedCount = 0
  unflushedBytes = 0
  /** Journal bytes submitted and not yet in a group; decides for direct appends. */
  gatheredBytes = 0
  /** The flush under way, if any: flushes of a log run one after the other. */
  flushing: Promise<void> | undefined
  isDirectoryDurable: boolean
  /** Where the active segment of the last checkpoint began. */
  checkpointedBase = 0
  /** As of the checkpoint before: no table that a recovery may use replays anything below it. */
  compactableBelow = 0
  isDeleted = false
  /** Definitions and settlements: they are written also when the disk is nearly full. */
  isUrgent: boolean
  readonly gaps: OffsetRange[] = []
  /** Made by the first of them: most logs are of queues, and have none. */
  #watchers: Set<LogWatcher> | undefined

  constructor(state: LogState, settings: LogSettings) {
    this.id = state.id
    this.directory = state.directory
    this.isVolatile = state.isVolatile
    this.settings = settings
    this.label = `log ${state.id}`
    this.epoch = state.epoch
    this.earliestOffset = state.earliestOffset
    this.nextOffset = state.nextOffset
    this.highWatermark = state.nextOffset
    this.ceiling = state.ceiling
    this.ceilingRequested = state.ceiling
    this.segments = [...state.segments]
    this.isUrgent = state.id === 0
    this.isDirectoryDurable = state.segments.some((segment) => segment.isCreated)
  }

  get activeSegment(): Segment | undefined {
    return this.segments[this.segments.length - 1]
  }

  get sizeBytes(): number {
    let bytes = 0
    for (const segment of this.segments) bytes += segment.sizeBytes
    return bytes
  }

  get bytesInMemory(): number {
    let bytes = 0
    for (let index = 0; index < this.batches.length; index++)
      bytes += this.batches.peekAt(index)?.bytes.length ?? 0
    return bytes
  }

  /** Gives the batch its offset, epoch and place. The bytes are the log's from here on. */
  accept(accepted: AcceptedBytes, nowMs: number, ticket: AppendTicket | undefined): StoredBatch {
    const { bytes, slab, recordCount } = accepted
    const baseOffset = this.nextOffset
    const nextOffset = baseOffset + recordCount
    if (nextOffset > OFFSET_MAX)
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [OFFSET_MAX, 'offsets'])
    const segment = this.#segmentFor(bytes.length, nowMs)
    writeBatchPrefix(bytes, 0, baseOffset, bytes.length, this.epoch)
    const place = {
      log: this,
      segment,
      position: segment.sizeBytes,
      baseOffset,
      nextOffset,
      epoch: this.epoch,
      maxTimestamp: accepted.maxTimestamp,
    }
    const batch = new StoredBatch(place, bytes, slab, ticket)
    this.push(batch)
    return batch
  }

  /** Appends a batch that has its place already: a new one, or one that recovery brings back. */
  push(batch: StoredBatch): void {
    batch.segment.sizeBytes = batch.position + batch.bytes.length
    this.nextOffset = batch.nextOffset
    this.unflushedBytes += batch.bytes.length
    this.batches.push(batch)
  }

  /** Takes back `first` and every batch after it, newest first, and the segments that emptied. */
  takeBackFrom(first: StoredBatch): { batches: StoredBatch[]; segments: Segment[] } {
    const batches: StoredBatch[] = []
    const segments: Segment[] = []
    for (;;) {
      const batch = this.batches.pop()
      if (batch === undefined) return { batches, segments }
      batch.isRefused = true
      if (batch.unit !== undefined) batch.unit.isBroken = true
      batches.push(batch)
      this.#forgetFlush(batch)
      this.nextOffset = batch.baseOffset
      batch.segment.sizeBytes = batch.position
      if (batch.position === 0 && this.segments.length > 1) segments.push(this.#dropActive())
      if (batch === first) return { batches, segments }
    }
  }

  /** How many of the flushed batches in memory are visible. */
  get flushedVisibleCount(): number {
    let count = this.flushedCount
    while (count > 0 && (this.batches.peekAt(count - 1)?.nextOffset ?? 0) > this.highWatermark)
      count--
    return count
  }

  /** Direct appends are in their segment and not yet durable. */
  get isFlushedAhead(): boolean {
    return this.flushedVisibleCount < this.flushedCount
  }

  advance(highWatermark: number): boolean {
    if (highWatermark <= this.highWatermark) return false
    this.highWatermark = highWatermark
    return true
  }

  /** Told whenever more is visible, the beginning has moved, or the log is gone. */
  watch(watcher: LogWatcher): void {
    this.#watchers ??= new Set()
    this.#watchers.add(watcher)
  }

  unwatch(watcher: LogWatcher): void {
    this.#watchers?.delete(watcher)
  }

  notifyWatchers(): void {
    if (this.#watchers !== undefined) for (const watcher of [...this.#watchers]) watcher()
  }

  /** The segment that holds `offset`, or the first one after it. */
  segmentAt(offset: number): Segment | undefined {
    let low = 0
    let high = this.segments.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      if ((this.segments[middle]?.baseOffset ?? 0) <= offset) low = middle + 1
      else high = middle - 1
    }
    return this.segments[Math.max(high, 0)]
  }

  isInMemory(offset: number): boolean {
    const first = this.batches.peek()
    return first !== undefined && offset >= first.baseOffset
  }

  /** Visible bytes from `offset` on, counted no further than `enough`; what is in files is enough. */
  visibleBytesFrom(offset: number, enough: number): number {
    if (!this.isInMemory(offset)) return Infinity
    let bytes = 0
    for (let index = this.batches.length - 1; index >= 0 && bytes < enough; index--) {
      const batch = this.batches.peekAt(index)
      if (batch === undefined || batch.nextOffset <= offset) break
      if (batch.nextOffset <= this.highWatermark) bytes += batch.bytes.length
    }
    return bytes
  }

  /** Where the batches of a segment that are in memory begin. */
  firstInMemory(segment: Segment): number | undefined {
    const first = this.batches.peek()
    return first?.segment === segment ? first.baseOffset : undefined
  }

  segmentAfter(segment: Segment): Segment | undefined {
    const index = this.segments.indexOf(segment)
    return index < 0 ? undefined : this.segments[index + 1]
  }

  /** Where what a segment's file may hold ends at the latest: in memory, or in the next segment. */
  endOf(segment: Segment): number {
    const following = this.segmentAfter(segment)?.baseOffset ?? this.highWatermark
    return Math.min(this.firstInMemory(segment) ?? following, following)
  }

  /** The gap that `offset` lies in. */
  gapAt(offset: number): OffsetRange | undefined {
    return this.gaps.find((gap) => gap.from <= offset && offset < gap.to)
  }

  addGap(gap: OffsetRange): boolean {
    const known = this.gaps.some((other) => other.from <= gap.from && gap.to <= other.to)
    if (known || gap.from >= gap.to) return false
    this.gaps.push(gap)
    this.gaps.sort((left, right) => left.from - right.from)
    return true
  }

  /** What is appended from now on stands in another segment and has another epoch. */
  roll(): void {
    const active = this.activeSegment
    if (active !== undefined && active.sizeBytes > 0) active.isSealed = true
    this.epoch++
  }

  /** What was damaged there is of no interest any more. */
  dropGapsBelow(offset: number): void {
    while ((this.gaps[0]?.to ?? Infinity) <= offset) this.gaps.shift()
  }

  #segmentFor(bytes: number, nowMs: number): Segment {
    const active = this.activeSegment
    if (active !== undefined && !this.#isDue(active, bytes, nowMs)) return active
    if (active !== undefined) active.isSealed = true
    const segment = new Segment({
      baseOffset: this.nextOffset,
      directory: this.directory,
      sizeBytes: 0,
      startedAtMs: nowMs,
      isCreated: false,
    })
    this.segments.push(segment)
    return segment
  }

  #isDue(active: Segment, bytes: number, nowMs: number): boolean {
    if (active.isSealed) return true
    if (active.sizeBytes === 0) return false
    if (active.sizeBytes + bytes > this.settings.segmentBytes) return true
    return nowMs - active.startedAtMs >= this.settings.segmentMs
  }

  /** A batch that is taken back may have reached its file already. */
  #forgetFlush(batch: StoredBatch): void {
    if (this.batches.length >= this.flushedCount) {
      this.unflushedBytes -= batch.bytes.length
      return
    }
    this.flushedCount = this.batches.length
    batch.segment.flushedBytes = batch.position
    if (batch.segment.indexedBytes > batch.position) batch.segment.dropIndex()
  }

  #dropActive(): Segment {
    const dropped = this.segments.pop()
    const active = this.activeSegment
    if (dropped === undefined || active === undefined) throw new Error('no segment to drop')
    active.isSealed = false
    return dropped
  }
}
