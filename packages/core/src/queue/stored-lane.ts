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
import { BrokerError, isBrokerError, RingQueue, type BatchCompression } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { EngineLog, Timers } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { LogStore } from '../log/store.ts'
import { HeldPositions } from './held-positions.ts'
import type { Lane, ReadRecord } from './lane.ts'
import type { Ledger } from './ledger.ts'
import { READ_AHEAD_COUNT_MIN, READ_BYTES, READY_BYTES_MAX, READY_COUNT_MAX } from './limits.ts'
import { isReady, QueueEntry } from './queue-entry.ts'
import type { BatchTarget, OpenBatch } from './open-batch.ts'
import { countUnsettled, estimateBytes } from './ready-estimate.ts'
import type { ReadyBudget } from './ready-budget.ts'
import type { Queue } from './queue.ts'
import { ReadTurn } from './read-turn.ts'
import { ReturnedHeap } from './returned-heap.ts'
import { visitMessages, type VisitMessage } from './slice-messages.ts'

export interface StoredLaneParts {
  readonly store: LogStore
  readonly log: EngineLog
  readonly timers: Timers
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
  readonly #read: ReadRecord
  readonly #returned = new ReturnedHeap()
  readonly #ready = new RingQueue<QueueEntry>()
  /** The first position that is not in the ring. */
  #readFrom: number
  #ringBytes = 0
  /** Made by the first read: most queues never fall behind. */
  #turn: ReadTurn | undefined
  /** Raised when what is being read is of no use any more. */
  #generation = 0
  #isClosed = false
  readyCount = 0
  readyBytes = 0
  /** Appended and not visible yet. */
  #appendedCount = 0
  #appendedBytes = 0
  /** Where messages for it gather in this turn. */
  openBatch: OpenBatch | undefined
  readonly #held = new HeldPositions()
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
    this.#readFrom = ledger.floor
    this.#followedTo = log.highWatermark
    this.recovered()
  }

  /** After the ledger was read: where it begins, and what is ready. */
  recovered(): void {
    const { ledger, log } = this
    ledger.fitTo(log.earliestOffset, log.nextOffset)
    // New messages may take places below the ceiling: nobody has seen those.
    this.#redeliveredBelow = Math.min(ledger.ceiling, log.nextOffset)
    for (const { from, to } of log.gaps)
      this.#held.settleOthers(ledger, from, Math.min(to, log.highWatermark))
    this.#readFrom = ledger.floor
    this.#countReady()
  }

  get isBusy(): boolean {
    return this.#turn?.isReading === true || this.ledger.isRaising
  }

  /** Before a batch that ends at `nextOffset` is appended: it will be delivered as soon as it is there. */
  willAppend(nextOffset: number): void {
    if (this.isWantingNext) this.ledger.allow(nextOffset)
  }

  /** A batch with these messages was appended at `baseOffset`. */
  appended(
    baseOffset: number,
    count: number,
    bytes: number,
    messages: readonly QueuedMessage[] | undefined,
  ): void {
    this.#appendedCount += count
    this.#appendedBytes += bytes
    if (messages === undefined || baseOffset !== this.#readFrom || !this.isWanting) return
    for (let index = 0; index < count; index++)
      this.#push(new QueueEntry(this, baseOffset + index, messages[index]!))
    this.#readFrom = baseOffset + count
  }

  get pendingCount(): number {
    return this.#appendedCount + (this.openBatch?.builder.count ?? 0)
  }

  get pendingBytes(): number {
    return this.#appendedBytes + (this.openBatch?.payloadBytes ?? 0)
  }

  get queueName(): string {
    return this.home.name
  }

  wake(): void {
    this.home.wake()
  }

  /** For a log that others write to: what became visible since the last call. */
  follow(): void {
    const { highWatermark } = this.log
    if (highWatermark > this.#followedTo) this.readyCount += highWatermark - this.#followedTo
    this.#followedTo = highWatermark
    const { earliestOffset } = this.log
    if (earliestOffset > this.ledger.floor) this.#giveUp(earliestOffset)
    this.home.wake()
  }

  /** They are visible. */
  arrived(count: number, bytes: number): void {
    this.#appendedCount -= count
    this.#appendedBytes -= bytes
    this.readyCount += count
    this.readyBytes += bytes
  }

  /** The log took the batch at `baseOffset` back, and what follows it. */
  refused(baseOffset: number, count: number, bytes: number): void {
    this.#appendedCount -= count
    this.#appendedBytes -= bytes
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

  countReturn(entry: QueueEntry): void {
    this.ledger.returned(entry.position, ++entry.deliveryCount)
  }

  putBack(entry: QueueEntry): void {
    entry.state = 'ready'
    entry.isRedelivered = true
    if (entry.verdict === undefined) {
      this.readyCount++
      this.readyBytes += entry.payloadBytes
    }
    this.#returned.push(entry)
  }

  settle(entry: QueueEntry): void {
    entry.state = 'settled'
    entry.content = undefined
    this.#held.delete(entry.position)
    const { floor } = this.ledger
    this.ledger.settle(entry.position)
    if (this.ledger.floor !== floor) this.home.floorMoved()
  }

  dropHead(): boolean {
    if (this.readyCount === 0) return false
    const returned = this.#returned.pop()
    const entry = returned ?? this.#nextInRing()
    if (entry === undefined) return this.#dropUnread()
    if (entry.position >= this.log.highWatermark) return false
    if (returned === undefined) {
      this.#ready.shift()
      this.#forget(entry)
    }
    if (entry.verdict === undefined) this.#uncount(1, entry.payloadBytes)
    this.settle(entry)
    return true
  }

  purge(): number {
    this.#generation++
    const count = this.#loseReady(0, this.log.highWatermark, isReady)
    this.readyCount = 0
    this.readyBytes = 0
    this.home.floorMoved()
    return count
  }

  async peek(count: number): Promise<readonly QueueEntry[]> {
    const cursor = this.#cursor
    const returned = new Set(this.#returned.all().map(({ position }) => position))
    const isThere = (position: number): boolean =>
      returned.has(position) || (position >= cursor && !this.#isSettledOrHeld(position))
    const entries: QueueEntry[] = []
    const end = this.log.highWatermark
    let offset = this.#returned.peek()?.position ?? cursor
    while (offset < end && entries.length < count && !this.#isClosed) {
      const slice = await this.#parts.store.reader.read(this.log, offset, READ_BYTES)
      const next = Math.max(slice.nextOffset, offset + 1)
      this.#decode(slice, offset, (position, message) => {
        if (entries.length < count && position < end && isThere(position))
          entries.push(this.#entryOf(position, message))
      })
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
    const cursor = this.#cursor
    this.#generation++
    this.#dropRing()
    this.#returned.clear()
    this.ledger.reset(Math.max(offset, this.log.earliestOffset))
    this.#redeliveredBelow = Math.max(this.#redeliveredBelow, cursor)
    this.#readFrom = this.ledger.floor
    this.#countReady(inFlight.length)
    this.#held.replace(inFlight.map(({ position }) => position))
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
      this.home.isWanted() &&
      this.#parts.budget.hasRoom
    )
  }

  /** The first position that was not delivered yet. */
  get #cursor(): number {
    return this.#ready.peek()?.position ?? this.#readFrom
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
    if (this.#turn?.isTaken === true || this.#isClosed || offset >= this.log.highWatermark) return
    this.#turn ??= new ReadTurn(this.#parts.timers, this.home)
    const generation = this.#generation
    void this.#turn.take(() => this.#readOnce(offset, generation))
  }

  /** Answers whether the disk did its part. */
  async #readOnce(offset: number, generation: number): Promise<boolean> {
    try {
      const slice = await this.#parts.store.reader.read(this.log, offset, READ_BYTES)
      if (generation !== this.#generation) slice.release()
      else if (slice.nextOffset <= offset) throw new BrokerError('ERR_INTERNAL')
      else if (offset === this.#readFrom) this.#takeAhead(offset, slice)
      else this.#fill(offset, slice)
      return true
    } catch (error) {
      return generation !== this.#generation || this.#skipDamage(offset, error)
    }
  }

  /** Records from the cursor on. What is not there any more, without having been settled, is lost. */
  #takeAhead(offset: number, slice: LogSlice): void {
    const end = Math.min(slice.nextOffset, this.log.highWatermark)
    let next = offset
    const missing: { from: number; to: number }[] = []
    this.#decode(slice, offset, (position, message) => {
      if (position > next) missing.push({ from: next, to: position })
      next = position + 1
      if (!this.#isSettledOrHeld(position)) this.#push(this.#entryOf(position, message))
    })
    if (end > next) missing.push({ from: next, to: end })
    this.#readFrom = Math.max(end, next)
    let lost = 0
    for (const { from, to } of missing) lost += this.#held.settleOthers(this.ledger, from, to)
    this.#noteLost(lost)
  }

  /** Records of entries that came back; one that is not there any more is lost. */
  #fill(offset: number, slice: LogSlice): void {
    const end = slice.nextOffset
    this.#decode(slice, offset, (position, message) => {
      const entry = this.#returned.at(position)
      if (entry !== undefined) entry.content ??= message
    })
    const isEmpty = (entry: QueueEntry): boolean => entry.content === undefined
    this.#noteLost(this.#settleReturned(this.#returned.takeBetween(offset, end, isEmpty)))
  }

  #isSettledOrHeld(position: number): boolean {
    return this.ledger.settled.has(position) || this.#held.has(position)
  }

  #entryOf(position: number, message: QueuedMessage): QueueEntry {
    const entry = new QueueEntry(this, position, message)
    entry.deliveryCount = this.ledger.countOf(position)
    entry.isRedelivered = position < this.#redeliveredBelow || entry.deliveryCount > 0
    return entry
  }

  #decode(slice: LogSlice, from: number, visit: VisitMessage): void {
    visitMessages(slice, { from, read: this.#read, compression: this.#parts.compression }, visit)
  }

  /** Messages in a damaged range are lost: everything else goes on. False when it is not damage. */
  #skipDamage(offset: number, error: unknown): boolean {
    const gap = this.log.gapAt(offset)
    const to = gap?.to ?? this.log.earliestOffset
    if (this.#parts.store.failure !== undefined || this.log.isDeleted) return false
    if (!isBrokerError(error) || to <= offset) {
      const fields = { queue: this.queueName, offset, error: describeError(error) }
      this.#parts.log.error('a queue cannot be read', fields)
      return false
    }
    this.#noteLost(this.#loseReady(offset, Math.min(to, this.log.highWatermark)))
    if (offset === this.#readFrom) this.#readFrom = to
    return true
  }

  /** The topic's retention has taken what was not settled, in flight or not. */
  #giveUp(earliestOffset: number): void {
    this.#generation++
    const lost = this.#loseReady(this.ledger.floor, earliestOffset)
    this.ledger.settleRange(this.ledger.floor, earliestOffset)
    this.#noteLost(lost)
  }

  #noteLost(count: number): void {
    if (count === 0) return
    this.#uncount(count, (this.readyBytes * count) / Math.max(count, this.readyCount))
    this.home.lost(count)
  }

  /** Settles what is ready in a range: what came back, and what lies ahead of the cursor. */
  #loseReady(from: number, to: number, isMeant?: (entry: QueueEntry) => boolean): number {
    const cursor = Math.max(from, this.#cursor)
    let count = this.#settleReturned(this.#returned.takeBetween(from, to, isMeant))
    for (let head = this.#ready.peek(); head !== undefined; head = this.#ready.peek()) {
      if (head.position < from || head.position >= to) break
      this.#forget(this.#ready.shift()!)
    }
    count += this.#held.settleOthers(this.ledger, cursor, to)
    if (from <= this.#readFrom) this.#readFrom = Math.max(this.#readFrom, to)
    return count
  }

  /** Answers how many of them were ready. */
  #settleReturned(entries: readonly QueueEntry[]): number {
    let count = 0
    for (const entry of entries) {
      if (entry.verdict === undefined) count++
      this.settle(entry)
    }
    return count
  }

  /** What was not read yet: its payload is guessed. */
  #dropUnread(): boolean {
    const { highWatermark } = this.log
    // More messages than bytes: some are not there, as reading tells, and one by one they are too many.
    let offset = this.#readFrom
    if (this.readyCount > this.log.sizeBytes) {
      this.#refill(offset)
      return false
    }
    while (offset < highWatermark && this.#isSettledOrHeld(offset)) offset++
    if (offset >= highWatermark) return false
    this.#generation++
    this.#readFrom = offset + 1
    const gap = this.log.gapAt(offset)
    if (gap !== undefined) {
      this.#noteLost(this.#loseReady(offset, Math.min(gap.to, highWatermark)))
      return this.readyCount > 0
    }
    this.#uncount(1, this.readyBytes / Math.max(1, this.readyCount))
    this.ledger.settle(offset)
    this.home.floorMoved()
    return true
  }

  #countReady(inFlightCount = 0): void {
    this.readyCount = countUnsettled(this.log, this.ledger) - inFlightCount
    this.readyBytes = estimateBytes(this.log, this.readyCount)
  }

  #uncount(count: number, bytes: number): void {
    this.readyCount = Math.max(0, this.readyCount - count)
    // Estimated after a restart: an empty queue has none, whatever was guessed.
    this.readyBytes = this.readyCount === 0 ? 0 : Math.max(0, this.readyBytes - bytes)
  }
}
