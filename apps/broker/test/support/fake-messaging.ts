/**
 * `Messaging` in memory for tests of what stands before it: exact routing keys, one order, confirms a
 * turn later, publications that can be refused. The real engine's own tests check the rest.
 */
import { BrokerError, decodeHeaderBlock, type RecordHeader } from '@millrace/codec'
import type {
  Binding,
  Caller,
  ConsumeRequest,
  Consumer,
  ConsumerSink,
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
  QueuedMessage,
  QueueDescription,
  QueueSettings,
  QueueSettingsPatch,
} from '@millrace/core'
import { PUBLISH_BUSY } from '@millrace/core'

const NO_COUNTERS = {
  published: 0,
  delivered: 0,
  redelivered: 0,
  settled: 0,
  deadLettered: 0,
  expired: 0,
  dropped: 0,
}

export class FakeQueue {
  readonly name: string
  readonly ready: Delivery[] = []
  readonly consumers: FakeConsumer[] = []
  readonly settled: Delivery[] = []
  settings: Partial<QueueSettings>
  owner: Owner | undefined
  nextOffset = 0
  inFlightCount = 0

  constructor(name: string, settings: Partial<QueueSettings>, owner?: Owner) {
    this.name = name
    this.settings = settings
    this.owner = owner
  }

  describe(): QueueDescription {
    return {
      namespace: '/',
      queue: this.name,
      settings: this.settings as QueueSettings,
      isExclusive: this.owner !== undefined,
      readyCount: this.ready.length,
      delayedCount: 0,
      readyBytes: this.ready.reduce((sum, { message }) => sum + message.payload.length, 0),
      inFlightCount: this.inFlightCount,
      consumerCount: this.consumers.length,
      counters: NO_COUNTERS,
    }
  }

  push(message: QueuedMessage): void {
    const offset = this.nextOffset++
    this.ready.push({
      queue: this.name,
      message,
      offset,
      isRedelivered: false,
      deliveryCount: 0,
    })
    this.pump()
  }

  /** Never inside the call that made it possible. */
  pump(): void {
    setImmediate(() => {
      for (const consumer of this.consumers) consumer.pump()
    })
  }

  putBack(delivery: Delivery): void {
    const back = { ...delivery, isRedelivered: true, deliveryCount: delivery.deliveryCount + 1 }
    this.ready.push(back)
    this.ready.sort((left, right) => left.offset - right.offset)
    this.pump()
  }
}

export class FakeConsumer implements Consumer {
  readonly request: ConsumeRequest
  readonly sink: ConsumerSink
  readonly #queue: FakeQueue
  readonly #session: FakeSession
  inFlightCountMax: number
  isPaused = false
  pauseCount = 0

  constructor(request: ConsumeRequest, sink: ConsumerSink, queue: FakeQueue, session: FakeSession) {
    this.request = request
    this.sink = sink
    this.#queue = queue
    this.#session = session
    this.inFlightCountMax = request.inFlightCountMax
  }

  pump(): void {
    while (!this.isPaused && this.#queue.consumers.includes(this)) {
      const isFull = this.#session.countOf(this.#queue.name) >= this.inFlightCountMax
      if (isFull && !this.request.isAutoSettled) return
      const delivery = this.#queue.ready.shift()
      if (delivery === undefined) return
      if (!this.request.isAutoSettled) this.#session.hold(delivery)
      this.sink.deliver(delivery)
    }
  }

  setInFlightCountMax(count: number): void {
    this.inFlightCountMax = count
    this.#queue.pump()
  }

  pause(): void {
    this.isPaused = true
    this.pauseCount += 1
  }

  resume(): void {
    this.isPaused = false
    this.#queue.pump()
  }

  cancel(): void {
    const at = this.#queue.consumers.indexOf(this)
    if (at >= 0) this.#queue.consumers.splice(at, 1)
  }
}

const keep = (source: MessageSource): QueuedMessage => ({
  exchange: source.exchange,
  routingKey: source.routingKey,
  extraRoutingKeys: source.extraRoutingKeys,
  payload: new Uint8Array(source.payload),
  format: source.format,
  properties: new Uint8Array(source.properties),
  isPersistent: source.isPersistent,
  priority: source.priority,
  ttlMs: source.ttlMs,
  messageId: source.messageId,
  key: source.key === undefined ? undefined : new Uint8Array(source.key),
  timestampMs: 1_700_000_000_000,
  deadLetters: undefined,
})

export class FakeSession implements MessagingSession {
  readonly options: MessagingSessionOptions
  readonly #messaging: FakeMessaging
  readonly #inFlight = new Set<Delivery>()
  readonly consumers: FakeConsumer[] = []
  readonly published: QueuedMessage[] = []
  readonly matched: ReadonlyMap<string, string>[] = []
  isClosed = false
  /** Messages it takes until it is busy. */
  room = Infinity
  /** True: confirms wait for `confirm`. */
  holdsConfirms = false
  #confirmCount = 0
  #confirmedCount = 0

  constructor(options: MessagingSessionOptions, messaging: FakeMessaging) {
    this.options = options
    this.#messaging = messaging
  }

  countOf(queue: string): number {
    return [...this.#inFlight].filter((delivery) => delivery.queue === queue).length
  }

  hold(delivery: Delivery): void {
    this.#inFlight.add(delivery)
    this.#messaging.queue(delivery.queue).inFlightCount += 1
  }

  publish(source: MessageSource, wantsConfirm: boolean): number {
    if (this.room === 0) return PUBLISH_BUSY
    const targets = this.#route(source)
    this.room -= 1
    if (!wantsConfirm) return targets
    this.#confirmCount += 1
    if (!this.holdsConfirms) setImmediate(() => this.confirm())
    return targets
  }

  /** All that wait, or so many of them. */
  confirm(count: number = this.#confirmCount - this.#confirmedCount, error?: BrokerError): void {
    if (count === 0 || this.isClosed) return
    const from = this.#confirmedCount + 1
    this.#confirmedCount += count
    this.options.onConfirms(from, this.#confirmedCount, error)
  }

  makeRoom(count: number): void {
    this.room = count
    this.options.onWritable()
  }

  createPool(): CreditPool {
    throw new Error('nobody asked for one')
  }

  consume(request: ConsumeRequest, sink: ConsumerSink): Consumer {
    const queue = this.#messaging.queue(request.queue, request.owner)
    if (request.isExclusive && queue.consumers.length > 0)
      throw new BrokerError('ERR_QUEUE_IN_USE', [request.queue])
    const consumer = new FakeConsumer(request, sink, queue, this)
    queue.consumers.push(consumer)
    this.consumers.push(consumer)
    queue.pump()
    return consumer
  }

  async get(request: {
    queue: string
    owner: Owner | undefined
    isAutoSettled: boolean
  }): Promise<{ delivery: Delivery; readyCount: number } | undefined> {
    const queue = this.#messaging.queue(request.queue, request.owner)
    await new Promise<void>((resolve) => setImmediate(resolve))
    const delivery = queue.ready.shift()
    if (delivery === undefined) return undefined
    if (!request.isAutoSettled) this.hold(delivery)
    return { delivery, readyCount: queue.ready.length }
  }

  settle(deliveries: readonly Delivery[], outcome: Outcome): void {
    for (const delivery of deliveries) {
      if (!this.#inFlight.delete(delivery))
        throw new BrokerError('ERR_UNKNOWN_DELIVERY', [delivery.offset])
      const queue = this.#messaging.queue(delivery.queue)
      queue.inFlightCount -= 1
      if (outcome === 'requeue') queue.putBack(delivery)
      else queue.settled.push(delivery)
      queue.pump()
    }
    this.#messaging.settlements.push(`${outcome} ${deliveries.map(({ offset }) => offset)}`)
  }

  async flushSettlements(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#messaging.settlements.push('flushed')
  }

  async commit(
    messages: readonly MessageSource[],
    settlements: readonly { deliveries: readonly Delivery[]; outcome: Outcome }[],
  ): Promise<readonly number[]> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    for (const { exchange } of messages) this.#messaging.checkExchange(exchange)
    for (const { deliveries, outcome } of settlements) this.settle(deliveries, outcome)
    return messages.map((message) => this.#route(message))
  }

  renew(): void {
    this.#messaging.renewals += 1
  }

  close(): void {
    this.isClosed = true
    for (const consumer of this.consumers) consumer.cancel()
    for (const delivery of this.#inFlight) this.#messaging.queue(delivery.queue).putBack(delivery)
    this.#inFlight.clear()
  }

  #route(source: MessageSource): number {
    this.#messaging.checkExchange(source.exchange)
    const message = keep(source)
    this.published.push(message)
    this.matched.push(source.matchHeaders())
    const queues = this.#messaging.targetsOf(message)
    for (const queue of queues) queue.push(message)
    return queues.length
  }
}

export class FakeMessaging implements Messaging {
  readonly queues = new Map<string, FakeQueue>()
  readonly exchanges = new Map<string, Partial<ExchangeSettings>>()
  readonly bindings: Binding[] = []
  readonly sessions: FakeSession[] = []
  /** What was settled, in order: the outcome and the offsets. */
  readonly settlements: string[] = []
  readonly calls: unknown[] = []
  ownerCount = 0
  renewals = 0

  get session(): FakeSession {
    return this.sessions.at(-1) as FakeSession
  }

  queue(name: string, owner?: Owner): FakeQueue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [name])
    if (queue.owner !== undefined && owner !== undefined && queue.owner !== owner)
      throw new BrokerError('ERR_QUEUE_LOCKED', [name])
    return queue
  }

  addQueue(name: string): FakeQueue {
    const queue = new FakeQueue(name, {})
    this.queues.set(name, queue)
    return queue
  }

  checkExchange(name: string): void {
    if (name !== '' && !this.exchanges.has(name))
      throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [name])
  }

  targetsOf({ exchange, routingKey }: QueuedMessage): FakeQueue[] {
    if (exchange === '') return [...this.queues.values()].filter(({ name }) => name === routingKey)
    const bound = this.bindings.filter(
      (binding) => binding.exchange === exchange && binding.routingKey === routingKey,
    )
    return bound.map(({ target }) => this.queue(target))
  }

  openOwner(): Owner {
    const owner: Owner = {
      id: ++this.ownerCount,
      close: () => {
        for (const [name, queue] of this.queues) if (queue.owner === owner) this.queues.delete(name)
      },
    }
    return owner
  }

  openSession(options: MessagingSessionOptions): MessagingSession {
    const session = new FakeSession(options, this)
    this.sessions.push(session)
    return session
  }

  declareExchange(
    _caller: Caller,
    request: { exchange: string; settings: Partial<ExchangeSettings> },
  ): Promise<ExchangeDescription> {
    this.exchanges.set(request.exchange, request.settings)
    return Promise.resolve(this.describeExchange(_caller, request.exchange))
  }

  describeExchange(_caller: Caller, exchange: string): ExchangeDescription {
    const settings = this.exchanges.get(exchange) as ExchangeSettings | undefined
    if (settings === undefined) throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [exchange])
    const bindingCount = this.bindings.filter((binding) => binding.exchange === exchange).length
    return {
      namespace: '/',
      exchange,
      settings,
      isPredeclared: false,
      bindingCount,
      keptCount: undefined,
    }
  }

  listExchanges(caller: Caller): readonly ExchangeDescription[] {
    return [...this.exchanges.keys()].map((exchange) => this.describeExchange(caller, exchange))
  }

  deleteExchange(_caller: Caller, request: { exchange: string }): Promise<void> {
    this.calls.push(['deleteExchange', request])
    this.exchanges.delete(request.exchange)
    return Promise.resolve()
  }

  bind(_caller: Caller, binding: Binding): Promise<void> {
    this.bindings.push(binding)
    return Promise.resolve()
  }

  unbind(_caller: Caller, binding: Binding): Promise<void> {
    this.calls.push(['unbind', binding])
    return Promise.resolve()
  }

  listBindings(_caller: Caller, filter: object = {}): readonly Binding[] {
    const entries = Object.entries(filter)
    return this.bindings.filter((binding) =>
      entries.every(([name, value]) => binding[name as keyof Binding] === value),
    )
  }

  declareQueue(
    _caller: Caller,
    request: {
      queue: string
      settings: Partial<QueueSettings>
      isExclusive?: boolean
      owner?: Owner | undefined
    },
  ): Promise<QueueDescription> {
    const { queue: name, settings, isExclusive, owner } = request
    const known = this.queues.get(name)
    const queue = known ?? new FakeQueue(name, settings, isExclusive === true ? owner : undefined)
    this.queues.set(name, queue)
    return Promise.resolve(queue.describe())
  }

  describeQueue(_caller: Caller, queue: string, owner?: Owner): QueueDescription {
    return this.queue(queue, owner).describe()
  }

  listQueues(_caller: Caller, { prefix = '' }: { prefix?: string } = {}): QueueDescription[] {
    const found = [...this.queues.values()].filter(({ name }) => name.startsWith(prefix))
    return found.map((queue) => queue.describe())
  }

  alterQueue(
    _caller: Caller,
    request: { queue: string; settings: QueueSettingsPatch },
  ): Promise<QueueDescription> {
    this.calls.push(['alterQueue', request])
    return Promise.resolve(this.queue(request.queue).describe())
  }

  deleteQueue(
    _caller: Caller,
    request: { queue: string; ifUnused?: boolean; ifEmpty?: boolean },
  ): Promise<{ messageCount: number }> {
    const queue = this.queues.get(request.queue)
    this.calls.push(['deleteQueue', request.queue, request.ifUnused, request.ifEmpty])
    this.queues.delete(request.queue)
    for (const consumer of queue?.consumers.splice(0) ?? [])
      consumer.sink.end(new BrokerError('ERR_QUEUE_DELETED', [request.queue]))
    return Promise.resolve({ messageCount: queue?.ready.length ?? 0 })
  }

  purgeQueue(_caller: Caller, { queue }: { queue: string }): Promise<{ messageCount: number }> {
    return Promise.resolve({ messageCount: this.queue(queue).ready.splice(0).length })
  }

  peekQueue(
    _caller: Caller,
    { queue, count }: { queue: string; count: number },
  ): Promise<readonly Delivery[]> {
    return Promise.resolve(this.queue(queue).ready.slice(0, count))
  }

  moveMessages(_caller: Caller, request: object): Promise<{ messageCount: number }> {
    this.calls.push(['moveMessages', request])
    return Promise.resolve({ messageCount: 3 })
  }

  replayQueue(_caller: Caller, request: object): Promise<{ messageCount: number }> {
    this.calls.push(['replayQueue', request])
    return Promise.resolve({ messageCount: 4 })
  }

  headersOf(message: QueuedMessage): readonly RecordHeader[] {
    return decodeHeaderBlock(message.properties)
  }
}
