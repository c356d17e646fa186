/**
 * From a message to everything it reaches: routed, held against the limits of the queues, and stored
 * wherever it goes, in one batch for all logs together.
 *
 * The hot path of publishing: no closure, no array and no Promise for a message. Its bytes are copied
 * once for all queues in memory, and once for all logs.
 */
import { BrokerError } from '@millrace/codec'
import type { MessageSource, QueuedMessage } from '../engine/messaging.ts'
import { checkDelay } from '../routing/delay.ts'
import type { Exchange } from '../routing/exchange.ts'
import { DELAY_MS_MAX } from '../routing/limits.ts'
import type { RoutedMessage, RouteTarget } from '../routing/route-target.ts'
import { remembersId } from './dedup-window.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import { MemoryLane } from './memory-lane.ts'
import { checkFields, type MessageFields, NEVER_KEPT } from './message-record.ts'
import type { BatchGatherer, BatchTarget, OpenBatch } from './open-batch.ts'
import { isHidden } from './queue-definition.ts'
import { wouldRefuse } from './queue-description.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'
import { StoredLane } from './stored-lane.ts'
import { fillRecord, recordKeyOf, TopicTarget } from './topic-target.ts'

export interface Routes {
  find(namespace: string, exchange: string): Exchange | undefined
  route(
    namespace: string,
    exchange: Exchange,
    message: RoutedMessage,
    visit: (target: RouteTarget, keptMs: number) => void,
  ): number
}

/** Told where a message went, so that somebody may wait for it. */
export interface Reached {
  batch(batch: OpenBatch): void
  /** A queue is full and refuses it. */
  refused(queue: Queue): void
}

/** A message of a transaction, routed and waiting for its commit. */
export interface PreparedMessage {
  readonly message: MessageSource
  readonly targets: readonly RouteTarget[]
  /** How long a delayed exchange among the targets is to keep it; 0 without one. */
  readonly keptMs: number
}

/** Bytes of the message's own: what was borrowed is copied. */
export const keepMessage = (
  message: MessageSource | MessageFields,
  timestampMs: number,
): QueuedMessage => ({
  exchange: message.exchange,
  routingKey: message.routingKey,
  extraRoutingKeys: message.extraRoutingKeys,
  payload: message.payload.slice(),
  format: message.format,
  properties: message.properties.slice(),
  isPersistent: message.isPersistent,
  priority: message.priority,
  ttlMs: message.ttlMs,
  messageId: message.messageId,
  key: message.key?.slice(),
  timestampMs,
  deadLetters: 'deadLetters' in message ? message.deadLetters : undefined,
})

/** What a message may hold on to beside its own bytes while somebody has it. */
const PINNED_BYTES_MAX = 4_096

/** A message that lives for long must not hold on to all that was read with it. */
export const ownBytesOf = (message: QueuedMessage): QueuedMessage => {
  const { buffer, length } = message.payload
  const isPinning = buffer.byteLength > length + message.properties.length + PINNED_BYTES_MAX
  return isPinning ? keepMessage(message, message.timestampMs) : message
}

/** A message that is published: a protocol's, or one that goes from queue to queue. */
export type Publishable = MessageSource &
  Partial<Pick<QueuedMessage, 'deadLetters'>> & {
    /** It was in a queue already and may come back to it: it is no repeat. */
    readonly isTransfer?: true | undefined
    /** A delayed exchange has kept it: none does again. */
    readonly isReleased?: true | undefined
  }

export class Publisher {
  readonly #routes: Routes
  readonly #gatherer: BatchGatherer
  readonly #clock: SteadyClock
  readonly #targets: RouteTarget[] = []
  #targetCount = 0
  readonly #lanes: BatchTarget[] = []
  #laneCount = 0
  /** Of the message being published. */
  #kept: QueuedMessage | undefined
  #isWanted = false
  #rejecting: Queue[] | undefined
  /** Queues that remember its message id. */
  #deduplicating: Queue[] | undefined
  #keptMs = 0
  readonly #collect = (target: RouteTarget, keptMs: number): void => {
    this.#targets[this.#targetCount++] = target
    this.#keptMs = keptMs
  }
  /** Refused by a queue that wants those in its dead letters. */
  onRejected: (queue: Queue, message: QueuedMessage) => void = () => undefined

  constructor(routes: Routes, gatherer: BatchGatherer, clock: SteadyClock) {
    this.#routes = routes
    this.#gatherer = gatherer
    this.#clock = clock
  }

  /** Answers the number of targets. Throws ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT. */
  publish(
    namespace: string,
    exchange: Exchange,
    message: Publishable,
    reached: Reached | undefined,
    isWelcome: ((queue: Queue) => boolean) | undefined = undefined,
  ): number {
    checkMessage(message)
    const targets = this.#targets
    this.#targetCount = 0
    this.#keptMs = 0
    const count = this.#routes.route(namespace, exchange, message, this.#collect)
    if (count === 0) return 0
    // Before anything is done: what throws has done nothing.
    const keptMs = admittedDelay(message, this.#keptMs)
    for (let index = 0; index < count; index++) {
      const target = targets[index]!
      if (target instanceof TopicTarget) target.checkFits(message)
    }
    this.#deduplicating = undefined
    // Most messages go to one queue: emptying the list would have it make room anew each time.
    if (this.#lanes.length > 1) this.#lanes.length = 0
    this.#laneCount = 0
    this.#kept = undefined
    this.#isWanted = false
    this.#rejecting = undefined
    const timestampMs = this.#clock.now()
    for (let index = 0; index < count; index++) {
      const target = targets[index]!
      if (target instanceof TopicTarget) this.#toTopic(target, message, timestampMs, reached)
      else if (isWelcome === undefined || isWelcome(target as Queue))
        this.#toQueue(target as Queue, message, timestampMs, reached)
    }
    const dueMs = keptMs > 0 ? timestampMs + keptMs : NEVER_KEPT
    if (this.#laneCount > 0) this.#store(message, timestampMs, dueMs, reached)
    if (this.#rejecting !== undefined) this.#reject(this.#rejecting, message, timestampMs)
    return count
  }

  /** Where a message of a transaction would go; nothing is done yet. */
  prepare(namespace: string, exchange: Exchange, message: Publishable): PreparedMessage {
    // One that was kept is a few bytes longer, at most, than it was.
    if (message.isReleased !== true) checkMessage(message)
    const targets: RouteTarget[] = []
    let keptMs = 0
    this.#routes.route(namespace, exchange, message, (target, askedMs) => {
      targets.push(target)
      keptMs = askedMs
    })
    return { message, targets, keptMs: admittedDelay(message, keptMs) }
  }

  #toQueue(
    queue: Queue,
    message: Publishable,
    timestampMs: number,
    reached: Reached | undefined,
  ): void {
    if (queue.isDeleted) return
    // First: an original is safe, whether there is room for another or not.
    if (this.#isRepeat(queue, message, timestampMs, reached)) return
    if (wouldRefuse(queue, message.payload.length)) {
      reached?.refused(queue)
      if (queue.settings.overflow === 'reject-dead-letter') (this.#rejecting ??= []).push(queue)
      return
    }
    queue.counts.published++
    if (message.ttlMs >= 0) noteExpiry(queue, message.priority)
    const lane = queue.laneFor(message.priority)
    if (lane instanceof StoredLane) {
      this.#lanes[this.#laneCount++] = lane
      this.#isWanted ||= lane.isWantingNext
      if (remembersId(queue, message)) (this.#deduplicating ??= []).push(queue)
    } else if (lane instanceof MemoryLane) {
      lane.push((this.#kept ??= keepMessage(message, timestampMs)))
      if (remembersId(queue, message)) queue.dedup.enter(message.messageId, timestampMs)
      queue.wake()
    }
  }

  #store(
    message: Publishable,
    timestampMs: number,
    dueMs: number,
    reached: Reached | undefined,
  ): void {
    const batch = this.#gatherer.add(this.#lanes, message, this.#isWanted, timestampMs, dueMs)
    if (reached !== undefined) reached.batch(batch)
    const { messageId } = message
    if (this.#deduplicating === undefined || messageId === undefined) return
    for (const { dedup } of this.#deduplicating)
      if (message.isTransfer === true) dedup.notes(messageId, batch, timestampMs)
      else dedup.stores(messageId, batch, timestampMs)
  }

  #isRepeat(
    queue: Queue,
    message: Publishable,
    timestampMs: number,
    reached: Reached | undefined,
  ): boolean {
    const { messageId } = message
    const { dedupWindowMs } = queue.settings
    if (messageId === undefined || dedupWindowMs === undefined) return false
    if (message.isTransfer === true) return false
    if (!queue.dedup.isRepeat(messageId, timestampMs, dedupWindowMs)) return false
    const original = queue.dedup.batchOf(messageId)
    if (original !== undefined) reached?.batch(original)
    return true
  }

  #toTopic(
    target: TopicTarget,
    message: MessageSource,
    timestampMs: number,
    reached: Reached | undefined,
  ): void {
    if (target.topic.isDeleted) return
    const key = recordKeyOf(message)
    const port = target.portFor(key)
    const batch = this.#gatherer.addRecord(port, (builder) =>
      fillRecord(builder, message, key, timestampMs),
    )
    reached?.batch(batch)
  }

  #reject(queues: readonly Queue[], message: Publishable, timestampMs: number): void {
    const kept = keepMessage(message, timestampMs)
    for (const queue of queues) this.onRejected(queue, kept)
  }
}

export const noteExpiry = (queue: Queue, priority: number): void => {
  if (isHidden(queue)) return
  const lane = queue.laneFor(priority)
  if (lane instanceof StoredLane) lane.ledger.noteExpiry()
  else queue.counts.hasExpiry = true
}

/** Throws ERR_INVALID_ARGUMENT; nobody can be told that about a message that was stored before. */
const admittedDelay = (message: Publishable, keptMs: number): number => {
  if (message.isTransfer === true) return Math.min(keptMs, DELAY_MS_MAX)
  checkDelay(keptMs)
  return keptMs
}

const checkMessage = (message: MessageSource): void => {
  if (message.payload.length + message.properties.length > MESSAGE_BYTES_MAX)
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [MESSAGE_BYTES_MAX, 'bytes of a message'])
  checkFields(message)
}
