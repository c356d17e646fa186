/** Exchanges, bindings and queues of one broker. The composition of everything in this directory. */
import {
  BrokerError,
  isBrokerError,
  type BatchCompression,
  type RecordHeader,
} from '@millrace/codec'
import type { Compactor } from '../compaction/compactor.ts'
import type {
  Binding,
  Delivery,
  ExchangeDescription,
  ExchangeSettings,
  Messaging,
  MessagingSessionOptions,
  Owner,
  PropertyFormat,
  QueueDescription,
  QueuedMessage,
  QueueSettingsPatch,
  TargetKind,
} from '../engine/messaging.ts'
import type { Caller, QueueTotals, StorageOptions } from '../engine/operations.ts'
import type { Environment } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { LogStore } from '../log/store.ts'
import type { MetadataStore } from '../meta/metadata-store.ts'
import { ExchangeRegistry } from '../routing/exchange-registry.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import type { TopicRegistry } from '../topic/topic-registry.ts'
import { createStream } from './create-stream.ts'
import { DeadLetters } from './dead-letters.ts'
import { DelayedQueues } from './delayed-queues.ts'
import { DispatchSchedule } from './dispatch-schedule.ts'
import { LaneMaker } from './lane-maker.ts'
import { LedgerSchedule } from './ledger-schedule.ts'
import { DROP_RETRY_MS, READY_BYTES_TOTAL_MAX } from './limits.ts'
import { checkOwned, LocalOwner } from './local-owner.ts'
import { MemoryBudget } from './memory-budget.ts'
import { MessageHeaders } from './message-headers.ts'
import { LocalMessagingSession, type MessagingAccess } from './messaging-session.ts'
import { moveMessages } from './move-messages.ts'
import { BatchGatherer } from './open-batch.ts'
import { Publisher, type Routes } from './publisher.ts'
import { QueueChecks } from './queue-checks.ts'
import { waitingCountOf } from './queue-description.ts'
import { QueueReclaimer } from './queue-reclaimer.ts'
import { QueueRegistry } from './queue-registry.ts'
import { QueueTrimmer } from './queue-trimmer.ts'
import type { QueueParts } from './queue-parts.ts'
import type { Queue } from './queue.ts'
import { totalsOf } from './queue-counts.ts'
import { replayQueue } from './replay-queue.ts'
import { ReadyBudget } from './ready-budget.ts'
import { SpillLogs } from './spill-logs.ts'
import { SteadyClock } from './steady-clock.ts'
import { TopicTargets } from './topic-targets.ts'
import { Transactions } from './transactions.ts'
import { Waiting } from './waiting-gets.ts'

export interface MessagingParts {
  readonly environment: Environment
  readonly store: LogStore
  readonly metadata: MetadataStore
  readonly topics: TopicRegistry
  readonly compression: BatchCompression | undefined
  readonly propertyFormats: ReadonlyMap<number, PropertyFormat> | undefined
  readonly storage: StorageOptions
}

export class LocalMessaging implements Messaging {
  readonly #parts: MessagingParts
  readonly #clock: SteadyClock
  readonly #ledgers: LedgerSchedule
  readonly #schedule: DispatchSchedule
  readonly #gatherer: BatchGatherer
  readonly #headers: MessageHeaders
  readonly #publisher: Publisher
  readonly #deadLetters: DeadLetters
  readonly #transactions: Transactions
  readonly #gets: Waiting
  readonly #targets: TopicTargets
  readonly #trimmer: QueueTrimmer
  readonly #reclaimer: QueueReclaimer
  readonly #checks: QueueChecks
  readonly #routes: Routes
  readonly #maker: LaneMaker
  readonly queues: QueueRegistry
  readonly delayed: DelayedQueues
  #exchanges: ExchangeRegistry | undefined
  readonly #sessions = new Set<LocalMessagingSession>()
  readonly #memory: MemoryBudget
  readonly #spills: SpillLogs
  #ownerCount = 0
  #isClosed = false

  constructor(parts: MessagingParts) {
    this.#parts = parts
    const { environment, store, metadata, topics } = parts
    const { timers, log } = environment
    this.#memory = new MemoryBudget(parts.storage.memoryQueueBytesMax)
    const { queueSegmentBytes: segmentBytes } = parts.storage
    this.#spills = new SpillLogs({ store, metadata, log, segmentBytes })
    const clock = (this.#clock = new SteadyClock(environment.clock))
    this.#ledgers = new LedgerSchedule(environment)
    this.#schedule = new DispatchSchedule(timers)
    this.#gatherer = new BatchGatherer(environment, store, this.#ledgers)
    this.#headers = new MessageHeaders(parts.propertyFormats)
    this.#gets = new Waiting(timers)
    this.#targets = new TopicTargets()
    topics.forget = (topic) =>
      this.exchanges.forgetTarget(topic.definition.namespace, this.#targets.of(topic))
    this.#trimmer = new QueueTrimmer(environment, store, this.#clock, parts.storage)
    this.#reclaimer = new QueueReclaimer({ store, log, clock, queues: () => this.#allQueues() })
    this.#maker = this.#createMaker()
    this.queues = new QueueRegistry({
      environment,
      store,
      metadata,
      maker: this.#maker,
      deleteGraceMs: parts.storage.deleteGraceMs,
      hasNamespace: (namespace) => topics.hasNamespace(namespace),
      forget: (namespace, target) => this.exchanges.forgetTarget(namespace, target),
    })
    this.#checks = new QueueChecks({
      timers,
      clock,
      trimmer: this.#trimmer,
      queues: () => this.queues.all(),
      sessions: () => this.#sessions,
    })
    const routes: Routes = {
      find: (namespace, name) => this.exchanges.find(namespace, name),
      route: (namespace, exchange, message, visit) =>
        this.exchanges.table(namespace).route(exchange, message, visit),
    }
    this.#routes = routes
    this.#publisher = new Publisher(routes, this.#gatherer, this.#clock)
    this.#deadLetters = new DeadLetters({
      routes,
      publisher: this.#publisher,
      headers: this.#headers,
      clock: this.#clock,
      timers,
      log,
    })
    this.#publisher.onRejected = (queue, message) => this.#deadLetters.takeRefused(queue, message)
    this.#transactions = new Transactions({
      store,
      gatherer: this.#gatherer,
      clock: this.#clock,
      ledgerOf: (lane) => lane.home.ledgerLog,
    })
    this.delayed = this.#createDelayed()
  }

  get exchanges(): ExchangeRegistry {
    if (this.#exchanges === undefined) throw new BrokerError('ERR_INTERNAL')
    return this.#exchanges
  }

  /** Queues first: bindings lead to them. */
  async open(): Promise<void> {
    const { environment, metadata } = this.#parts
    this.#spills.open()
    await this.queues.open()
    await this.delayed.open()
    this.#exchanges = new ExchangeRegistry({
      environment,
      metadata,
      resolve: (namespace, kind, name) => this.#resolve(namespace, kind, name),
      queueNames: (namespace) => this.queues.namesIn(namespace),
      keeping: this.delayed,
    })
    await this.#exchanges.completeKeeping()
    this.queues.start()
    await this.delayed.start((namespace, name) => this.exchanges.find(namespace, name))
    this.#checks.arm()
  }

  openOwner(): Owner {
    return new LocalOwner(++this.#ownerCount, (queue) => this.#drop(queue))
  }

  openSession(options: MessagingSessionOptions, access?: MessagingAccess): LocalMessagingSession {
    this.#checkOpen()
    const { environment, store } = this.#parts
    const session = new LocalMessagingSession(
      {
        environment,
        store,
        routes: this.#routes,
        publisher: this.#publisher,
        queues: this.queues,
        transactions: this.#transactions,
        gets: this.#gets,
        flushSettlements: () => this.#flushSettlements(),
        closed: (closed) => void this.#sessions.delete(closed),
      },
      options,
      access,
    )
    this.#sessions.add(session)
    return session
  }

  async declareExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly settings: Partial<ExchangeSettings> },
  ): Promise<ExchangeDescription> {
    this.#checkOpen()
    const { namespace } = caller
    const exchange = await this.exchanges.declare(namespace, request.exchange, request.settings)
    return this.exchanges.describe(namespace, exchange)
  }

  describeExchange(caller: Caller, exchange: string): ExchangeDescription {
    const { namespace } = caller
    return this.exchanges.describe(namespace, this.exchanges.get(namespace, exchange))
  }

  listExchanges(caller: Caller): readonly ExchangeDescription[] {
    const { namespace } = caller
    return this.exchanges
      .list(namespace)
      .map((exchange) => this.exchanges.describe(namespace, exchange))
  }

  async deleteExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly ifUnused?: boolean },
  ): Promise<void> {
    this.#checkOpen()
    await this.exchanges.delete(caller.namespace, request.exchange, request.ifUnused)
  }

  async bind(caller: Caller, binding: Binding, owner?: Owner): Promise<void> {
    this.#checkOpen()
    const admit = (target: RouteTarget): void => checkOwned(target, owner)
    await this.exchanges.bind(caller.namespace, binding, admit)
  }

  async unbind(caller: Caller, binding: Binding, owner?: Owner): Promise<void> {
    this.#checkOpen()
    const admit = (target: RouteTarget): void => checkOwned(target, owner)
    await this.exchanges.unbind(caller.namespace, binding, admit)
  }

  listBindings(
    caller: Caller,
    filter?: {
      readonly exchange?: string
      readonly target?: string
      readonly targetKind?: TargetKind
    },
  ): readonly Binding[] {
    return this.exchanges.listBindings(caller.namespace, filter)
  }

  async declareQueue(
    caller: Caller,
    request: Parameters<Messaging['declareQueue']>[1],
  ): Promise<QueueDescription> {
    this.#checkOpen()
    const { namespace } = caller
    const { queue: name, settings, owner, isExclusive = false } = request
    if (settings.isStream === true)
      await createStream(this.#parts.topics, namespace, name, settings)
    const queue = await this.queues.declare({ namespace, name, settings, isExclusive, owner })
    // When the connection has ended meanwhile nobody else would ever remove it.
    if (queue.owner instanceof LocalOwner && !queue.owner.own(queue)) this.#drop(queue)
    this.#checks.arm([queue])
    return queue.describe()
  }

  describeQueue(caller: Caller, queue: string, owner?: Owner): QueueDescription {
    const found = this.queues.get(caller.namespace, queue, owner)
    found.used()
    return found.describe()
  }

  listQueues(
    caller: Caller,
    options: { readonly prefix?: string } = {},
  ): readonly QueueDescription[] {
    const queues = this.queues.list(caller.namespace, options.prefix ?? '')
    return queues.map((queue) => queue.describe())
  }

  async alterQueue(
    caller: Caller,
    request: { readonly queue: string; readonly settings: QueueSettingsPatch },
  ): Promise<QueueDescription> {
    this.#checkOpen()
    const queue = this.queues.get(caller.namespace, request.queue, undefined)
    await this.queues.alter(queue, request.settings)
    this.#checks.arm([queue])
    return queue.describe()
  }

  async deleteQueue(
    caller: Caller,
    request: Parameters<Messaging['deleteQueue']>[1],
  ): Promise<{ readonly messageCount: number }> {
    this.#checkOpen()
    const { queue: name, owner, ifUnused, ifEmpty } = request
    if (this.queues.find(caller.namespace, name) === undefined) return { messageCount: 0 }
    const { namespace } = caller
    const queue = this.queues.get(namespace, name, owner)
    const messageCount = await this.queues.delete(queue, (found) => {
      if (ifUnused === true && found.isConsumed) throw new BrokerError('ERR_QUEUE_IN_USE', [name])
      if (ifEmpty === true && waitingCountOf(found) > 0)
        throw new BrokerError('ERR_QUEUE_NOT_EMPTY', [name])
    })
    const { topics } = this.#parts
    if (queue.settings.isStream && topics.find(namespace, name) !== undefined)
      await topics.delete({ namespace, name, revision: undefined })
    return { messageCount }
  }

  async purgeQueue(
    caller: Caller,
    request: { readonly queue: string; readonly owner?: Owner | undefined },
  ): Promise<{ readonly messageCount: number }> {
    this.#checkOpen()
    const queue = this.queues.get(caller.namespace, request.queue, request.owner)
    const messageCount = queue.purge()
    await queue.ledgerLog?.flushed()
    return { messageCount }
  }

  async peekQueue(
    caller: Caller,
    request: { readonly queue: string; readonly count: number },
  ): Promise<readonly Delivery[]> {
    const queue = this.queues.get(caller.namespace, request.queue, undefined)
    const found: Delivery[] = []
    for (const lane of [...queue.lanes].reverse()) {
      if (found.length >= request.count) break
      // What waits aside for its key is in no lane.
      queue.unholdAll()
      queue.wake()
      found.push(...(await lane.peek(request.count - found.length)))
    }
    return found
  }

  async moveMessages(
    caller: Caller,
    request: Parameters<Messaging['moveMessages']>[1],
  ): Promise<{ readonly messageCount: number }> {
    this.#checkOpen()
    const { exchange, routingKey, count = Infinity } = request
    const queue = this.queues.get(caller.namespace, request.queue, undefined)
    this.exchanges.get(caller.namespace, exchange)
    const parts = { deadLetters: this.#deadLetters, gets: this.#gets }
    const messageCount = await moveMessages(queue, { exchange, routingKey, count }, parts)
    await queue.ledgerLog?.flushed()
    return { messageCount }
  }

  async replayQueue(
    caller: Caller,
    request: { readonly queue: string; readonly sinceMs: number },
  ): Promise<{ readonly messageCount: number }> {
    this.#checkOpen()
    const queue = this.queues.get(caller.namespace, request.queue, undefined)
    const parts = { store: this.#parts.store, sessions: () => this.#sessions }
    return { messageCount: await replayQueue(queue, request.sinceMs, parts) }
  }

  headersOf(message: QueuedMessage): readonly RecordHeader[] {
    return this.#headers.of(message)
  }

  /** Every queue, for the operator. */
  *inspect(): Iterable<QueueDescription> {
    for (const queue of this.queues.all()) yield queue.describe()
  }

  totals(): QueueTotals {
    return totalsOf(this.queues.all())
  }

  /** Settled messages give their room back. Answers whether that waits for a checkpoint. */
  reclaim(compactor: Compactor): Promise<boolean> {
    return this.#reclaimer.run(compactor)
  }

  /** The store has room again. */
  resumeSessions(): void {
    for (const session of this.#sessions) session.resume()
  }

  /** Everything gathered and settled is submitted; nothing is handed over any more. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#checks.close()
    this.#reclaimer.close()
    this.#schedule.close()
    for (const session of [...this.#sessions]) session.close()
    this.#gatherer.sealAll()
    this.#ledgers.close()
    this.queues.close()
    this.delayed.close()
    this.#gets.close()
  }

  #createDelayed(): DelayedQueues {
    const { environment, store, metadata, storage } = this.#parts
    const { clock, timers, log } = environment
    return new DelayedQueues({
      store,
      routes: this.#routes,
      publisher: this.#publisher,
      transactions: this.#transactions,
      headers: this.#headers,
      clock: this.#clock,
      timers,
      log,
      metadata,
      queues: this.queues,
      maker: this.#maker,
      keptCountMax: storage.keptCountMax,
      nowMs: () => clock.now(),
    })
  }

  #createMaker(): LaneMaker {
    const { environment, store, topics, compression } = this.#parts
    const { timers, log } = environment
    const queues: QueueParts = {
      clock: this.#clock,
      timers,
      log,
      schedule: this.#schedule,
      deadLetters: { take: (queue, entry, reason) => this.#deadLetters.take(queue, entry, reason) },
      unused: (queue) => this.#drop(queue, true),
      woken: (queue) => this.#gets.woken(queue),
      floorMoved: (queue) => this.#trimmer.check(queue),
    }
    return new LaneMaker({
      environment,
      store,
      topics,
      targets: this.#targets,
      schedule: this.#ledgers,
      memory: this.#memory,
      spill: { environment, store, logs: this.#spills },
      segmentBytes: this.#parts.storage.queueSegmentBytes,
      sizes: this.#parts.storage,
      lanes: { store, log, timers, budget: new ReadyBudget(READY_BYTES_TOTAL_MAX), compression },
      queues,
      orphaned: (queue) => this.#drop(queue),
    })
  }

  #resolve(namespace: string, kind: TargetKind, name: string): RouteTarget | undefined {
    if (kind === 'queue') {
      const queue = this.queues.find(namespace, name)
      return queue === undefined ? undefined : this.#maker.targetOf(queue)
    }
    const topic = this.#parts.topics.find(namespace, name)
    return topic === undefined ? undefined : this.#targets.of(topic)
  }

  /** With what nobody sees. */
  *#allQueues(): Iterable<Queue> {
    yield* this.queues.all()
    yield* this.delayed.all()
  }

  async #flushSettlements(): Promise<void> {
    const waiting: Promise<void>[] = []
    for (const { ledgerLog } of this.#allQueues())
      if (ledgerLog?.isBusy === true) waiting.push(ledgerLog.flushed())
    await Promise.all(waiting)
  }

  /** Nobody waits for it, and nobody is told. One that found a consumer again meanwhile stays. */
  #drop(queue: Queue, isUnused = false): void {
    if (this.#isClosed) return
    const check = ({ name, consumers }: Queue): void => {
      if (isUnused && consumers.size > 0) throw new BrokerError('ERR_QUEUE_IN_USE', [name])
    }
    this.queues.delete(queue, check).catch((error: unknown) => {
      if (isBrokerError(error) && error.code === 'ERR_QUEUE_IN_USE') return
      const fields = { queue: queue.name, error: describeError(error) }
      const { log, timers } = this.#parts.environment
      log.warn('a queue that nobody uses stays for now', fields)
      if (isBrokerError(error) && error.retriable)
        timers.after(DROP_RETRY_MS, () => this.#drop(queue, isUnused))
    })
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the broker'])
  }
}
