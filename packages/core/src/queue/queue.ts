/**
 * A queue: its lanes, its consumers, and the handing over from the one to the other.
 *
 * Everything is done in slices at the end of a turn (`dispatch`): what is over the length limit goes,
 * what has expired goes, what is condemned goes to the dead letters, and then each message in order
 * goes to the next consumer that can take one.
 *
 * Invariants:
 * - a message has one holder at a time, and comes back to its own place, at once or after a delay;
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
  Return,
} from '../engine/messaging.ts'
import { ConsumerLine } from './consumer-line.ts'
import { DedupWindow } from './dedup-window.ts'
import type { Dispatchable } from './dispatch-schedule.ts'
import { KeyOrder } from './key-order.ts'
import type { Lane, LaneHooks } from './lane.ts'
import { LaneOrder } from './lane-order.ts'
import type { LedgerLog } from './ledger-log.ts'
import { DISPATCH_MESSAGES_MAX } from './limits.ts'
import { activeOf, checkAdmission, type ConsumerOptions, QueueConsumer } from './queue-consumer.ts'
import { QueueCounts } from './queue-counts.ts'
import type { QueueDefinition } from './queue-definition.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { QueueParts } from './queue-parts.ts'
import { QueueTimers, type TimedQueue } from './queue-timers.ts'
import {
  expiredHead,
  isDue,
  mayExpire,
  mayExpireUndelivered,
  nextExpiryAtMs,
} from './queue-expiry.ts'
import { describeQueue, isOverLength } from './queue-description.ts'
import { DelayedReturns, redeliveryDelayMs } from './redelivery-delay.ts'
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
  /** What came back and is not due. Made with the first: most queues delay nothing. */
  delayed: DelayedReturns | undefined
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
      if (isDue(entry, this, this.#parts.clock)) this.#discard(entry)
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
    } else if (outcome === 'reject') this.condemn(entry, 'rejected')
    else this.#cameBack(entry, outcome)
    if (holder === undefined) this.#released(entry)
    else holder.released(entry)
  }

  /** Taken by the broker itself, and not used: back to its place, as if nothing had been. */
  giveBack(entry: QueueEntry): void {
    const { isRedelivered } = entry
    if (this.isDeleted) entry.lane.settle(entry)
    else this.#putBack(entry)
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
    entry.lane.putBack(entry)
    this.wake()
  }

  dispatch(): boolean {
    this.#parts.woken(this)
    if (this.isDeleted) return false
    const nowMs = this.#parts.clock.monotonic()
    let left = DISPATCH_MESSAGES_MAX - this.#endDelays(nowMs, DISPATCH_MESSAGES_MAX)
    while (left > 0 && this.#dropOne()) left--
    while (left > 0 && this.#expireOne()) left--
    if (this.#isLooking) while (left > 0 && this.#handOne(nowMs)) left--
    this.#armTimer()
    return left === 0
  }

  /** What waits aside for its key goes back to its lane. */
  unholdAll(): void {
    for (const entry of this.#keys?.drain() ?? []) this.#unhold(entry)
  }

  /** What waits for its time is ready now. */
  endAllDelays(): void {
    this.#endDelays(Infinity, Infinity)
  }

  purge(): number {
    this.endAllDelays()
    this.unholdAll()
    let count = 0
    for (const lane of this.lanes) count += lane.purge()
    return count
  }

  /** It is gone: whoever consumes is told. */
  end(error: BrokerError): void {
    this.endAllDelays()
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
    if (definition.settings.redeliveryDelayMsMin === undefined) this.endAllDelays()
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

  get #heldCount(): number {
    return this.#keys?.heldCount ?? 0
  }

  #dropOne(): boolean {
    if (!isOverLength(this)) return false
    const delayed = this.delayed?.take(Infinity)
    if (delayed !== undefined) {
      this.#freeKey(delayed)
      this.condemn(delayed, 'maxlen')
      return true
    }
    if (this.settings.deadLetterExchange === undefined) {
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
    const entry = expiredHead(this, this.#parts.clock)
    if (entry !== undefined) this.#discard(entry)
    return entry !== undefined
  }

  /** Delivered and not done: it counts, also when a session ends. */
  #cameBack(entry: QueueEntry, how: Return): void {
    if (this.isDeleted) return entry.lane.settle(entry)
    if (entry.deliveryCount >= (this.settings.deliveryLimit ?? Infinity)) {
      entry.deliveryCount++
      return this.condemn(entry, 'delivery-limit')
    }
    entry.lane.countReturn(entry)
    const delayMs = redeliveryDelayMs(this.settings, entry.deliveryCount, how)
    if (delayMs === 0) return this.#putBack(entry)
    ;(this.delayed ??= new DelayedReturns()).add(entry, this.#parts.clock.monotonic() + delayMs)
    this.wake()
  }

  #putBack(entry: QueueEntry): void {
    entry.lane.putBack(entry)
    this.#freeKey(entry)
    this.wake()
  }

  /** Who waited behind it goes back to the lane too. */
  #freeKey(entry: QueueEntry): void {
    for (const waiting of this.#keys?.returned(entry) ?? []) this.#unhold(waiting)
  }

  /** Those that are due, so many at most, are at their places again. Answers how many. */
  #endDelays(nowMs: number, countMax: number): number {
    for (let count = 0; count < countMax; count++) {
      const entry = this.delayed?.take(nowMs)
      if (entry === undefined) return count
      this.#putBack(entry)
    }
    return countMax
  }

  /** It waited aside, and waits in its lane again. */
  #unhold(entry: QueueEntry): void {
    const { isRedelivered } = entry
    this.#inFlightCount--
    entry.lane.putBack(entry)
    entry.isRedelivered = isRedelivered
  }

  #handOne(nowMs: number): boolean {
    const entry = this.#head()
    if (entry === undefined) return false
    const only = this.settings.isSingleActiveConsumer ? this.#active : undefined
    const { clock } = this.#parts
    const consumer = mayExpireUndelivered(entry, this, clock) ? undefined : this.#line.next(only)
    if (consumer === undefined) {
      if (!isDue(entry, this, clock)) return false
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
    if (this.settings.isKeyOrdered) (this.#keys ??= new KeyOrder()).took(entry)
    return entry
  }

  /** Nothing is read for nobody; what expires, or waits for its verdict, needs no consumer. */
  get #isLooking(): boolean {
    return this.isConsumed || this.settings.deadLetterExchange !== undefined || mayExpire(this)
  }

  #isKeyTaken(entry: QueueEntry): boolean {
    if (!this.settings.isKeyOrdered || entry === this.#keys?.nextFree()) return false
    if ((this.#keys ??= new KeyOrder()).admit(entry)) return false
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

  #released(entry: QueueEntry): void {
    this.#inFlightCount--
    // One that is delayed keeps its key, or those behind it would overtake it.
    if (entry.state !== 'delayed') this.#keys?.released(entry)
    if (this.#keys?.nextFree() !== undefined) this.wake()
  }

  #left(consumer: QueueConsumer): void {
    this.#consumers.delete(consumer)
    this.used()
    this.#choose()
    if (!this.isConsumed && this.settings.isAutoDelete) this.unused()
  }

  /** The active consumer of those that may not consume together. */
  #choose(): void {
    const before = this.#active
    const isAlone = this.settings.isSingleActiveConsumer
    this.#active = isAlone ? activeOf(this.consumers, before) : undefined
    if (this.#active !== before) this.#active?.creditChanged()
  }

  /** Messages expire at the head and come back when they are due, whether anybody consumes or not. */
  #armTimer(): void {
    if (this.isDeleted) return
    const { clock } = this.#parts
    if ((this.delayed?.count ?? 0) > 0)
      this.#times.wakeIn(this.delayed!.nextAtMs - clock.monotonic())
    if (!mayExpire(this) || this.#keys?.isFull === true) return
    this.#times.wakeAt(nextExpiryAtMs(this, clock))
  }
}
