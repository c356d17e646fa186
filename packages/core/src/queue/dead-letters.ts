/**
 * What a queue rejects, lets expire, or has no room for goes to its dead-letter exchange.
 *
 * The crash story: the broker dies between the two queues. A message is settled where it was only when
 * it is stored wherever it goes, so it may be there twice then, and is never lost.
 *
 * A message that would come back to a queue by dead-lettering alone, without anybody having rejected
 * it on the way, goes round for ever: it is dropped there.
 */
import type { BrokerError } from '@millrace/codec'
import type { DeadLetterEntry, MessageSource, QueuedMessage } from '../engine/messaging.ts'
import type { EngineLog, Timers } from '../environment/environment.ts'
import { DEAD_LETTER_ENTRIES_MAX } from './limits.ts'
import type { MessageHeaders } from './message-headers.ts'
import type { MessageFields } from './message-record.ts'
import type { StoredWaiter } from './open-batch.ts'
import type { Publishable, Publisher, Reached, Routes } from './publisher.ts'
import { isHidden } from './queue-definition.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { DeadLetterTaker } from './queue-parts.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'

type Reason = DeadLetterEntry['reason']

/** When what found no room is tried again. */
const RETRY_MS = 1_000

export interface DeadLetterParts {
  readonly routes: Routes
  readonly publisher: Publisher
  readonly headers: MessageHeaders
  readonly clock: SteadyClock
  readonly timers: Timers
  readonly log: EngineLog
}

/** `isRefused`: a queue that it was routed to is full and rejects it. */
export type TransferDone = (error: BrokerError | undefined, isRefused: boolean) => void

/** A message on its way from one queue to others, and everything that it waits for. */
class Transfer {
  #waits = 1
  #error: BrokerError | undefined
  #isRefused = false
  readonly #done: TransferDone
  /** Told by the publisher. */
  readonly reached: Reached = {
    batch: (batch) => {
      this.#waits++
      batch.awaitedBy(this.#waiter)
    },
    refused: () => {
      this.#isRefused = true
    },
  }
  readonly #waiter: StoredWaiter = {
    stored: () => this.settled(),
    refused: (error) => this.settled(error),
  }

  constructor(done: TransferDone) {
    this.#done = done
  }

  settled(error?: BrokerError): void {
    this.#error ??= error
    this.#waits--
    if (this.#waits === 0) this.#done(this.#error, this.#isRefused)
  }
}

export class DeadLetters implements DeadLetterTaker {
  readonly #parts: DeadLetterParts

  constructor(parts: DeadLetterParts) {
    this.#parts = parts
  }

  take(queue: Queue, entry: QueueEntry, reason: Reason): void {
    const message = this.#letter(queue, entry.message, reason)
    entry.verdict = undefined
    queue.moving.add(entry)
    // A full queue that rejects loses it, as it does without confirms.
    this.#send(queue, message, (error) => {
      queue.moving.delete(entry)
      if (error?.retriable === true) return this.#again(queue, entry, reason)
      if (error !== undefined) this.#lost(queue, error)
      entry.lane.settle(entry)
      queue.counts.deadLettered++
    })
  }

  /** One that never was in the queue, because the queue is full. */
  takeRefused(queue: Queue, message: QueuedMessage): void {
    if (queue.settings.deadLetterExchange === undefined) return
    this.#send(queue, this.#letter(queue, message, 'maxlen'), () => queue.counts.deadLettered++)
  }

  /** Publishes it and tells when it is stored wherever it goes. Answers how many targets it has. */
  transfer(queue: Queue, message: MessageFields, done: TransferDone): number {
    return this.#publish(queue, message, new Transfer(done), undefined)
  }

  /** As dead letter: nowhere is an answer too, and one that goes round for ever ends here. */
  #send(queue: Queue, message: MessageFields, done: TransferDone): void {
    const { deadLetters } = message
    const isWelcome = (target: Queue): boolean =>
      isHidden(target) || !isCircle(target.name, deadLetters)
    this.#publish(queue, message, new Transfer(done), isWelcome)
  }

  #publish(
    queue: Queue,
    message: MessageFields,
    transfer: Transfer,
    isWelcome: ((target: Queue) => boolean) | undefined,
  ): number {
    const { routes, publisher } = this.#parts
    const { namespace } = queue
    const exchange = routes.find(namespace, message.exchange)
    let count = 0
    try {
      if (exchange !== undefined)
        count = publisher.publish(
          namespace,
          exchange,
          this.publishable(message),
          transfer.reached,
          isWelcome,
        )
      transfer.settled()
    } catch (error) {
      transfer.settled(error as BrokerError)
    }
    return count
  }

  publishable(message: MessageFields): Publishable {
    return new StoredSource(message, this.#parts.headers)
  }

  #letter(queue: Queue, message: QueuedMessage, reason: Reason): MessageFields {
    const { deadLetterExchange = '', deadLetterKey } = queue.settings
    return {
      ...message,
      exchange: deadLetterExchange,
      routingKey: deadLetterKey ?? message.routingKey,
      extraRoutingKeys: deadLetterKey === undefined ? message.extraRoutingKeys : undefined,
      // It must not expire again, wherever it goes.
      ttlMs: -1,
      deadLetters: withEntry(message, queue.name, reason, this.#parts.clock.now()),
    }
  }

  /** Nothing will ever take it: it must not hold up the queue. */
  #lost(queue: Queue, error: BrokerError): void {
    const { message } = error
    this.#parts.log.warn('a dead letter is dropped', { queue: queue.name, error: message })
  }

  #again(queue: Queue, entry: QueueEntry, reason: Reason): void {
    if (queue.isDeleted) return
    entry.verdict = reason
    entry.lane.putBack(entry)
    this.#parts.timers.after(RETRY_MS, () => queue.wake())
  }
}

/** A stored message as one that is published. */
export class StoredSource implements MessageSource {
  readonly exchange: string
  readonly routingKey: string
  readonly extraRoutingKeys: readonly string[] | undefined
  readonly payload: Uint8Array
  readonly format: number
  readonly properties: Uint8Array
  readonly isPersistent: boolean
  readonly priority: number
  readonly ttlMs: number
  readonly messageId: string | undefined
  readonly key: Uint8Array | undefined
  readonly deadLetters: readonly DeadLetterEntry[] | undefined
  readonly isTransfer: true | undefined
  readonly isReleased: true | undefined
  readonly #headers: MessageHeaders

  /** `isReleased`: from a delayed exchange, which no queue has known so far. */
  constructor(message: MessageFields, headers: MessageHeaders, isReleased = false) {
    this.isTransfer = isReleased ? undefined : true
    this.isReleased = isReleased ? true : undefined
    this.exchange = message.exchange
    this.routingKey = message.routingKey
    this.extraRoutingKeys = message.extraRoutingKeys
    this.payload = message.payload
    this.format = message.format
    this.properties = message.properties
    this.isPersistent = message.isPersistent
    this.priority = message.priority
    this.ttlMs = message.ttlMs
    this.messageId = message.messageId
    this.key = message.key
    this.deadLetters = message.deadLetters
    this.#headers = headers
  }

  matchHeaders(): ReadonlyMap<string, string> {
    return this.#headers.toMatch(this)
  }

  neutralHeaders(): ReturnType<MessageHeaders['of']> {
    return this.#headers.of(this)
  }
}

/** Newest first; the same queue and reason is counted, not told twice. */
const withEntry = (
  message: QueuedMessage,
  queue: string,
  reason: Reason,
  nowMs: number,
): readonly DeadLetterEntry[] => {
  const before = message.deadLetters ?? []
  const known = before.find((entry) => entry.queue === queue && entry.reason === reason)
  const rest = before.filter((entry) => entry !== known).slice(0, DEAD_LETTER_ENTRIES_MAX - 1)
  if (known !== undefined) return [{ ...known, count: known.count + 1 }, ...rest]
  const entry: DeadLetterEntry = {
    queue,
    reason,
    count: 1,
    exchange: message.exchange,
    routingKeys: [message.routingKey, ...(message.extraRoutingKeys ?? [])],
    timeMs: nowMs,
    originalTtlMs: message.ttlMs < 0 ? undefined : message.ttlMs,
  }
  return [entry, ...rest]
}

const isCircle = (queue: string, entries: readonly DeadLetterEntry[] | undefined): boolean => {
  const at = entries?.findIndex((entry) => entry.queue === queue) ?? -1
  if (entries === undefined || at < 0) return false
  return entries.slice(0, at + 1).every(({ reason }) => reason !== 'rejected')
}
