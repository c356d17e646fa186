/**
 * A session of exchanges and queues: one peer's publications with their confirms, its consumers, and
 * what it has in flight.
 *
 * Invariants: confirms are told in the order of publication; a delivery is settled once; when the
 * session ends, what it had in flight is back at its place.
 */
import { BrokerError } from '@millrace/codec'
import {
  PUBLISH_BUSY,
  type Consumer,
  type ConsumeRequest,
  type ConsumerSink,
  type CreditPool,
  type Delivery,
  type MessageSource,
  type MessagingSession,
  type MessagingSessionOptions,
  type Outcome,
  type Owner,
} from '../engine/messaging.ts'
import type { Principal } from '../engine/operations.ts'
import type { Environment } from '../environment/environment.ts'
import type { LogStore } from '../log/store.ts'
import type { Exchange } from '../routing/exchange.ts'
import { ConfirmRuns } from './confirm-runs.ts'
import { ownBytesOf, type Publisher, type Routes } from './publisher.ts'
import { type QueueConsumer, SharedCredit } from './queue-consumer.ts'
import { EntryList, QueueEntry } from './queue-entry.ts'
import type { QueueRegistry } from './queue-registry.ts'
import type { Queue } from './queue.ts'
import type { Settlement, Transactions } from './transactions.ts'
import type { Waiting } from './waiting-gets.ts'

/** What this session may do; asked for every call, remembered by whoever implements it. */
export interface MessagingAccess {
  /** Throws ERR_NOT_AUTHORIZED. */
  checkWrite(exchange: Exchange): void
  checkRead(queue: string): void
  renew(principal: Principal): void
}

export interface MessagingSessionParts {
  readonly environment: Environment
  readonly store: LogStore
  readonly routes: Routes
  readonly publisher: Publisher
  readonly queues: QueueRegistry
  readonly transactions: Transactions
  readonly gets: Waiting
  flushSettlements(): Promise<void>
  closed(session: LocalMessagingSession): void
}

export class LocalMessagingSession implements MessagingSession {
  readonly #parts: MessagingSessionParts
  readonly #options: MessagingSessionOptions
  readonly #access: MessagingAccess | undefined
  readonly #confirms: ConfirmRuns
  readonly #inFlight = new EntryList()
  readonly #consumers = new Set<QueueConsumer>()
  #exchange: Exchange | undefined
  #isRefusing = false
  #isClosed = false

  constructor(
    parts: MessagingSessionParts,
    options: MessagingSessionOptions,
    access: MessagingAccess | undefined,
  ) {
    this.#parts = parts
    this.#options = options
    this.#access = access
    this.#confirms = new ConfirmRuns(parts.environment.timers, (from, to, error) => {
      options.onConfirms(from, to, error)
      this.resume()
    })
  }

  get inFlight(): EntryList {
    return this.#inFlight
  }

  publish(message: MessageSource, wantsConfirm: boolean): number {
    this.#checkOpen()
    const bytes = message.payload.length + message.properties.length
    if (!this.#hasCredit(bytes)) {
      this.#isRefusing = true
      return PUBLISH_BUSY
    }
    const { store, publisher } = this.#parts
    const exchange = this.#exchangeFor(message.exchange)
    const refusal = store.refusal()
    if (refusal !== undefined) throw refusal
    const { namespace } = this.#options
    if (!wantsConfirm) return publisher.publish(namespace, exchange, message, undefined)
    const confirms = this.#confirms
    confirms.begin()
    const count = publisher.publish(namespace, exchange, message, confirms)
    // Also when it is not persistent: what is confirmed can be read, and in a log that is after the sync.
    confirms.end(bytes)
    return count
  }

  createPool(limit: number): CreditPool {
    return new SharedCredit(limit)
  }

  consume(request: ConsumeRequest, sink: ConsumerSink): Consumer {
    this.#checkOpen()
    const queue = this.#queueFor(request.queue, request.owner)
    return queue.consume(
      {
        isAutoSettled: request.isAutoSettled,
        isExclusive: request.isExclusive,
        priority: request.priority,
        inFlightCountMax: request.inFlightCountMax,
        pool: request.pool instanceof SharedCredit ? request.pool : undefined,
        inFlight: this.#inFlight,
        siblings: this.#consumers,
      },
      sink,
    )
  }

  async get(request: {
    readonly queue: string
    readonly owner: Owner | undefined
    readonly isAutoSettled: boolean
  }): Promise<{ readonly delivery: Delivery; readonly readyCount: number } | undefined> {
    this.#checkOpen()
    const queue = this.#queueFor(request.queue, request.owner)
    const entry = queue.takeOne() ?? (await this.#awaitOne(queue))
    if (entry === undefined) return undefined
    const { readyCount } = queue
    // Another message is at the head, and may have a time of its own.
    queue.wake()
    if (request.isAutoSettled) {
      const { content } = entry
      queue.settle(entry, 'ack')
      entry.content = content
    } else {
      // Kept until it is settled: nobody says when the answer was looked at.
      entry.content = ownBytesOf(entry.message)
      entry.deliveredAt = this.#parts.environment.clock.monotonic()
      this.#inFlight.push(entry)
    }
    return { delivery: entry, readyCount }
  }

  settle(deliveries: readonly Delivery[], outcome: Outcome): void {
    this.#checkOpen()
    for (const delivery of deliveries) this.#settleOne(this.#mine(delivery), outcome)
  }

  flushSettlements(): Promise<void> {
    return this.#parts.flushSettlements()
  }

  async commit(
    messages: readonly MessageSource[],
    settlements: readonly { readonly deliveries: readonly Delivery[]; readonly outcome: Outcome }[],
  ): Promise<readonly number[]> {
    this.#checkOpen()
    const { transactions, publisher } = this.#parts
    const { namespace } = this.#options
    const prepared = messages.map((message) =>
      publisher.prepare(namespace, this.#exchangeFor(message.exchange), message),
    )
    const settled: Settlement[] = []
    for (const { deliveries, outcome } of settlements)
      for (const delivery of deliveries) settled.push({ entry: this.#mine(delivery), outcome })
    if (new Set(settled.map(({ entry }) => entry)).size < settled.length)
      throw new BrokerError('ERR_INVALID_ARGUMENT', ['settlements', 'a delivery is named twice'])
    const apply = (): void => {
      for (const { entry, outcome } of settled) this.#settleOne(entry, outcome)
    }
    try {
      await transactions.commit(prepared, settled, apply)
    } finally {
      // Nobody else settles what was locked when the session ended.
      if (this.#isClosed) this.#returnAll()
    }
    return prepared.map(({ targets }) => targets.length)
  }

  renew(principal: Principal): void {
    this.#access?.renew(principal)
    this.#exchange = undefined
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#confirms.close()
    for (const consumer of this.#consumers) consumer.cancel()
    this.#returnAll()
    this.#parts.closed(this)
  }

  resume(): void {
    if (!this.#isRefusing || this.#isClosed || !this.#hasCredit(0)) return
    this.#isRefusing = false
    this.#options.onWritable()
  }

  /** The oldest delivery that was not settled in the time that its queue gives. */
  checkTimeouts(nowMs: number): void {
    for (let entry = this.#inFlight.first; entry !== undefined; entry = entry.next) {
      const limitMs = entry.lane.home.settings.deliveryTimeoutMs
      if (limitMs === undefined || nowMs - entry.deliveredAt < limitMs) continue
      if (entry.state !== 'in-flight') continue
      this.#options.onFailure?.(new BrokerError('ERR_DELIVERY_TIMEOUT', [entry.queue, limitMs]))
      return
    }
  }

  #returnAll(): void {
    let entry = this.#inFlight.first
    while (entry !== undefined) {
      const { next } = entry
      // What a transaction has locked is settled by its outcome, or returned then.
      if (entry.state !== 'locked') this.#settleOne(entry, 'requeue')
      entry = next
    }
  }

  #settleOne(entry: QueueEntry, outcome: Outcome): void {
    this.#inFlight.remove(entry)
    entry.lane.home.settle(entry, outcome)
  }

  #mine(delivery: Delivery): QueueEntry {
    const isMine = delivery instanceof QueueEntry && this.#inFlight.has(delivery)
    if (isMine && delivery.state === 'in-flight') return delivery
    throw new BrokerError('ERR_UNKNOWN_DELIVERY', [delivery.offset])
  }

  /** The lane has to read first: it wakes the queue, and then there is one, or there is none. */
  async #awaitOne(queue: Queue): Promise<QueueEntry | undefined> {
    while (queue.isBusy) {
      await this.#parts.gets.nextWake(queue)
      // Nobody would settle it for a session that ended meanwhile.
      if (this.#isClosed) return undefined
      const entry = queue.takeOne()
      if (entry !== undefined) return entry
    }
    return undefined
  }

  #exchangeFor(name: string): Exchange {
    const last = this.#exchange
    let exchange = last
    if (last === undefined || last.name !== name || last.isDeleted) {
      exchange = this.#parts.routes.find(this.#options.namespace, name)
      this.#exchange = exchange
    }
    if (exchange === undefined) throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [name])
    this.#access?.checkWrite(exchange)
    if (exchange.settings.isInternal)
      throw new BrokerError('ERR_NOT_AUTHORIZED', [this.#options.principal.name, 'write', name])
    return exchange
  }

  #queueFor(name: string, owner: Owner | undefined): Queue {
    this.#access?.checkRead(name)
    return this.#parts.queues.get(this.#options.namespace, name, owner)
  }

  #hasCredit(bytes: number): boolean {
    if (this.#parts.store.isCongested) return false
    const { count } = this.#confirms
    if (count === 0) return true
    const { inFlightCountMax, inFlightBytesMax } = this.#options
    return count < inFlightCountMax && this.#confirms.bytes + bytes <= inFlightBytesMax
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the session'])
  }
}
