/**
 * All that the simulator knows of exchanges and queues, across the processes of a world: what was
 * published and where it went, transactions, definitions. The oracle; it shares nothing with the
 * engine but the words of the façade.
 */
import type { BrokerError } from '@millrace/codec'
import type { Outcome } from '@millrace/core'
import type { Simulation } from '../simulation.ts'
import { Definitions, type Route } from './definitions.ts'
import type { ModelTransaction } from './model-transaction.ts'
import type { Place } from './place.ts'
import type { QueueModel } from './queue-model.ts'
import type { SentMessage } from './sent-message.ts'
import { DEAD_QUEUE, ONCE_QUEUE } from './topology.ts'

/** The broker has said no, and nothing of it may be in a queue. */
const REFUSALS: readonly string[] = [
  'ERR_STORAGE_FULL',
  'ERR_LIMIT_EXCEEDED',
  'ERR_INVALID_ARGUMENT',
]

export type MessagePlan = Omit<
  SentMessage,
  | 'number'
  | 'sequence'
  | 'messageId'
  | 'askedAtMs'
  | 'isSentAgain'
  | 'sentAtMs'
  | 'life'
  | 'state'
  | 'unit'
>

export class QueueWorld {
  readonly #simulation: Simulation
  readonly definitions = new Definitions()
  readonly sent = new Map<number, SentMessage>()
  /** Those whose outcome nobody heard before their process was gone. */
  unheard: SentMessage[] = []
  readonly openTransactions = new Set<ModelTransaction>()
  unheardTransactions: ModelTransaction[] = []
  readonly #sequences = new Map<number, number>()
  #transactionCount = 0
  /** Of processes, the one that lives included. */
  lifeCount = 0
  startedAtMs = 0
  /** It has ended in peace: all that it knew is durable. */
  isClosed = false
  /** It was told to end in peace: sessions end first, and what they hold is returned. */
  isClosing = false

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  /** Damage may have taken anything: nothing more is known. */
  get isForgiven(): boolean {
    return this.#simulation.damage.mayDefinitionsBeLost
  }

  get dead(): QueueModel | undefined {
    return this.definitions.queues.get(DEAD_QUEUE)?.queue
  }

  queues(): QueueModel[] {
    return [...this.definitions.queues.values()].map(({ queue }) => queue)
  }

  begin(): void {
    this.lifeCount++
    this.startedAtMs = this.#simulation.world.clock.monotonic()
  }

  /** A disk that could not be read kept the process from its ids: it knows none of before. */
  forgetIds(): void {
    for (const queue of this.queues())
      for (const stay of queue.stays.values()) stay.mayRepeat ||= stay.sent.messageId !== undefined
  }

  /** A message that is about to be published, and where it goes by the bindings of this moment. */
  invoke(plan: MessagePlan): { sent: SentMessage; route: Route } {
    const sequence = this.#sequences.get(plan.publisher) ?? 0
    this.#sequences.set(plan.publisher, sequence + 1)
    const number = this.sent.size + 1
    const isOnce = plan.exchange === '' && plan.routingKey === ONCE_QUEUE
    const sent: SentMessage = {
      ...plan,
      number,
      sequence,
      messageId: isOnce ? String(number) : undefined,
      isSentAgain: false,
      sentAtMs: this.#simulation.world.clock.monotonic(),
      askedAtMs: this.#simulation.world.clock.monotonic(),
      life: this.lifeCount,
      state: 'pending',
      unit: [],
    }
    this.sent.set(sent.number, sent)
    const route = this.definitions.route(plan.exchange, plan.routingKey)
    sent.unit = [...route.certain].filter((queue) => queue.isDurable && !queue.isView)
    for (const queue of [...route.certain, ...route.possible]) queue.expect(sent)
    return { sent, route }
  }

  /** The same message once more: wherever it is stored already, it must not be stored again. */
  invokeAgain(sent: SentMessage): Route {
    const route = this.definitions.route(sent.exchange, sent.routingKey)
    sent.isSentAgain = true
    for (const queue of [...route.certain, ...route.possible]) {
      const stay = queue.expect(sent)
      stay.isRefused = false
      if (stay.places.size === 0) stay.isGone = false
    }
    this.#noteForgotten(sent, route)
    return route
  }

  /** It was not taken at once: it goes where bindings lead by then, and lives from then on. */
  routeAgain(sent: SentMessage, route: Route): void {
    if (sent.isSentAgain) this.#noteForgotten(sent, route)
    sent.sentAtMs = this.#simulation.world.clock.monotonic()
    const { certain, possible } = this.definitions.route(sent.exchange, sent.routingKey)
    const isSame = certain.size === route.certain.size && possible.size === 0
    if (isSame && [...certain].every((queue) => route.certain.has(queue))) return
    for (const queue of [...certain, ...possible]) queue.expect(sent)
    for (const queue of [...route.certain]) {
      if (certain.has(queue)) continue
      route.certain.delete(queue)
      route.possible.add(queue)
    }
    sent.unit = []
    route.isUnsure = true
  }

  /** Its confirm, or an error of the call. */
  settle(sent: SentMessage, route: Route, error: BrokerError | undefined): void {
    if (error === undefined) {
      sent.state = 'confirmed'
      for (const queue of route.certain) queue.expect(sent).isSure = true
      return
    }
    // What came before may be stored, whatever became of this time.
    if (sent.isSentAgain) return
    const isRefused = REFUSALS.includes(error.code) && route.topicCount === 0 && !route.isUnsure
    sent.state = isRefused ? 'refused' : 'unknown'
    if (!isRefused) return
    // What is in memory shows at once, whatever becomes of the rest.
    for (const queue of route.certain) if (queue.isDurable) this.#refuse(queue, sent)
  }

  /** A transaction did nothing. */
  refuseAll(messages: readonly SentMessage[]): void {
    for (const sent of messages) {
      sent.state = 'refused'
      for (const queue of this.queues()) if (queue.stays.has(sent.number)) this.#refuse(queue, sent)
    }
  }

  beginTransaction(
    messages: readonly SentMessage[],
    places: readonly Place[],
    outcome: Outcome,
  ): ModelTransaction {
    const transaction = { number: ++this.#transactionCount, messages, places, outcome }
    this.openTransactions.add(transaction)
    for (const place of places) {
      place.state = 'locked'
      place.transaction = transaction
    }
    return transaction
  }

  endTransaction(transaction: ModelTransaction): void {
    this.openTransactions.delete(transaction)
    for (const place of transaction.places) place.transaction = undefined
  }

  /** Places whose settlement is not known to be durable, and counts that are not. */
  unsettledSurely(): Place[] {
    const places: Place[] = []
    for (const queue of this.queues())
      for (const place of queue.places())
        if (place.state === 'settled' || place.countMin > place.countSure) places.push(place)
    return places
  }

  /** The process is gone. */
  crash(): void {
    const { coverage } = this.#simulation
    const { isClosed } = this
    this.isClosed = false
    if (this.isClosing) for (const queue of this.queues()) queue.endSessions()
    this.isClosing = false
    coverage.add('transaction cut by a crash', this.openTransactions.size)
    this.unheardTransactions.push(...this.openTransactions)
    this.openTransactions.clear()
    for (const sent of this.sent.values()) {
      if (sent.state !== 'pending') continue
      sent.state = 'unknown'
      this.unheard.push(sent)
    }
    for (const queue of this.queues()) queue.crash(isClosed)
  }

  /** A window that has ended takes it for another message. */
  #noteForgotten(sent: SentMessage, { certain, possible }: Route): void {
    const ageMs = this.#simulation.world.clock.monotonic() - sent.askedAtMs
    for (const queue of [...certain, ...possible])
      if (queue.hasForgotten(ageMs, sent.life === this.lifeCount))
        queue.expect(sent).mayRepeat = true
  }

  #refuse(queue: QueueModel, sent: SentMessage): void {
    const stay = queue.expect(sent)
    if (stay.places.size > 0)
      this.#simulation.violate(
        'I2',
        `${queue.name}: message ${sent.number} was refused, and was there`,
      )
    stay.isRefused = true
  }
}
