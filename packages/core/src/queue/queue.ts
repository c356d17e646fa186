/**
 * A queue: its lanes, its consumers, and the handing over from the one to the other.
 *
 * Everything is done in slices at the end of a turn (`dispatch`): what is over the length limit goes,
 * what has expired goes, what is condemned goes to the dead letters, and then each message in order
 * goes to the next consumer that can take one.
 *
 * Invariants:
 * - a message is in flight with one holder at a time, and comes back to its own place;
 * - a consumer never has more in flight than its credit;
 * - nothing is handed over in the call that made it possible.
 */
import { BrokerError } from '@millrace/codec'
import type {
  ConsumerSink,
  DeadLetterEntry,
  Outcome,
  QueueDescription,
  QueueSettings,
} from '../engine/messaging.ts'
import { ConsumerLine } from './consumer-line.ts'
import { DedupWindow } from './dedup-window.ts'
import type { Dispatchable } from './dispatch-schedule.ts'
import { KeyOrder } from './key-order.ts'
import type { Lane, LaneHooks } from './lane.ts'
import { LaneOrder } from './lane-order.ts'
import type { LedgerLog } from './ledger-log.ts'
import { DISPATCH_MESSAGES_MAX } from './limits.ts'
import { checkAdmission, type ConsumerOptions, highestOf, QueueConsumer } from './queue-consumer.ts'
import { QueueCounts } from './queue-counts.ts'
import type { QueueDefinition } from './queue-definition.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { QueueParts } from './queue-parts.ts'
import { QueueTimers, type TimedQueue } from './queue-timers.ts'
import { expiresAt, lifeOf } from './message-life.ts'
import { describeQueue } from './queue-description.ts'
import type { Topic } from '../topic/topic.ts'

const nobody: ReadonlySet<QueueConsumer> = new Set()
const noLogs: Topic['logs'] = []

export class Queue implements Dispatchable, LaneHooks, TimedQueue {
  readonly kind = 'queue'
  /** The router's mark. */
  visitedBy = 0
  definition: QueueDefinition
  readonly counts = new QueueCounts()
  /** The shared empty set until somebody consumes. */
  consumers: ReadonlySet<QueueConsumer> = nobody
  #dedup: DedupWindow | undefined
  ledgerLog: LedgerLog | undefined
  /** Whose it is, when it is exclusive. */
  readonly owner: object | undefined
  isScheduled = false
  isDeleted = false
  #moving: Set<QueueEntry> | undefined
  lanes: readonly Lane[] = []
  /** It is this topic, and holds nothing itself. */
  stream: Topic | undefined
  #ends: (() => void)[] | undefined
  readonly #parts: QueueParts
  readonly #line = new ConsumerLine()
  #keys: KeyOrder | undefined
  #inFlightCount = 0
  #active: QueueConsumer | undefined
  readonly #order = new LaneOrder()
  readonly #times: QueueTimers

  constructor(definition: QueueDefinition, owner: object | undefined, parts: QueueParts) {
    this.definition = definition
    this.owner = owner
    this.#parts = parts
    this.#times = new QueueTimers(parts, this)
  }

  get name(): string {
    return this.definition.name
  }

  get namespace(): string {
    return this.definition.namespace
  }

  get settings(): QueueSettings {
    return this.definition.settings
  }

  get isDurable(): boolean {
    return this.definition.settings.isDurable && this.owner === undefined
  }

  get expiresMs(): number | undefined {
    return this.definition.settings.expiresMs
  }

  get isConsumed(): boolean {
    return this.consumers.size > 0
  }

  /** Nobody uses it any more. */
  unused(): void {
    if (!this.isDeleted) this.#parts.unused(this)
  }

  get readyCount(): number {
    let count = this.#heldCount
    for (const lane of this.lanes) count += lane.readyCount
    for (const log of this.stream?.logs ?? noLogs)
      count += log === undefined ? 0 : log.highWatermark - log.earliestOffset
    return count
  }

  get readyBytes(): number {
    let bytes = 0
    for (const lane of this.lanes) bytes += lane.readyBytes
    return bytes
  }

  get inFlightCount(): number {
    return this.#inFlightCount - this.#heldCount
  }

  /** Taken by the broker itself: on their way to another queue. */
  get moving(): Set<QueueEntry> {
    return (this.#moving ??= new Set())
  }

  get dedup(): DedupWindow {
    return (this.#dedup ??= new DedupWindow())
  }

  /** After its lanes are there. */
  start(): void {
    this.#times.watchUse()
    if (this.readyCount > 0) this.wake()
  }

  laneFor(priority: number): Lane {
    return this.lanes[Math.min(priority, this.lanes.length - 1)]!
  }

  wake(): void {
    if (!this.isScheduled && !this.isDeleted) this.#parts.schedule.add(this)
  }

  isWanted(): boolean {
    return this.consumers.size > 0
  }

  floorMoved(): void {
    this.#parts.floorMoved(this)
  }

  lost(count: number): void {
    this.#parts.log.error('messages of a queue cannot be had', { queue: this.name, count })
    this.wake()
  }

  /** Throws ERR_QUEUE_IN_USE. */
  consume(options: ConsumerOptions, sink: ConsumerSink): QueueConsumer {
    if (this.stream !== undefined)
      throw new BrokerError('ERR_UNSUPPORTED_FEATURE', [
        'consuming a stream otherwise than by offset',
      ])
    checkAdmission(this.name, this.consumers, options)
    const consumer = new QueueConsumer(options, sink, {
      available: (each) => {
        this.#line.add(each)
        this.wake()
      },
      cancelled: (each) => this.#left(each),
      released: (entry) => this.#released(entry),
    })
    this.#consumers.add(consumer)
    this.used()
    this.#choose()
    consumer.creditChanged()
    return consumer
  }

  /** One message for a getter, or `undefined` when there is none, or none in memory yet. */
  takeOne(): QueueEntry | undefined {
    this.used()
    for (;;) {
      const entry = this.#head()
      if (entry === undefined) return undefined
      if (this.#isDue(entry)) this.#discard(entry)
      else if (!entry.lane.mayDeliver(entry)) return undefined
      else if (!this.#isKeyTaken(entry)) return this.#delivered(entry)
    }
  }

  /** Something is under way after which there may be one to take. */
  get isBusy(): boolean {
    if (this.isDeleted || this.#keys?.isFull === true) return false
    return this.lanes.some((lane) => lane.isBusy && lane.readyCount > 0)
  }

  /** What has an outcome. */
  settle(entry: QueueEntry, outcome: Outcome): void {
    const { holder } = entry
    entry.holder = undefined
    if (outcome === 'ack') {
      entry.lane.settle(entry)
      this.counts.settled++
    } else if (outcome === 'requeue') this.putBack(entry, true)
    else this.condemn(entry, 'rejected')
    if (holder === undefined) this.#released(entry)
    else holder.released(entry)
  }

  /** `isCounted`: it was delivered and failed; an end of its session counts too. */
  putBack(entry: QueueEntry, isCounted: boolean): void {
    if (this.isDeleted) return entry.lane.settle(entry)
    const { deliveryLimit = Infinity } = this.settings
    if (isCounted && entry.deliveryCount >= deliveryLimit) {
      entry.deliveryCount++
      return this.condemn(entry, 'delivery-limit')
    }
    entry.lane.putBack(entry, isCounted)
    for (const waiting of this.#keys?.returned(entry) ?? []) this.#unhold(waiting)
    this.wake()
  }

  /** Taken by the broker itself, and not used: back to its place, as if nothing had been. */
  giveBack(entry: QueueEntry): void {
    const { isRedelivered } = entry
    this.putBack(entry, false)
    entry.isRedelivered = isRedelivered
    this.#released(entry)
  }

  /** Dead-lettered, now or as soon as its content is read; dropped when there is nowhere to go. */
  condemn(entry: QueueEntry, reason: DeadLetterEntry['reason']): void {
    if (this.settings.deadLetterExchange === undefined || this.isDeleted) {
      entry.lane.settle(entry)
      if (reason === 'rejected') this.counts.settled++
      else this.counts.dropped++
      return
    }
    if (entry.content !== undefined) return this.#parts.deadLetters.take(this, entry, reason)
    entry.verdict = reason
    entry.lane.putBack(entry, false)
    this.wake()
  }

  dispatch(): boolean {
    this.#parts.woken(this)
    if (this.isDeleted) return false
    let left = DISPATCH_MESSAGES_MAX
    while (left > 0 && this.#dropOne()) left--
    while (left > 0 && this.#expireOne()) left--
    if (this.#isLooking) {
      const nowMs = this.#parts.clock.monotonic()
      while (left > 0 && this.#handOne(nowMs)) left--
    }
    this.#armExpiry()
    return left === 0
  }

  /** What waits aside for its key goes back to its lane. */
  unholdAll(): void {
    for (const entry of this.#keys?.drain() ?? []) this.#unhold(entry)
  }

  purge(): number {
    let count = this.#heldCount
    for (const lane of this.lanes) count += lane.purge()
    for (const entry of this.#keys?.drain() ?? []) {
      this.#inFlightCount--
      entry.lane.settle(entry)
    }
    return count
  }

  /** It is gone: whoever consumes is told. */
  end(error: BrokerError): void {
    this.close()
    for (const consumer of [...this.consumers]) consumer.end(error)
    this.consumers = nobody
    for (const lane of this.lanes) lane.close()
    this.ledgerLog?.close()
    this.#parts.woken(this)
    for (const end of this.#ends ?? []) end()
  }

  /** Runs `end` when the queue is gone. */
  onEnd(end: () => void): void {
    ;(this.#ends ??= []).push(end)
  }

  close(): void {
    this.isDeleted = true
    this.#times.cancel()
  }

  /** A declaration, a get, a consumer: it is not unused. */
  used(): void {
    this.#times.used()
  }

  changeSettings(definition: QueueDefinition): void {
    this.definition = definition
    this.#times.watchUse()
    if (!definition.settings.isKeyOrdered) this.unholdAll()
    this.#choose()
    // Who had to stand aside until now may be served.
    for (const consumer of this.consumers) consumer.creditChanged()
    this.wake()
  }

  describe(): QueueDescription {
    return describeQueue(this)
  }

  get #consumers(): Set<QueueConsumer> {
    if (this.consumers === nobody) this.consumers = new Set()
    return this.consumers as Set<QueueConsumer>
  }

  get #keyOrder(): KeyOrder {
    return (this.#keys ??= new KeyOrder())
  }

  get #heldCount(): number {
    return this.#keys?.heldCount ?? 0
  }

  #dropOne(): boolean {
    const { lengthMax, bytesMax, overflow, deadLetterExchange } = this.settings
    if (overflow !== 'drop-head' || (lengthMax === undefined && bytesMax === undefined))
      return false
    const isOver =
      this.readyCount > (lengthMax ?? Infinity) || this.readyBytes > (bytesMax ?? Infinity)
    if (!isOver) return false
    if (deadLetterExchange === undefined) {
      const lane = this.lanes.findLast((each) => each.readyCount > 0)
      if (lane?.dropHead() !== true) return false
      this.counts.dropped++
      return true
    }
    const entry = this.#head()
    if (entry === undefined) return false
    this.#taken(entry)
    this.condemn(entry, entry.verdict ?? 'maxlen')
    this.#released(entry)
    return true
  }

  /** The first of each priority: one behind it does not wait for what is above. */
  #expireOne(): boolean {
    if (this.lanes.length === 1 || !this.#mayExpire) return false
    for (const lane of this.lanes) {
      if (lane.readyCount === 0) continue
      const entry = lane.head()
      if (entry === undefined || !this.#mayExpireUndelivered(entry)) continue
      this.#discard(entry)
      return true
    }
    return false
  }

  /** It waited aside, and waits in its lane again. */
  #unhold(entry: QueueEntry): void {
    const { isRedelivered } = entry
    this.#inFlightCount--
    entry.lane.putBack(entry, false)
    entry.isRedelivered = isRedelivered
  }

  #handOne(nowMs: number): boolean {
    const entry = this.#head()
    if (entry === undefined) return false
    const only = this.settings.isSingleActiveConsumer ? this.#active : undefined
    const consumer = this.#mayExpireUndelivered(entry) ? undefined : this.#line.next(only)
    if (consumer === undefined) {
      if (!this.#isDue(entry)) return false
      this.#discard(entry)
      return true
    }
    const isHeldBack = !entry.lane.mayDeliver(entry)
    if (isHeldBack || this.#isKeyTaken(entry)) {
      this.#line.add(consumer)
      return !isHeldBack && this.#keys?.isFull !== true
    }
    this.#delivered(entry)
    consumer.deliver(entry, nowMs)
    if (consumer.canTake) this.#line.add(consumer)
    return true
  }

  #delivered(entry: QueueEntry): QueueEntry {
    this.#taken(entry)
    this.counts.delivered++
    if (entry.isRedelivered) this.counts.redelivered++
    if (this.settings.isKeyOrdered) this.#keyOrder.took(entry)
    return entry
  }

  /** Nothing is read for nobody; what expires, or waits for its verdict, needs no consumer. */
  get #isLooking(): boolean {
    const { deadLetterExchange } = this.settings
    return this.consumers.size > 0 || deadLetterExchange !== undefined || this.#mayExpire
  }

  /** With a time to live of nothing it may still go to somebody who can take it at once. */
  #mayExpireUndelivered(entry: QueueEntry): boolean {
    return (
      this.#isDue(entry) &&
      (entry.verdict !== undefined || lifeOf(entry.message, this.settings) !== 0)
    )
  }

  #isKeyTaken(entry: QueueEntry): boolean {
    if (!this.settings.isKeyOrdered || entry === this.#keys?.nextFree()) return false
    if (this.#keyOrder.admit(entry)) return false
    entry.lane.shift()
    this.#inFlightCount++
    return true
  }

  #head(): QueueEntry | undefined {
    const free = this.#keys?.nextFree()
    if (free !== undefined || this.#keys?.isFull === true) return free
    return this.#order.head(this.lanes, this.settings.priorityMax !== undefined)
  }

  /** Takes what `#head` gave. */
  #taken(entry: QueueEntry): QueueEntry {
    if (entry === this.#keys?.nextFree()) this.#keys.takeFree()
    else {
      entry.lane.shift()
      this.#inFlightCount++
    }
    this.#order.advance()
    return entry
  }

  #discard(entry: QueueEntry): void {
    const reason = entry.verdict ?? 'expired'
    // With its verdict: one that is condemned was not counted as ready.
    this.#taken(entry)
    entry.verdict = undefined
    if (reason === 'expired') this.counts.expired++
    this.condemn(entry, reason)
    this.#released(entry)
  }

  #isDue(entry: QueueEntry): boolean {
    if (entry.verdict !== undefined) return true
    const atMs = this.#expiresAt(entry)
    // Most never do: the clock is not asked for them.
    return atMs !== Infinity && atMs <= this.#parts.clock.now()
  }

  #expiresAt(entry: QueueEntry): number {
    return expiresAt(entry.message, this.settings, this.#parts.clock, this.isDurable)
  }

  #released(entry: QueueEntry): void {
    this.#inFlightCount--
    this.#keys?.released(entry)
    if (this.#keys?.nextFree() !== undefined) this.wake()
  }

  #left(consumer: QueueConsumer): void {
    this.#consumers.delete(consumer)
    this.used()
    this.#choose()
    if (this.consumers.size > 0 || this.isDeleted) return
    if (this.settings.isAutoDelete) this.unused()
  }

  /** The active consumer of those that may not consume together. */
  #choose(): void {
    if (!this.settings.isSingleActiveConsumer) {
      this.#active = undefined
      return
    }
    if (this.#active !== undefined && this.consumers.has(this.#active)) return
    this.#active = highestOf(this.consumers)
    this.#active?.creditChanged()
  }

  get #mayExpire(): boolean {
    if (this.settings.messageTtlMs !== undefined) return true
    return this.ledgerLog?.ledgers.some((ledger) => ledger.hasExpiry) ?? this.counts.hasExpiry
  }

  /** Messages expire at the head, whether anybody consumes or not. */
  #armExpiry(): void {
    if (!this.#mayExpire || this.isDeleted || this.#keys?.isFull === true) return
    let atMs = Infinity
    for (const lane of this.lanes) {
      const entry = lane.readyCount === 0 ? undefined : lane.head()
      if (entry !== undefined) atMs = Math.min(atMs, this.#expiresAt(entry))
    }
    this.#times.wakeAt(atMs)
  }
}
