/**
 * A lane whose messages stand in a log, and what is settled of them in a ledger.
 *
 * ```
 *   floor      settled and not        cursor      read ahead      readFrom        next
 *     v_____________________________________v_______________________v_______________v
 *        in flight, or returned (heap)        ready (ring)            in the log only
 * ```
 *
 * What waits in the log costs no memory. While somebody waits for messages and everything before is
 * read, new ones go into the ring as they are published, and are delivered without being read at all.
 *
 * Invariants: entries leave in order of position, returned ones first; nothing at or above the high
 * watermark or the ledger's ceiling leaves; `readyCount` counts what is visible, not settled and not
 * in flight.
 */
import {
  batchAttributes,
  batchNextOffset,
  batchRecordCount,
  batchTotalBytes,
  compressionCodecs,
  compressionOf,
  isBrokerError,
  RecordCursor,
  RingQueue,
  type BatchCompression,
} from '@millrace/codec'
import { readableBatch } from '../compaction/segment-rewrite.ts'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { EngineLog } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { LogStore } from '../log/store.ts'
import type { Lane, LaneHooks, ReadRecord } from './lane.ts'
import type { Ledger } from './ledger.ts'
import { READ_AHEAD_COUNT_MIN, READ_BYTES, READY_BYTES_MAX, READY_COUNT_MAX } from './limits.ts'
import { QueueEntry } from './queue-entry.ts'
import type { BatchTarget, OpenBatch } from './open-batch.ts'
import type { ReadyBudget } from './ready-budget.ts'
import type { Queue } from './queue.ts'
import { ReturnedHeap } from './returned-heap.ts'

export interface StoredLaneParts {
  readonly store: LogStore
  readonly log: EngineLog
  readonly budget: ReadyBudget
  readonly compression: BatchCompression | undefined
}

export class StoredLane implements Lane, BatchTarget {
  readonly home: Queue
  readonly index: number
  readonly stride: number
  readonly log: Log
  readonly ledger: Ledger
  readonly #parts: StoredLaneParts
  readonly #hooks: LaneHooks
  readonly #read: ReadRecord
  readonly #returned = new ReturnedHeap()
  readonly #ready = new RingQueue<QueueEntry>()
  /** The first position that is not in the ring. */
  #readFrom: number
  #ringBytes = 0
  #isReading = false
  /** Raised when what is being read is of no use any more. */
  #generation = 0
  #isClosed = false
  readyCount: number
  readyBytes: number
  /** Appended and not visible yet. */
  pendingCount = 0
  /** Where messages for it gather in this turn. */
  openBatch: OpenBatch | undefined
  /** In flight while a replay goes past them. */
  #held: ReadonlySet<number> | undefined
  /** What was below the ceiling when the broker started may have been delivered before. */
  #redeliveredBelow = 0
  #followedTo: number

  constructor(
    parts: StoredLaneParts,
    place: { home: Queue; index: number; stride: number },
    log: Log,
    ledger: Ledger,
    read: ReadRecord,
  ) {
    this.#parts = parts
    this.home = place.home
    this.index = place.index
    this.stride = place.stride
    this.log = log
    this.ledger = ledger
    this.#read = read
    this.#hooks = place.home
    ledger.settled.raiseFloor(log.earliestOffset)
    this.#readFrom = ledger.floor
    this.#followedTo = log.highWatermark
    this.readyCount = this.#countUnsettled()
    this.readyBytes = this.#estimateBytes()
  }

  /** Before a batch that ends at `nextOffset` is appended: it will be delivered as soon as it is there. */
  willAppend(nextOffset: number): void {
    if (this.isWantingNext) this.ledger.allow(nextOffset)
  }

  /** A batch with these messages was appended at `baseOffset`. */
  appended(
    baseOffset: number,
    count: number,
    messages: readonly QueuedMessage[] | undefined,
  ): void {
    this.pendingCount += count
    if (messages === undefined || baseOffset !== this.#readFrom || !this.isWanting) return
    for (let index = 0; index < count; index++)
      this.#push(new QueueEntry(this, baseOffset + index, messages[index]!))
    this.#readFrom = baseOffset + count
  }

  get queueName(): string {
    return this.home.name
  }

  wake(): void {
    this.#hooks.wake()
  }

  /** For a log that others write to: what became visible since the last call. */
  follow(): void {
    const { highWatermark } = this.log
    if (highWatermark > this.#followedTo) this.readyCount += highWatermark - this.#followedTo
    this.#followedTo = highWatermark
    const { earliestOffset } = this.log
    if (earliestOffset > this.ledger.floor) this.#giveUp(earliestOffset)
    this.#hooks.wake()
  }

  /** They are visible. */
  arrived(count: number, bytes: number): void {
    this.pendingCount -= count
    this.readyCount += count
    this.readyBytes += bytes
  }

  /** The log took the batch at `baseOffset` back, and what follows it. */
  refused(baseOffset: number, count: number): void {
    this.pendingCount -= count
    while (this.#ready.length > 0) {
      const last = this.#ready.peekAt(this.#ready.length - 1)
      if (last === undefined || last.position < baseOffset) break
      this.#ready.pop()
      this.#forget(last)
    }
    this.#readFrom = Math.min(this.#readFrom, baseOffset)
  }

  head(): QueueEntry | undefined {
    const returned = this.#returned.peek()
    if (returned !== undefined) {
      if (returned.content !== undefined) return returned
      this.#refill(returned.position)
      return undefined
    }
    const entry = this.#nextInRing()
    if (entry === undefined) {
      this.#refill(this.#readFrom)
      return undefined
    }
    return entry.position < this.log.highWatermark ? entry : undefined
  }

  mayDeliver(entry: QueueEntry): boolean {
    return this.ledger.allow(entry.position)
  }

  shift(): void {
    const returned = this.#returned.peek()
    const entry = returned === undefined ? this.#ready.shift() : this.#returned.pop()
    if (entry === undefined) return
    if (returned === undefined) this.#forget(entry)
    entry.state = 'in-flight'
    if (entry.verdict === undefined) this.#uncount(1, entry.payloadBytes)
    if (this.#isLow && this.#readFrom < this.log.highWatermark) this.#refill(this.#readFrom)
  }

  putBack(entry: QueueEntry, isCounted: boolean): void {
    entry.state = 'ready'
    entry.isRedelivered = true
    if (isCounted) {
      entry.deliveryCount++
      this.ledger.returned(entry.position, entry.deliveryCount)
    }
    if (entry.verdict === undefined) {
      this.readyCount++
      this.readyBytes += entry.payloadBytes
    }
    this.#returned.push(entry)
  }

  settle(entry: QueueEntry): void {
    entry.state = 'settled'
    entry.content = undefined
    const { floor } = this.ledger
    this.ledger.settle(entry.position)
    if (this.ledger.floor !== floor) this.#hooks.floorMoved()
  }

  dropHead(): boolean {
    if (this.readyCount === 0) return false
    const returned = this.#returned.pop()
    const entry = returned ?? this.#nextInRing()
    if (entry === undefined) return this.#dropUnread()
    if (returned === undefined) {
      this.#ready.shift()
      this.#forget(entry)
    }
    if (entry.verdict === undefined) this.#uncount(1, entry.payloadBytes)
    this.settle(entry)
    return true
  }

  purge(): number {
    const count = this.readyCount
    this.#generation++
    for (const entry of this.#returned.all()) this.ledger.settle(entry.position)
    this.#returned.clear()
    const cursor = this.#ready.peek()?.position ?? this.#readFrom
    const end = this.log.highWatermark
    while ((this.#ready.peek()?.position ?? end) < end) this.#forget(this.#ready.shift()!)
    this.ledger.settleRange(cursor, end)
    this.#readFrom = Math.max(this.#readFrom, end)
    this.readyCount = 0
    this.readyBytes = 0
    this.#hooks.floorMoved()
    return count
  }

  async peek(count: number): Promise<readonly QueueEntry[]> {
    const entries: QueueEntry[] = []
    let offset = this.#returned.peek()?.position ?? this.#ready.peek()?.position ?? this.#readFrom
    const returned = new Set(this.#returned.all().map(({ position }) => position))
    const cursor = this.#ready.peek()?.position ?? this.#readFrom
    const end = this.log.highWatermark
    while (offset < end && entries.length < count) {
      const slice = await this.#parts.store.reader.read(this.log, offset, READ_BYTES)
      const next = slice.nextOffset
      this.#decode(slice, offset, (position, message) => {
        const isReady =
          position >= cursor ? !this.ledger.settled.has(position) : returned.has(position)
        if (isReady && entries.length < count && position < end)
          entries.push(this.#entryOf(position, message))
      })
      if (next <= offset) break
      offset = next
    }
    return entries
  }

  handedOver(entry: QueueEntry): void {
    entry.content = undefined
  }

  /** Settled messages from `offset` on are ready again, but for those that somebody has. */
  replayFrom(offset: number, inFlight: readonly QueueEntry[]): number {
    const before = this.readyCount
    this.#generation++
    this.#dropRing()
    this.#returned.clear()
    this.ledger.reset(Math.max(offset, this.log.earliestOffset))
    this.#readFrom = this.ledger.floor
    this.readyCount = this.#countUnsettled() - inFlight.length
    this.readyBytes = this.#estimateBytes()
    this.#held = new Set(inFlight.map(({ position }) => position))
    return this.readyCount - before
  }

  close(): void {
    this.#isClosed = true
    this.#generation++
    this.#dropRing()
    this.#returned.clear()
  }

  /** The next message that is appended is delivered without being read again. */
  get isWantingNext(): boolean {
    return this.#readFrom === this.log.nextOffset && this.isWanting
  }

  get isWanting(): boolean {
    return (
      this.#ready.length < READY_COUNT_MAX &&
      this.#ringBytes < READY_BYTES_MAX &&
      this.#hooks.isWanted() &&
      this.#parts.budget.hasRoom
    )
  }

  /** Time to read on, before the last of it is handed over. */
  get #isLow(): boolean {
    return this.#ready.length < READ_AHEAD_COUNT_MIN && this.#ringBytes < READ_BYTES
  }

  #nextInRing(): QueueEntry | undefined {
    for (;;) {
      const entry = this.#ready.peek()
      if (entry === undefined || !this.ledger.settled.has(entry.position)) return entry
      this.#ready.shift()
      this.#forget(entry)
    }
  }

  #push(entry: QueueEntry): void {
    const bytes = entry.payloadBytes
    this.#ringBytes += bytes
    this.#parts.budget.add(bytes)
    this.#ready.push(entry)
  }

  #forget(entry: QueueEntry): void {
    this.#ringBytes -= entry.payloadBytes
    this.#parts.budget.add(-entry.payloadBytes)
  }

  #dropRing(): void {
    for (let entry = this.#ready.shift(); entry !== undefined; entry = this.#ready.shift())
      this.#forget(entry)
  }

  /** Reads from `offset` on; when that takes a while the queue is woken. */
  #refill(offset: number): void {
    if (this.#isReading || this.#isClosed || offset >= this.log.highWatermark) return
    this.#isReading = true
    void this.#readOnce(offset, this.#generation).then(() => {
      this.#isReading = false
      if (!this.#isClosed) this.#hooks.wake()
    })
  }

  async #readOnce(offset: number, generation: number): Promise<void> {
    try {
      const slice = await this.#parts.store.reader.read(this.log, offset, READ_BYTES)
      if (generation !== this.#generation) return slice.release()
      const { nextOffset } = slice
      this.#decode(slice, offset, (position, message) => this.#take(position, message))
      if (offset === this.#readFrom) this.#readFrom = Math.max(offset + 1, nextOffset)
    } catch (error) {
      if (generation === this.#generation) this.#skipDamage(offset, error)
    }
  }

  /** A record that was read: of a returned entry, or ahead of the cursor. */
  #take(position: number, message: QueuedMessage): void {
    if (position >= this.#readFrom) {
      if (this.ledger.settled.has(position) || this.#held?.has(position) === true) return
      return this.#push(this.#entryOf(position, message))
    }
    if (this.#returned.length === 0) return
    for (const entry of this.#returned.all())
      if (entry.position === position) entry.content ??= message
  }

  #entryOf(position: number, message: QueuedMessage): QueueEntry {
    const entry = new QueueEntry(this, position, message)
    entry.deliveryCount = this.ledger.countOf(position)
    entry.isRedelivered = position < this.#redeliveredBelow
    return entry
  }

  /** After the ledger was recovered. */
  recovered(): void {
    this.#redeliveredBelow = this.ledger.ceiling
    this.ledger.settled.raiseFloor(this.log.earliestOffset)
    this.#readFrom = this.ledger.floor
    this.readyCount = this.#countUnsettled()
    this.readyBytes = this.#estimateBytes()
  }

  /** Bytes that are read are copied once, so that messages may outlive the log's buffers. */
  #decode(
    slice: LogSlice,
    from: number,
    visit: (position: number, message: QueuedMessage) => void,
  ): void {
    const parts = slice.parts.map((part) => part.slice())
    slice.release()
    for (const part of parts)
      for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
        if (batchNextOffset(part, at) <= from || batchRecordCount(part, at) === 0) continue
        const cursor = this.#cursorAt(part, at)
        if (cursor === undefined) continue
        while (cursor.next()) if (cursor.offset >= from) visit(cursor.offset, this.#read(cursor))
      }
  }

  /** Batches of topics may be compressed; what cannot be inflated cannot be delivered. */
  #cursorAt(part: Uint8Array, at: number): RecordCursor | undefined {
    if (compressionOf(batchAttributes(part, at)) === compressionCodecs.none)
      return new RecordCursor(part, at)
    const batch = part.subarray(at, at + batchTotalBytes(part, at))
    const readable = readableBatch(batch, this.#parts.compression)
    return readable === undefined ? undefined : new RecordCursor(readable)
  }

  /** Messages in a damaged range are lost: everything else goes on. */
  #skipDamage(offset: number, error: unknown): void {
    const gap = this.log.gapAt(offset)
    const to = gap?.to ?? this.log.earliestOffset
    if (this.#parts.store.failure !== undefined || this.log.isDeleted) return
    if (!isBrokerError(error) || to <= offset) {
      this.#parts.log.error('a queue cannot be read', {
        queue: this.queueName,
        offset,
        error: describeError(error),
      })
      this.#isClosed = true
      return
    }
    let lost = 0
    for (let at = offset; at < Math.min(to, this.log.highWatermark); at++)
      if (!this.ledger.settled.has(at)) {
        this.ledger.settle(at)
        lost++
      }
    this.readyCount = Math.max(0, this.readyCount - lost)
    if (offset === this.#readFrom) this.#readFrom = to
    while ((this.#returned.peek()?.position ?? Infinity) < to) this.#returned.pop()
    this.#hooks.lost(lost)
  }

  /** The topic's retention has taken what was not settled. */
  #giveUp(earliestOffset: number): void {
    const before = this.readyCount
    this.#generation++
    while ((this.#ready.peek()?.position ?? Infinity) < earliestOffset)
      this.#forget(this.#ready.shift()!)
    this.ledger.settleRange(this.ledger.floor, earliestOffset)
    this.#readFrom = Math.max(this.#readFrom, earliestOffset)
    this.readyCount = this.#countUnsettled()
    this.#hooks.lost(Math.max(0, before - this.readyCount))
  }

  /** What was not read yet: its payload is guessed. */
  #dropUnread(): boolean {
    const { settled } = this.ledger
    let offset = this.#readFrom
    while (offset < this.log.highWatermark && settled.has(offset)) offset++
    if (offset >= this.log.highWatermark) return false
    const { floor } = this.ledger
    this.#generation++
    this.#uncount(1, this.readyBytes / Math.max(1, this.readyCount))
    this.ledger.settle(offset)
    this.#readFrom = offset + 1
    if (this.ledger.floor !== floor) this.#hooks.floorMoved()
    return true
  }

  #uncount(count: number, bytes: number): void {
    this.readyCount = Math.max(0, this.readyCount - count)
    // Estimated after a restart: an empty queue has none, whatever was guessed.
    this.readyBytes = this.readyCount === 0 ? 0 : Math.max(0, this.readyBytes - bytes)
  }

  #countUnsettled(): number {
    const { floor, settled } = this.ledger
    let count = this.log.highWatermark - Math.max(floor, this.log.earliestOffset)
    for (const { from, to } of this.log.gaps)
      count -= Math.max(0, Math.min(to, this.log.highWatermark) - Math.max(from, floor))
    return Math.max(0, count - settled.countAbove)
  }

  /** Payloads are not read for it: a share of what the log holds. */
  #estimateBytes(): number {
    const total = this.log.nextOffset - this.log.earliestOffset
    return total <= 0 ? 0 : Math.round((this.log.sizeBytes * this.readyCount) / total)
  }
}
