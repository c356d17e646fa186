/**
 * Exchanges and queues of the fake broker: exact routing keys, one order, consumers served in turn.
 * What a lost connection had not settled returns to its queue.
 */
import { BrokerError, errorTable, isBrokerError } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode, type PublishedMessage, type QueueDelivery } from '@millrace/protocol'
import type { FakeBroker, Request } from './fake-broker.ts'

interface Stored {
  readonly offset: number
  readonly message: PublishedMessage
  count: number
}

interface InFlight {
  readonly queue: string
  readonly stored: Stored
  readonly consumer: number
}

interface FakeConsumer extends protocol.Consume {
  credit: number
}

export interface FakeQueue {
  readonly ready: Stored[]
  settings: Record<string, unknown>
  nextOffset: number
  isExclusive: boolean
}

const noCounters = {
  published: 0,
  delivered: 0,
  redelivered: 0,
  settled: 0,
  deadLettered: 0,
  expired: 0,
  dropped: 0,
}

export class FakeQueues {
  readonly queues = new Map<string, FakeQueue>()
  readonly exchanges = new Map<string, Record<string, unknown>>()
  readonly bindings: protocol.Binding[] = []
  readonly consumers = new Map<number, FakeConsumer>()
  readonly inFlight = new Map<number, InFlight>()
  /** Every message of every PUBLISH and COMMIT, in order. */
  readonly published: PublishedMessage[] = []
  /** What was settled: outcome and tags. */
  readonly settlements: string[] = []
  /** Sees requests first; true: it has dealt with it, or holds it. */
  intercept: ((request: Request) => boolean) | undefined
  itemsPerPage = 200
  readonly #broker: FakeBroker
  #connectionCount = 1
  #lastTag = 0

  constructor(broker: FakeBroker) {
    this.#broker = broker
    broker.intercept = (request) => this.#dispatch(request)
  }

  addQueue(name: string, settings: Record<string, unknown> = {}): FakeQueue {
    const queue: FakeQueue = { ready: [], settings, nextOffset: 0, isExclusive: false }
    this.queues.set(name, queue)
    return queue
  }

  queue(name: string): FakeQueue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [name])
    return queue
  }

  textsOf(name: string): string[] {
    return this.queue(name).ready.map(({ message }) => new TextDecoder().decode(message.payload))
  }

  /** Puts a message into a queue as if somebody else had sent it. */
  push(name: string, message: Partial<PublishedMessage> & { readonly text: string }): void {
    const { text, ...more } = message
    const nothing = new Uint8Array(0)
    const plain = { exchange: '', routingKey: name, isPersistent: true, priority: 0, ttlMs: -1 }
    const payload = new TextEncoder().encode(text)
    this.#store(name, { ...plain, headers: nothing, payload, ...more })
    this.pump()
  }

  /** As if somebody had handled it: dispatches what `intercept` held. */
  handle(request: Request): void {
    try {
      this.#serve(request)
    } catch (error) {
      if (!isBrokerError(error)) throw error
      this.#broker.fail(request, error)
    }
  }

  endConsumers(error: BrokerError): void {
    for (const { consumer } of this.consumers.values()) {
      const end = { consumer, code: errorTable[error.code].wire, message: error.message }
      this.#broker.push(Opcode.CONSUMER_END, consumer, protocol.encodeConsumerEnd(end))
    }
    this.consumers.clear()
  }

  pump(): void {
    for (const consumer of this.consumers.values()) {
      const queue = this.queues.get(consumer.queue)
      const list: QueueDelivery[] = []
      while (queue !== undefined && queue.ready.length > 0 && this.#hasCredit(consumer)) {
        const stored = queue.ready.shift() as Stored
        list.push(this.#deliver(consumer.queue, stored, consumer.consumer))
      }
      if (list.length === 0) continue
      const body = protocol.encodeQueueDeliveries(list)
      this.#broker.push(Opcode.QUEUE_DELIVER, consumer.consumer, body)
    }
  }

  #hasCredit({ consumer, credit }: FakeConsumer): boolean {
    const held = [...this.inFlight.values()].filter((entry) => entry.consumer === consumer)
    return credit === 0 || held.length < credit
  }

  #dispatch(request: Request): boolean {
    if ((request.opcode & 0x7f) < Opcode.EXCHANGE_DECLARE || request.opcode === Opcode.ERROR)
      return false
    if (this.#broker.connectionCount !== this.#connectionCount) this.#forget()
    if (this.intercept?.(request) !== true) this.handle(request)
    return true
  }

  /** The connection is another: consumers are gone, and what was in flight is back. */
  #forget(): void {
    this.#connectionCount = this.#broker.connectionCount
    this.consumers.clear()
    const lost = [...this.inFlight.values()]
    this.inFlight.clear()
    this.#lastTag = 0
    for (const { queue, stored } of lost) this.#putBack(queue, stored)
  }

  #putBack(name: string, stored: Stored): void {
    stored.count += 1
    const ready = this.queues.get(name)?.ready
    ready?.push(stored)
    ready?.sort((left, right) => left.offset - right.offset)
  }

  #store(name: string, message: PublishedMessage): void {
    const queue = this.queue(name)
    queue.ready.push({ offset: queue.nextOffset++, message, count: 0 })
  }

  #deliver(queue: string, stored: Stored, consumer: number): QueueDelivery {
    this.#lastTag += 1
    this.inFlight.set(this.#lastTag, { queue, stored, consumer })
    return this.#wireOf(stored, this.#lastTag)
  }

  #wireOf({ offset, message, count }: Stored, tag: number): QueueDelivery {
    const deadLetters = new Uint8Array(0)
    const isRedelivered = count > 0
    return { ...message, tag, offset, timestampMs: 5, count, isRedelivered, deadLetters }
  }

  #route(message: PublishedMessage): protocol.PublishOutcome {
    this.published.push(message)
    const { exchange, routingKey } = message
    if (exchange !== '' && !this.exchanges.has(exchange))
      throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [exchange])
    const targets =
      exchange === ''
        ? [routingKey].filter((name) => this.queues.has(name))
        : this.bindings
            .filter((bound) => bound.exchange === exchange && bound.routingKey === routingKey)
            .map(({ target }) => target)
    for (const target of targets) this.#store(target, message)
    return { targets: targets.length, error: 0 }
  }

  #publish(request: Request): void {
    let text = ''
    const outcomes = protocol.decodePublish(request.body).messages.map((message) => {
      try {
        return this.#route(message)
      } catch (error) {
        if (!isBrokerError(error)) throw error
        text ||= error.message
        return { targets: 0, error: errorTable[error.code].wire }
      }
    })
    this.#broker.reply(request, protocol.encodePublished({ outcomes, text }))
    this.pump()
  }

  #take(ranges: readonly protocol.TagRange[]): [number, InFlight][] {
    const taken: [number, InFlight][] = []
    for (const { from, to } of ranges) {
      const found = [...this.inFlight].filter(([tag]) => tag >= from && tag <= to)
      if (found.length === 0) throw new BrokerError('ERR_UNKNOWN_DELIVERY', [from])
      taken.push(...found)
    }
    return taken
  }

  #settle(taken: readonly [number, InFlight][], outcome: protocol.SettleOutcome): void {
    for (const [tag, { queue, stored }] of taken) {
      this.inFlight.delete(tag)
      if (outcome === protocol.SettleOutcome.REQUEUE) this.#putBack(queue, stored)
    }
    const name = ['ack', 'requeue', 'reject'][outcome] as string
    this.settlements.push(`${name} ${taken.map(([tag]) => tag).join(',')}`)
  }

  #commit(request: Request): void {
    const { settlements, messages } = protocol.decodeCommit(request.body)
    const taken = settlements.map((range) => ({ ...range, list: this.#take([range]) }))
    const outcomes = messages.map((message) => this.#route(message))
    for (const { list, outcome } of taken) this.#settle(list, outcome)
    this.#broker.reply(request, protocol.encodePublished({ outcomes, text: '' }))
    this.pump()
  }

  #serve(request: Request): void {
    const { body } = request
    switch (request.opcode) {
      case Opcode.PUBLISH:
        return this.#publish(request)
      case Opcode.COMMIT:
        return this.#commit(request)
      case Opcode.SETTLE: {
        const { outcome, ranges } = protocol.decodeSettle(body)
        this.#settle(this.#take(ranges), outcome)
        this.#broker.reply(request)
        return this.pump()
      }
      case Opcode.CONSUME:
        return this.#consume(request)
      case Opcode.CONSUMER_CANCEL:
        this.consumers.delete(protocol.decodeConsumerNumber(body).consumer)
        return this.#broker.reply(request, protocol.encodeDone())
      case Opcode.GET: {
        const { queue: name } = protocol.decodeGet(body)
        const stored = this.queue(name).ready.shift()
        const delivery = stored === undefined ? undefined : this.#deliver(name, stored, 0)
        const ready = this.queue(name).ready.length
        return this.#broker.reply(request, protocol.encodeGot({ ready, delivery }))
      }
      case Opcode.QUEUE_PEEK: {
        const { queue, count = 1 } = protocol.decodeQueuePeek(body)
        const list = this.queue(queue).ready.slice(0, count)
        const wired = list.map((stored) => this.#wireOf(stored, 0))
        return this.#broker.reply(request, protocol.encodeQueueDeliveries(wired))
      }
      default:
        return this.#manage(request)
    }
  }

  #consume(request: Request): void {
    const consume = protocol.decodeConsume(request.body)
    this.queue(consume.queue)
    this.consumers.set(consume.consumer, { ...consume, credit: consume.credit ?? 0 })
    this.#broker.reply(request, protocol.encodeConsumerNumber(consume))
    this.pump()
  }

  #manage(request: Request): void {
    const { body } = request
    const reply = (answer: Uint8Array): void => this.#broker.reply(request, answer)
    switch (request.opcode) {
      case Opcode.EXCHANGE_DECLARE: {
        const { exchange, settings = {} } = protocol.decodeExchangeDeclare(body)
        this.exchanges.set(exchange, settings)
        return reply(this.#describeExchange(exchange))
      }
      case Opcode.EXCHANGE_DESCRIBE:
        return reply(this.#describeExchange(protocol.decodeExchangeDescribe(body).exchange))
      case Opcode.EXCHANGE_DELETE:
        this.exchanges.delete(protocol.decodeExchangeDelete(body).exchange)
        return reply(protocol.encodeDone())
      case Opcode.BIND:
        this.bindings.push(protocol.decodeBinding(body))
        return reply(protocol.encodeDone())
      case Opcode.UNBIND: {
        const { exchange, target } = protocol.decodeBinding(body)
        const at = this.bindings.findIndex((b) => b.exchange === exchange && b.target === target)
        if (at >= 0) this.bindings.splice(at, 1)
        return reply(protocol.encodeDone())
      }
      case Opcode.BINDING_LIST: {
        const { skip, exchange } = protocol.decodeBindingList(body)
        const all = this.bindings.filter((b) => exchange === undefined || b.exchange === exchange)
        const bindings = all.slice(skip, skip + this.itemsPerPage)
        const more = all.length > skip + bindings.length
        return reply(protocol.encodeBindingListed({ bindings, more }))
      }
      default:
        return this.#manageQueue(request, reply)
    }
  }

  #manageQueue({ opcode, body }: Request, reply: (answer: Uint8Array) => void): void {
    switch (opcode) {
      case Opcode.QUEUE_DECLARE: {
        const { queue, settings = {}, exclusive = false } = protocol.decodeQueueDeclare(body)
        const declared = this.queues.get(queue) ?? this.addQueue(queue, settings)
        declared.isExclusive = exclusive
        return reply(this.#describeQueue(queue))
      }
      case Opcode.QUEUE_DESCRIBE:
        return reply(this.#describeQueue(protocol.decodeQueueDescribe(body).queue))
      case Opcode.QUEUE_ALTER: {
        const { queue, settings } = protocol.decodeQueueAlter(body)
        Object.assign(this.queue(queue).settings, settings)
        return reply(this.#describeQueue(queue))
      }
      case Opcode.QUEUE_LIST: {
        const { prefix = '', after = '' } = protocol.decodeNameList(body)
        const names = [...this.queues.keys()].filter((n) => n.startsWith(prefix) && n > after)
        const page = names.sort().slice(0, this.itemsPerPage)
        const queues = page.map((name) =>
          protocol.decodeQueueDescription(this.#describeQueue(name)),
        )
        const more = names.length > page.length
        return reply(protocol.encodeQueueListed({ queues, more }))
      }
      case Opcode.QUEUE_DELETE: {
        const { queue } = protocol.decodeQueueDelete(body)
        const messages = this.queues.get(queue)?.ready.length ?? 0
        this.queues.delete(queue)
        return reply(protocol.encodeMessagesCounted({ messages }))
      }
      default:
        return reply(this.#countMessages(opcode, body))
    }
  }

  #countMessages(opcode: number, body: Uint8Array): Uint8Array {
    switch (opcode) {
      case Opcode.QUEUE_PURGE: {
        const { ready } = this.queue(protocol.decodeQueueDescribe(body).queue)
        return protocol.encodeMessagesCounted({ messages: ready.splice(0).length })
      }
      case Opcode.QUEUE_MOVE:
        return protocol.encodeMessagesCounted({ messages: 3 })
      case Opcode.QUEUE_REPLAY:
        return protocol.encodeMessagesCounted({ messages: 4 })
      default:
        throw new BrokerError('ERR_UNKNOWN_OPCODE', [opcode])
    }
  }

  #describeExchange(exchange: string): Uint8Array {
    const settings = this.exchanges.get(exchange)
    if (settings === undefined) throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [exchange])
    const { length: bindings } = this.bindings.filter((bound) => bound.exchange === exchange)
    const description = { exchange, predeclared: false, bindings, settings }
    return protocol.encodeExchangeDescription(description)
  }

  #describeQueue(name: string): Uint8Array {
    const { ready, settings, isExclusive } = this.queue(name)
    return protocol.encodeQueueDescription({
      queue: name,
      exclusive: isExclusive,
      ready: ready.length,
      readyBytes: 0,
      delayed: 0,
      inFlight: this.inFlight.size,
      consumers: this.consumers.size,
      counters: noCounters,
      settings,
    })
  }
}
