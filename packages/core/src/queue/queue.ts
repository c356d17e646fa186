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
import type { TimerHandle } from '../environment/environment.ts'
import { ConsumerLine } from './consumer-line.ts'
import { DedupWindow } from './dedup-window.ts'
import type { Dispatchable } from './dispatch-schedule.ts'
import { KeyOrder } from './key-order.ts'
import type { Lane, LaneHooks } from './lane.ts'
import type { LedgerLog } from './ledger-log.ts'
import { CONSUMERS_PER_QUEUE_MAX, DISPATCH_MESSAGES_MAX } from './limits.ts'
import { type ConsumerOptions, QueueConsumer } from './queue-consumer.ts'
import { QueueCounts } from './queue-counts.ts'
import type { QueueDefinition } from './queue-definition.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { QueueParts } from './queue-parts.ts'
import type { Topic } from '../topic/topic.ts'

export class Queue implements Dispatchable, LaneHooks {
  readonly kind = 'queue'
  /** The router's mark. */
  visitedBy = 0
  definition: QueueDefinition
  readonly counts = new QueueCounts()
  readonly consumers = new Set<QueueConsumer>()
  #dedup: DedupWindow | undefined
  ledgerLog: LedgerLog | undefined
  /** Whose it is, when it is exclusive. */
  readonly owner: object | undefined
  isScheduled = false
  isDeleted = false
  lanes: readonly Lane[] = []
  /** It is this topic, and holds nothing itself. */
  stream: Topic | undefined
  #ends: (() => void)[] | undefined
  readonly #parts: QueueParts
  readonly #line = new ConsumerLine()
  #keys: KeyOrder | undefined
  #inFlightCount = 0
  #active: QueueConsumer | undefined
  #laneAt = 0
  #expiryTimer: TimerHandle | undefined
  #expiryAtMs = Infinity
  #unusedTimer: TimerHandle | undefined
  #usedAtMs: number
  readonly #mayTake = (consumer: QueueConsumer): boolean =>
    !this.settings.isSingleActiveConsumer || consumer === this.#active

  constructor(definition: QueueDefinition, owner: object | undefined, parts: QueueParts) {
    this.definition = definition
    this.owner = owner
    this.#parts = parts
    this.#usedAtMs = parts.clock.monotonic()
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

  get readyCount(): number {
    let count = this.#heldCount
    for (const lane of this.lanes) count += lane.readyCount
    if (this.stream === undefined) return count
    for (const log of this.stream.logs)
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

  get dedup(): DedupWindow {
    return (this.#dedup ??= new DedupWindow())
  }

  /** After its lanes are there. */
  start(): void {
    this.#armUnused()
    if (this.readyCount > 0) this.wake()
  }

  laneFor(priority: number): Lane {
    return this.lanes[Math.min(priority, this.lanes.length - 1)]!
  }

  /** Why a message of so many bytes is not taken, by the limits. */
  refuses(bytes: number, pendingCount: number): boolean {
    const { lengthMax, bytesMax, overflow } = this.settings
    if (overflow === 'drop-head') return false
    if (lengthMax !== undefined && this.readyCount + pendingCount >= lengthMax) return true
    return bytesMax !== undefined && this.readyBytes + bytes > bytesMax
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
    this.#parts.log.error('messages of a queue are damaged', { queue: this.name, count })
    this.wake()
  }

  /** Throws ERR_QUEUE_IN_USE. */
  consume(options: ConsumerOptions, sink: ConsumerSink): QueueConsumer {
    if (this.stream !== undefined)
      throw new BrokerError('ERR_UNSUPPORTED_FEATURE', [
        'consuming a stream otherwise than by offset',
      ])
    const isTaken = [...this.consumers].some((other) => other.options.isExclusive)
    if (isTaken || (options.isExclusive && this.consumers.size > 0))
      throw new BrokerError('ERR_QUEUE_IN_USE', [this.name])
    if (this.consumers.size >= CONSUMERS_PER_QUEUE_MAX)
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [CONSUMERS_PER_QUEUE_MAX, 'consumers of a queue'])
    const consumer = new QueueConsumer(options, sink, {
      available: (each) => {
        this.#line.add(each)
        this.wake()
      },
      cancelled: (each) => this.#left(each),
      released: (entry) => this.#released(entry),
    })
    this.consumers.add(consumer)
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
      else return entry.lane.mayDeliver(entry) ? this.#taken(entry) : undefined
    }
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
    const { deliveryLimit } = this.settings
    if (isCounted && deliveryLimit !== undefined && entry.deliveryCount >= deliveryLimit) {
      entry.deliveryCount++
      return this.condemn(entry, 'delivery-limit')
    }
    entry.lane.putBack(entry, isCounted)
    this.wake()
  }

  /** Dead-lettered, now or as soon as its content is read; dropped when there is nowhere to go. */
  condemn(entry: QueueEntry, reason: DeadLetterEntry['reason']): void {
    if (this.settings.deadLetterExchange === undefined) {
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
    const nowMs = this.#parts.clock.monotonic()
    while (left > 0 && this.#handOne(nowMs)) left--
    this.#armExpiry()
    return left === 0
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
    this.isDeleted = true
    this.#expiryTimer?.cancel()
    this.#unusedTimer?.cancel()
    for (const consumer of [...this.consumers]) consumer.end(error)
    this.consumers.clear()
    for (const lane of this.lanes) lane.close()
    this.ledgerLog?.close()
    this.#parts.woken(this)
    for (const end of this.#ends ?? []) end()
  }

  /** Runs `end` when the queue is gone. */
  onEnd(end: () => void): void {
    this.#ends ??= []
    this.#ends.push(end)
  }

  close(): void {
    this.isDeleted = true
    this.#expiryTimer?.cancel()
    this.#unusedTimer?.cancel()
  }

  /** A declaration, a get, a consumer: it is not unused. */
  used(): void {
    this.#usedAtMs = this.#parts.clock.monotonic()
  }

  changeSettings(definition: QueueDefinition): void {
    this.definition = definition
    this.#unusedTimer?.cancel()
    this.#unusedTimer = undefined
    this.#armUnused()
    this.#choose()
    this.wake()
  }

  describe(): QueueDescription {
    return {
      namespace: this.namespace,
      queue: this.name,
      settings: this.settings,
      isExclusive: this.owner !== undefined,
      readyCount: this.readyCount,
      readyBytes: this.readyBytes,
      inFlightCount: this.inFlightCount,
      consumerCount: this.consumers.size,
      counters: { ...this.counts },
    }
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
    this.#inFlightCount--
    this.condemn(entry, entry.verdict ?? 'maxlen')
    return true
  }

  #handOne(nowMs: number): boolean {
    const entry = this.#head()
    if (entry === undefined) return false
    const consumer = this.#mayExpireUndelivered(entry) ? undefined : this.#line.next(this.#mayTake)
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
    this.#taken(entry)
    this.counts.delivered++
    if (entry.isRedelivered) this.counts.redelivered++
    if (this.settings.isKeyOrdered) this.#keyOrder.took(entry)
    consumer.deliver(entry, nowMs)
    if (consumer.canTake) this.#line.add(consumer)
    return true
  }

  /** With a time to live of nothing it may still go to somebody who can take it at once. */
  #mayExpireUndelivered(entry: QueueEntry): boolean {
    return this.#isDue(entry) && (entry.verdict !== undefined || this.#lifeOf(entry) !== 0)
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
    if (free !== undefined) return free
    if (this.#keys?.isFull === true) return undefined
    const { lanes } = this
    const count = lanes.length
    if (count === 1) return lanes[0]!.head()
    const isByPriority = this.settings.priorityMax !== undefined
    for (let step = 0; step < count; step++) {
      const index = isByPriority ? count - 1 - step : (this.#laneAt + step) % count
      const lane = lanes[index]!
      const entry = lane.head()
      if (entry === undefined && (!isByPriority || lane.readyCount === 0)) continue
      if (!isByPriority) this.#laneAt = index
      return entry
    }
    return undefined
  }

  /** Takes what `#head` gave. */
  #taken(entry: QueueEntry): QueueEntry {
    if (entry === this.#keys?.nextFree()) this.#keys.takeFree()
    else {
      entry.lane.shift()
      this.#inFlightCount++
    }
    if (this.lanes.length > 1) this.#laneAt++
    return entry
  }

  #discard(entry: QueueEntry): void {
    const reason = entry.verdict ?? 'expired'
    entry.verdict = undefined
    this.#taken(entry)
    this.#inFlightCount--
    if (reason === 'expired') this.counts.expired++
    this.condemn(entry, reason)
  }

  #isDue(entry: QueueEntry): boolean {
    if (entry.verdict !== undefined) return true
    const atMs = this.#expiresAt(entry)
    // Most never do: the clock is not asked for them.
    return atMs !== Infinity && atMs <= this.#parts.clock.now()
  }

  #lifeOf(entry: QueueEntry): number {
    const { ttlMs } = entry.message
    const ofQueue = this.settings.messageTtlMs ?? Infinity
    return ttlMs < 0 ? ofQueue : Math.min(ofQueue, ttlMs)
  }

  #expiresAt(entry: QueueEntry): number {
    const lifeMs = this.#lifeOf(entry)
    if (lifeMs === Infinity) return Infinity
    const { clock } = this.#parts
    const { timestampMs } = entry.message
    const isOld = this.isDurable && timestampMs < clock.startedAtMs
    return isOld ? Math.max(timestampMs + lifeMs, clock.graceEndsAtMs) : timestampMs + lifeMs
  }

  #released(entry: QueueEntry): void {
    this.#inFlightCount--
    if (this.#keys === undefined) return
    this.#keys.released(entry)
    if (this.#keys.nextFree() !== undefined) this.wake()
  }

  #left(consumer: QueueConsumer): void {
    this.consumers.delete(consumer)
    this.used()
    this.#choose()
    if (this.consumers.size > 0 || this.isDeleted) return
    if (this.settings.isAutoDelete) this.#parts.unused(this)
  }

  /** The active consumer of those that may not consume together. */
  #choose(): void {
    if (!this.settings.isSingleActiveConsumer) return
    if (this.#active !== undefined && this.consumers.has(this.#active)) return
    let chosen: QueueConsumer | undefined
    for (const consumer of this.consumers)
      if (chosen === undefined || consumer.options.priority > chosen.options.priority)
        chosen = consumer
    this.#active = chosen
    chosen?.creditChanged()
  }

  get #mayExpire(): boolean {
    if (this.settings.messageTtlMs !== undefined) return true
    return this.ledgerLog?.ledgers.some((ledger) => ledger.hasExpiry) ?? this.counts.hasExpiry
  }

  /** Messages expire at the head, whether anybody consumes or not. */
  #armExpiry(): void {
    if (!this.#mayExpire || this.isDeleted) return
    const entry = this.#head()
    const atMs = entry === undefined ? Infinity : this.#expiresAt(entry)
    if (atMs === Infinity || atMs >= this.#expiryAtMs) return
    this.#expiryTimer?.cancel()
    this.#expiryAtMs = atMs
    const delayMs = Math.max(0, atMs - this.#parts.clock.now())
    this.#expiryTimer = this.#parts.timers.after(delayMs, () => {
      this.#expiryAtMs = Infinity
      this.#expiryTimer = undefined
      this.wake()
    })
  }

  #armUnused(): void {
    const { expiresMs } = this.settings
    if (expiresMs === undefined || this.#unusedTimer !== undefined || this.isDeleted) return
    const idleMs = this.#parts.clock.monotonic() - this.#usedAtMs
    this.#unusedTimer = this.#parts.timers.after(Math.max(1, expiresMs - idleMs), () => {
      this.#unusedTimer = undefined
      const isIdle = this.#parts.clock.monotonic() - this.#usedAtMs >= expiresMs
      if (this.consumers.size > 0) this.used()
      if (isIdle && this.consumers.size === 0) this.#parts.unused(this)
      else this.#armUnused()
    })
  }
}
