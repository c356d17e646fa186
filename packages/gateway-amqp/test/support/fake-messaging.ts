/**
 * A small broker of queues in memory, written by hand against the engine's contract: enough for the
 * gateway to be seen at work. Deliveries and confirms come when a test lets a turn pass.
 */
import { BrokerError, propertyFormats } from '@millrace/codec'
import type {
  Binding,
  Caller,
  Consumer,
  ConsumerSink,
  ConsumeRequest,
  CreditPool,
  Delivery,
  ExchangeDescription,
  ExchangeSettings,
  MessageSource,
  Messaging,
  MessagingSession,
  MessagingSessionOptions,
  Outcome,
  Owner,
  QueueDescription,
  QueuedMessage,
  QueueSettings,
} from '@millrace/core'
import { PUBLISH_BUSY } from '@millrace/core'
import { toNeutralHeaders } from '../../src/mapping.ts'

const exchangeDefaults: ExchangeSettings = {
  type: 'direct',
  isDurable: true,
  isAutoDelete: false,
  isInternal: false,
  alternateExchange: undefined,
  hashHeader: undefined,
  delayedType: undefined,
  labels: {},
}

const queueDefaults: QueueSettings = {
  isDurable: false,
  isAutoDelete: false,
  expiresMs: undefined,
  messageTtlMs: undefined,
  lengthMax: undefined,
  bytesMax: undefined,
  overflow: 'drop-head',
  deadLetterExchange: undefined,
  deadLetterKey: undefined,
  priorityMax: undefined,
  isSingleActiveConsumer: false,
  deliveryLimit: undefined,
  redeliveryDelayMsMin: undefined,
  redeliveryDelayMsMax: undefined,
  redeliveryDelayOf: 'all',
  deliveryTimeoutMs: undefined,
  isKeyOrdered: false,
  dedupWindowMs: undefined,
  retentionMs: undefined,
  topic: undefined,
  isStream: false,
  labels: {},
}

const counters = {
  published: 0,
  delivered: 0,
  redelivered: 0,
  settled: 0,
  deadLettered: 0,
  expired: 0,
  dropped: 0,
}

interface Entry {
  readonly message: QueuedMessage
  readonly offset: number
  returns: number
  isRedelivered: boolean
}

interface FakeDelivery extends Delivery {
  readonly entry: Entry
  readonly queueOf: FakeQueue
  readonly consumer: FakeConsumer | undefined
}

class FakeQueue {
  readonly name: string
  readonly settings: QueueSettings
  readonly owner: Owner | undefined
  ready: Entry[] = []
  consumers: FakeConsumer[] = []
  inFlightCount = 0
  nextOffset = 0

  constructor(name: string, settings: QueueSettings, owner: Owner | undefined) {
    this.name = name
    this.settings = settings
    this.owner = owner
  }

  describe(namespace: string): QueueDescription {
    return {
      namespace,
      queue: this.name,
      settings: this.settings,
      isExclusive: this.owner !== undefined,
      readyCount: this.ready.length,
      readyBytes: 0,
      delayedCount: 0,
      inFlightCount: this.inFlightCount,
      consumerCount: this.consumers.length,
      counters,
    }
  }
}

class FakePool implements CreditPool {
  limit: number
  inFlightCount = 0
  readonly #onRaised: () => void

  constructor(limit: number, onRaised: () => void) {
    this.limit = limit
    this.#onRaised = onRaised
  }

  setLimit(limit: number): void {
    this.limit = limit
    this.#onRaised()
  }
}

class FakeConsumer implements Consumer {
  readonly queue: FakeQueue
  readonly request: ConsumeRequest
  readonly sink: ConsumerSink
  readonly session: FakeSession
  inFlightCount = 0
  isPaused = false

  constructor(queue: FakeQueue, request: ConsumeRequest, sink: ConsumerSink, session: FakeSession) {
    this.queue = queue
    this.request = request
    this.sink = sink
    this.session = session
  }

  get hasCredit(): boolean {
    const { inFlightCountMax, isAutoSettled, pool } = this.request
    if (this.isPaused) return false
    if (isAutoSettled) return true
    const isWithinPool =
      pool === undefined || pool.limit === 0 || (pool as FakePool).inFlightCount < pool.limit
    return isWithinPool && (inFlightCountMax === 0 || this.inFlightCount < inFlightCountMax)
  }

  setInFlightCountMax(): void {
    throw new Error('not asked for')
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.session.messaging.schedule()
  }

  cancel(): void {
    this.queue.consumers = this.queue.consumers.filter((one) => one !== this)
    const { isAutoDelete } = this.queue.settings
    if (isAutoDelete && this.queue.consumers.length === 0) {
      this.session.messaging.removeQueue(this.queue)
    }
  }
}

class FakeSession implements MessagingSession {
  readonly messaging: FakeMessaging
  readonly options: MessagingSessionOptions
  readonly consumers: FakeConsumer[] = []
  readonly inFlight = new Set<FakeDelivery>()
  #published = 0
  #confirmed = 0

  constructor(messaging: FakeMessaging, options: MessagingSessionOptions) {
    this.messaging = messaging
    this.options = options
  }

  publish(message: MessageSource, wantsConfirm: boolean): number {
    const { messaging } = this
    if (messaging.isBusy) return PUBLISH_BUSY
    if (messaging.publishError !== undefined) throw messaging.publishError
    const reached = messaging.route(message)
    messaging.bytesPublished += message.payload.length
    if (wantsConfirm) {
      this.#published++
      messaging.whenTurned(() => this.#confirm())
    }
    return reached
  }

  #confirm(): void {
    if (this.#confirmed === this.#published) return
    const from = this.#confirmed + 1
    this.#confirmed = this.#published
    this.options.onConfirms(from, this.#published, this.messaging.confirmError)
  }

  createPool(limit: number): CreditPool {
    return new FakePool(limit, () => this.messaging.schedule())
  }

  consume(request: ConsumeRequest, sink: ConsumerSink): Consumer {
    const queue = this.messaging.queueFor(request.queue, request.owner)
    const isTaken = queue.consumers.some((one) => one.request.isExclusive)
    if (isTaken || (request.isExclusive && queue.consumers.length > 0)) {
      throw new BrokerError('ERR_QUEUE_IN_USE', [request.queue])
    }
    const consumer = new FakeConsumer(queue, request, sink, this)
    queue.consumers.push(consumer)
    this.consumers.push(consumer)
    this.messaging.schedule()
    return consumer
  }

  async get(request: {
    readonly queue: string
    readonly owner: Owner | undefined
    readonly isAutoSettled: boolean
  }): Promise<{ delivery: Delivery; readyCount: number } | undefined> {
    const queue = this.messaging.queueFor(request.queue, request.owner)
    await Promise.resolve()
    const entry = queue.ready.shift()
    if (entry === undefined) return undefined
    const delivery = this.deliveryOf(queue, entry, undefined)
    if (!request.isAutoSettled) this.hold(delivery)
    return { delivery, readyCount: queue.ready.length }
  }

  deliveryOf(queue: FakeQueue, entry: Entry, consumer: FakeConsumer | undefined): FakeDelivery {
    const { message, offset, isRedelivered, returns } = entry
    entry.isRedelivered = true
    return {
      queue: queue.name,
      message,
      offset,
      isRedelivered,
      deliveryCount: returns,
      entry,
      queueOf: queue,
      consumer,
    }
  }

  hold(delivery: FakeDelivery): void {
    this.inFlight.add(delivery)
    delivery.queueOf.inFlightCount++
    const { consumer } = delivery
    if (consumer === undefined) return
    consumer.inFlightCount++
    if (consumer.request.pool !== undefined) (consumer.request.pool as FakePool).inFlightCount++
  }

  settle(deliveries: readonly Delivery[], outcome: Outcome): void {
    this.messaging.settleCalls.push([deliveries.length, outcome])
    for (const delivery of deliveries as readonly FakeDelivery[]) this.#settleOne(delivery, outcome)
    this.messaging.schedule()
  }

  #settleOne(delivery: FakeDelivery, outcome: Outcome): void {
    if (!this.inFlight.delete(delivery)) throw new BrokerError('ERR_UNKNOWN_DELIVERY', [0])
    const { queueOf: queue, consumer, entry } = delivery
    queue.inFlightCount--
    if (consumer !== undefined) {
      consumer.inFlightCount--
      if (consumer.request.pool !== undefined) (consumer.request.pool as FakePool).inFlightCount--
    }
    if (outcome === 'requeue' || outcome === 'release') {
      entry.returns++
      queue.ready.push(entry)
      queue.ready.sort((one, other) => one.offset - other.offset)
    }
  }

  flushSettlements(): Promise<void> {
    return Promise.resolve()
  }

  async commit(
    messages: readonly MessageSource[],
    settlements: readonly {
      readonly deliveries: readonly Delivery[]
      readonly outcome: Outcome
    }[],
  ): Promise<readonly number[]> {
    await Promise.resolve()
    const targets = messages.map((message) => this.messaging.route(message))
    for (const { deliveries, outcome } of settlements) this.settle(deliveries, outcome)
    return targets
  }

  renew(): void {
    this.messaging.renewals++
  }

  close(): void {
    for (const consumer of this.consumers) consumer.cancel()
    for (const delivery of this.inFlight) this.#settleOne(delivery, 'requeue')
    this.messaging.schedule()
  }
}

type Never = () => never
const notAsked: Never = () => {
  throw new Error('the gateway does not ask for this')
}

export class FakeMessaging implements Messaging {
  readonly exchanges = new Map<string, ExchangeDescription>()
  readonly queues = new Map<string, FakeQueue>()
  bindings: Binding[] = []
  readonly settleCalls: [number, Outcome][] = []
  readonly published: MessageSource[] = []
  readonly sessions: FakeSession[] = []
  bytesPublished = 0
  renewals = 0
  /** `publish` takes nothing. */
  isBusy = false
  publishError: BrokerError | undefined = undefined
  confirmError: BrokerError | undefined = undefined
  #owners = 0
  #turn: (() => void)[] = []
  #isScheduled = false

  constructor() {
    for (const type of ['direct', 'topic', 'fanout', 'headers'] as const) {
      this.#addExchange(`amq.${type}`, { type }, true)
    }
  }

  /** Runs with the next turn. */
  whenTurned(callback: () => void): void {
    this.#turn.push(callback)
  }

  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.whenTurned(() => {
      this.#isScheduled = false
      for (const queue of this.queues.values()) this.#pump(queue)
    })
  }

  /** Confirms and deliveries that are due. */
  turn(): void {
    const due = this.#turn
    this.#turn = []
    for (const callback of due) callback()
  }

  setBusy(isBusy: boolean): void {
    this.isBusy = isBusy
    if (!isBusy) for (const session of this.sessions) session.options.onWritable()
  }

  #pump(queue: FakeQueue): void {
    for (;;) {
      const consumer = queue.consumers.find((one) => one.hasCredit)
      const entry = consumer === undefined ? undefined : queue.ready.shift()
      if (consumer === undefined || entry === undefined) return
      const delivery = consumer.session.deliveryOf(queue, entry, consumer)
      if (!consumer.request.isAutoSettled) consumer.session.hold(delivery)
      consumer.sink.deliver(delivery)
    }
  }

  route(message: MessageSource): number {
    const targets = new Set<FakeQueue>()
    this.published.push(message)
    const keys = [message.routingKey, ...(message.extraRoutingKeys ?? [])]
    if (message.exchange === '') {
      for (const key of keys) this.#visit(this.queues.get(key), targets)
    } else {
      const exchange = this.exchanges.get(message.exchange)
      if (exchange === undefined)
        throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [message.exchange])
      if (exchange.settings.isInternal) {
        throw new BrokerError('ERR_NOT_AUTHORIZED', ['anonymous', 'write', message.exchange])
      }
      for (const binding of this.bindings) {
        if (binding.exchange !== message.exchange) continue
        const { type } = exchange.settings
        const isMatch =
          type === 'fanout' || (type !== 'headers' && keys.includes(binding.routingKey))
        if (isMatch || isHeaderMatch(binding, message)) {
          this.#visit(this.queues.get(binding.target), targets)
        }
      }
    }
    for (const queue of targets) this.push(queue.name, messageOf(message))
    return targets.size
  }

  #visit(queue: FakeQueue | undefined, into: Set<FakeQueue>): void {
    if (queue !== undefined) into.add(queue)
  }

  push(name: string, message: QueuedMessage): void {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new Error(`no queue ${name}`)
    queue.ready.push({ message, offset: queue.nextOffset++, returns: 0, isRedelivered: false })
    this.schedule()
  }

  queueFor(name: string, owner: Owner | undefined): FakeQueue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [name])
    if (queue.owner !== undefined && queue.owner !== owner) {
      throw new BrokerError('ERR_QUEUE_LOCKED', [name])
    }
    return queue
  }

  removeQueue(queue: FakeQueue): void {
    if (!this.queues.delete(queue.name)) return
    this.bindings = this.bindings.filter(({ target }) => target !== queue.name)
    for (const consumer of queue.consumers) {
      consumer.sink.end(new BrokerError('ERR_QUEUE_DELETED', [queue.name]))
    }
  }

  openOwner(): Owner {
    const owner: Owner = {
      id: ++this.#owners,
      close: () => {
        for (const queue of this.queues.values()) {
          if (queue.owner === owner) this.removeQueue(queue)
        }
      },
    }
    return owner
  }

  openSession(options: MessagingSessionOptions): MessagingSession {
    const session = new FakeSession(this, options)
    this.sessions.push(session)
    return session
  }

  #addExchange(
    exchange: string,
    settings: Partial<ExchangeSettings>,
    isPredeclared = false,
  ): ExchangeDescription {
    const whole = { ...exchangeDefaults, ...settings }
    const counts = { bindingCount: 0, keptCount: undefined }
    const made = { namespace: '/', exchange, settings: whole, isPredeclared, ...counts }
    this.exchanges.set(exchange, made)
    return made
  }

  async declareExchange(
    _caller: Caller,
    request: { readonly exchange: string; readonly settings: Partial<ExchangeSettings> },
  ): Promise<ExchangeDescription> {
    await Promise.resolve()
    return this.#addExchange(request.exchange, request.settings)
  }

  describeExchange(_caller: Caller, exchange: string): ExchangeDescription {
    const found = this.exchanges.get(exchange)
    if (found === undefined) throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [exchange])
    return found
  }

  async deleteExchange(
    _caller: Caller,
    request: { readonly exchange: string; readonly ifUnused?: boolean },
  ): Promise<void> {
    await Promise.resolve()
    const isUsed = this.bindings.some(({ exchange }) => exchange === request.exchange)
    if (isUsed && request.ifUnused === true) {
      throw new BrokerError('ERR_EXCHANGE_IN_USE', [request.exchange])
    }
    this.exchanges.delete(request.exchange)
  }

  async bind(_caller: Caller, binding: Binding, owner?: Owner): Promise<void> {
    await Promise.resolve()
    this.describeExchange(_caller, binding.exchange)
    if (binding.targetKind === 'queue') this.queueFor(binding.target, owner)
    this.bindings.push(binding)
  }

  async unbind(_caller: Caller, binding: Binding): Promise<void> {
    await Promise.resolve()
    const text = JSON.stringify(binding)
    this.bindings = this.bindings.filter((one) => JSON.stringify(one) !== text)
  }

  async declareQueue(
    caller: Caller,
    request: {
      readonly queue: string
      readonly settings: Partial<QueueSettings>
      readonly isExclusive?: boolean
      readonly owner?: Owner | undefined
    },
  ): Promise<QueueDescription> {
    await Promise.resolve()
    const { queue, settings, isExclusive, owner } = request
    const given = Object.entries(settings).filter(([, value]) => value !== undefined)
    const whole: QueueSettings = { ...queueDefaults, ...Object.fromEntries(given) }
    const made = new FakeQueue(queue, whole, isExclusive === true ? owner : undefined)
    this.queues.set(queue, made)
    return made.describe(caller.namespace)
  }

  describeQueue(caller: Caller, queue: string, owner?: Owner): QueueDescription {
    return this.queueFor(queue, owner).describe(caller.namespace)
  }

  async deleteQueue(
    _caller: Caller,
    request: {
      readonly queue: string
      readonly owner?: Owner | undefined
      readonly ifUnused?: boolean
      readonly ifEmpty?: boolean
    },
  ): Promise<{ readonly messageCount: number }> {
    await Promise.resolve()
    if (!this.queues.has(request.queue)) return { messageCount: 0 }
    const queue = this.queueFor(request.queue, request.owner)
    if (request.ifUnused === true && queue.consumers.length > 0) {
      throw new BrokerError('ERR_QUEUE_IN_USE', [request.queue])
    }
    if (request.ifEmpty === true && queue.ready.length > 0) {
      throw new BrokerError('ERR_QUEUE_NOT_EMPTY', [request.queue])
    }
    const messageCount = queue.ready.length
    this.removeQueue(queue)
    return { messageCount }
  }

  async purgeQueue(
    _caller: Caller,
    request: { readonly queue: string; readonly owner?: Owner | undefined },
  ): Promise<{ readonly messageCount: number }> {
    await Promise.resolve()
    const queue = this.queueFor(request.queue, request.owner)
    const messageCount = queue.ready.length
    queue.ready = []
    return { messageCount }
  }

  headersOf(message: QueuedMessage): ReturnType<Messaging['headersOf']> {
    return message.format === propertyFormats.amqp091
      ? toNeutralHeaders(message.properties)
      : this.neutral
  }

  /** What a message of another protocol carries. */
  neutral: ReturnType<Messaging['headersOf']> = []

  listExchanges: Never = notAsked
  listBindings: Never = notAsked
  listQueues: Never = notAsked
  alterQueue: Never = notAsked
  peekQueue: Never = notAsked
  moveMessages: Never = notAsked
  replayQueue: Never = notAsked
}

const isHeaderMatch = ({ headers }: Binding, message: MessageSource): boolean => {
  if (headers === undefined) return false
  const own = message.matchHeaders()
  return Object.entries(headers).every(([name, value]) =>
    value === null ? own.has(name) : own.get(name) === value,
  )
}

/** The engine keeps nothing of a source. */
export const messageOf = (source: MessageSource): QueuedMessage => ({
  exchange: source.exchange,
  routingKey: source.routingKey,
  extraRoutingKeys: source.extraRoutingKeys,
  payload: source.payload.slice(),
  format: source.format,
  properties: source.properties.slice(),
  isPersistent: source.isPersistent,
  priority: source.priority,
  ttlMs: source.ttlMs,
  messageId: source.messageId,
  key: source.key,
  timestampMs: 0,
  deadLetters: undefined,
})
