/** Takes messages of one queue after the other, by consuming and by getting, and settles them anyhow. */
import type { Consumer, Delivery, MessagingSession, Outcome } from '@millrace/core'
import type { BrokerError, ErrorCode } from '@millrace/codec'
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import type { ModelTransaction } from './model-transaction.ts'
import type { Place } from './place.ts'
import { admitLetter } from './queue-check.ts'
import { demandCause } from './queue-errors.ts'
import type { QueueModel } from './queue-model.ts'
import { planMessage } from './queue-publisher.ts'
import { sourceOf } from './sent-message.ts'
import { DEAD_QUEUE, SINGLE_QUEUE } from './topology.ts'

interface Held {
  readonly delivery: Delivery
  readonly place: Place
  readonly queue: QueueModel
}

/** Of what consumers go to. */
const SINGLE_SHARE = 0.15

const GONE: readonly ErrorCode[] = ['ERR_QUEUE_NOT_FOUND', 'ERR_QUEUE_DELETED']

export class QueueConsumer {
  readonly #life: Life
  readonly #number: number
  readonly #usesTransactions: boolean
  #session: MessagingSession
  #consumer: Consumer | undefined
  /** The queue that it consumes from. */
  #served: QueueModel | undefined
  #held: Held[] = []
  /** Its consumer has ended by itself. */
  #isEnded = false

  constructor(life: Life, number: number, usesTransactions: boolean) {
    this.#life = life
    this.#number = number
    this.#usesTransactions = usesTransactions
    this.#session = this.#openSession()
  }

  async run(): Promise<void> {
    const { random, simulation } = this.#life
    while (!this.#life.isEnding && !simulation.queues.isForgiven) {
      await this.#life.idle()
      const names = [...simulation.queues.definitions.queues.keys()]
      if (names.length === 0 || this.#life.isEnding) continue
      // Where only one of several is served, several have to be there.
      const isSingle = names.includes(SINGLE_QUEUE) && random.chance(SINGLE_SHARE)
      const name = isSingle ? SINGLE_QUEUE : random.pick(names)
      if (random.chance(0.25)) await this.#get(name)
      else await this.#visit(name)
    }
  }

  /** Takes whatever comes and acks it. Answers how to stop. */
  drain(name: string): () => void {
    const queue = this.#life.simulation.queues.definitions.queues.get(name)?.queue
    if (queue === undefined) return () => undefined
    const consumer = this.#session.consume(
      {
        queue: name,
        owner: undefined,
        isAutoSettled: false,
        isExclusive: false,
        priority: 0,
        inFlightCountMax: 50,
        pool: undefined,
      },
      {
        deliver: (delivery) => {
          this.#onDelivery(queue, delivery, false)
          this.#life.simulation.world.scheduler.after(0, () => this.#ackAll())
        },
        end: (error) => this.#onEnd(error),
      },
    )
    return () => {
      consumer.cancel()
      queue.left(this)
    }
  }

  #ackAll(): void {
    const held = this.#held.splice(0)
    if (this.#life.isOver || held.length === 0) return
    this.#session.settle(
      held.map(({ delivery }) => delivery),
      'ack',
    )
    for (const { place, queue } of held) queue.acked(place)
  }

  /** What it holds goes back to its place. */
  close(): void {
    this.#cancel()
    this.#session.close()
    for (const { place, queue } of this.#held.splice(0))
      if (place.state === 'held') queue.requeued(place)
  }

  #cancel(): void {
    this.#consumer?.cancel()
    this.#consumer = undefined
    this.#served?.left(this)
    this.#served = undefined
  }

  #openSession(): MessagingSession {
    return this.#life.broker.messaging.openSession({
      ...callerOf('/'),
      inFlightCountMax: 100,
      inFlightBytesMax: 1024 * 1024,
      onConfirms: () => {},
      onWritable: () => {},
    })
  }

  async #visit(name: string): Promise<void> {
    const { random } = this.#life
    if (!this.#consume(name)) return
    for (let steps = random.between(1, 8); steps > 0 && !this.#life.isEnding; steps--) {
      await this.#life.idle()
      if (this.#isEnded) break
      await this.#act()
    }
    this.#cancel()
    if (random.chance(0.5)) return this.#settleSome(this.#held.length)
    if (random.chance(0.4)) return
    this.close()
    this.#session = this.#openSession()
  }

  #consume(name: string): boolean {
    const { random, simulation } = this.#life
    const isAutoSettled = random.chance(0.12)
    const queue = simulation.queues.definitions.queues.get(name)?.queue
    if (queue === undefined) return false
    this.#isEnded = false
    const request = {
      queue: name,
      owner: undefined,
      isAutoSettled,
      isExclusive: false,
      priority: random.below(2),
      inFlightCountMax: random.pick([1, 4, 20, 0]),
      pool: undefined,
    }
    try {
      this.#consumer = this.#session.consume(request, {
        deliver: (delivery) => this.#onDelivery(queue, delivery, isAutoSettled),
        end: (error) => this.#onEnd(error),
      })
      this.#served = queue
      return true
    } catch (error) {
      const isThere = simulation.queues.definitions.isThere('queue', name)
      demandCause(this.#life, `consume ${name}`, error, isThere ? [] : GONE)
      return false
    }
  }

  #onDelivery(queue: QueueModel, delivery: Delivery, isAutoSettled: boolean): void {
    // A broker that has failed still hands over what it has; what comes of that stays with it.
    if (this.#life.isOver || this.#life.fatal !== undefined) return
    try {
      this.#life.count()
      queue.serve(this)
      const place = this.#receive(queue, delivery)
      if (isAutoSettled) queue.acked(place)
      else this.#held.push({ delivery, place, queue })
    } catch (error) {
      this.#life.simulation.fail(error)
    }
  }

  #receive(queue: QueueModel, delivery: Delivery): Place {
    if (queue.name === DEAD_QUEUE) admitLetter(this.#life, queue, delivery)
    const place = queue.deliver(delivery)
    const { number } = place.stay.sent
    this.#life.simulation.note(
      `consumer ${this.#number} has ${number} of ${queue.name} at ${delivery.offset}, count ${delivery.deliveryCount}${delivery.isRedelivered ? ' again' : ''}`,
    )
    return place
  }

  #onEnd(error: BrokerError): void {
    this.#isEnded = true
    if (this.#life.isOver) return
    try {
      demandCause(this.#life, 'a consumer ends', error, GONE)
    } catch (failure) {
      this.#life.simulation.fail(failure)
    }
  }

  async #get(name: string): Promise<void> {
    const { simulation } = this.#life
    const queue = simulation.queues.definitions.queues.get(name)?.queue
    if (queue === undefined) return
    this.#life.count()
    queue.getCount++
    try {
      const request = { queue: name, owner: undefined, isAutoSettled: false }
      const found = await this.#life.call(`get from ${name}`, this.#session.get(request))
      if (found === undefined || this.#life.fatal !== undefined) return
      simulation.coverage.add('get')
      const place = this.#receive(queue, found.delivery)
      this.#held.push({ delivery: found.delivery, place, queue })
    } catch (error) {
      const isThere = simulation.queues.definitions.isThere('queue', name)
      demandCause(this.#life, `get from ${name}`, error, isThere ? [] : GONE)
    } finally {
      queue.getCount--
    }
  }

  async #act(): Promise<void> {
    const { random } = this.#life
    if (this.#usesTransactions && random.chance(0.5)) return this.#commit()
    await this.#settleSome(random.between(1, 6))
    if (random.chance(0.25)) await this.flush()
  }

  async #settleSome(count: number): Promise<void> {
    const { random } = this.#life
    const isLast = random.chance(0.3)
    const some = isLast ? this.#held.splice(-count) : this.#held.splice(0, count)
    if (some.length === 0) return
    const choice = random.fraction()
    const deliveries = some.map(({ delivery }) => delivery)
    this.#life.count()
    if (choice < 0.65) {
      this.#session.settle(deliveries, 'ack')
      for (const { place, queue } of some) queue.acked(place)
    } else if (choice < 0.88) {
      this.#session.settle(deliveries, 'requeue')
      for (const { place, queue } of some) queue.requeued(place)
    } else {
      this.#session.settle(deliveries, 'reject')
      for (const { place, queue } of some) queue.rejected(place)
    }
    return Promise.resolve()
  }

  /** What is settled by now is settled for good when this is answered. */
  async flush(): Promise<void> {
    const { simulation } = this.#life
    // What is settled while this is under way is none of its business.
    const places = simulation.queues
      .unsettledSurely()
      .map((place) => [place, place.countMin, place.state === 'settled'] as const)
    await this.#life.call('flush settlements', this.#session.flushSettlements())
    if (this.#life.fatal !== undefined) return
    simulation.coverage.add('settlements flushed')
    for (const [place, count, wasSettled] of places) {
      if (wasSettled && place.state === 'settled') place.isSettledSurely = true
      if (place.state !== 'unsure') place.countSure = Math.max(place.countSure, count)
    }
  }

  async #commit(): Promise<void> {
    const { random, simulation } = this.#life
    const { queues } = simulation
    const acked = this.#held.splice(0, random.between(0, 3))
    const outcome: Outcome = random.pick(['ack', 'ack', 'ack', 'requeue', 'reject'])
    const publisher = 2000 + this.#number
    const invoked = Array.from({ length: random.between(acked.length === 0 ? 1 : 0, 3) }, () =>
      queues.invoke(planMessage(this.#life, publisher)),
    )
    const messages = invoked.map(({ sent }) => sent)
    const transaction = queues.beginTransaction(
      messages,
      acked.map(({ place }) => place),
      outcome,
    )
    this.#life.count()
    const what = `transaction ${transaction.number}`
    simulation.note(
      `${what}: messages ${messages.map(({ number }) => number).join(' ')}, ${outcome}s ${acked.map(({ place }) => `${place.stay.sent.number} of ${place.stay.queue.name}`).join(' ')}`,
    )
    try {
      const settlements =
        acked.length === 0 ? [] : [{ deliveries: acked.map(({ delivery }) => delivery), outcome }]
      const committing = this.#session.commit(messages.map(sourceOf), settlements)
      await this.#life.call(what, committing)
      simulation.note(`${what}: done`)
      for (const { sent, route } of invoked) {
        queues.settle(sent, route, undefined)
        sent.doneAtMs = simulation.world.clock.monotonic()
      }
      queues.endTransaction(transaction)
      for (const { place, queue } of acked)
        if (place.state === 'locked') queue.unlocked(place, outcome)
      simulation.coverage.add('transaction')
      if (outcome !== 'ack' && acked.length > 0)
        simulation.coverage.add(
          outcome === 'reject' ? 'rejected in a transaction' : 'returned in a transaction',
        )
    } catch (error) {
      this.#onCommitFailed(transaction, acked, error)
    }
  }

  #onCommitFailed(transaction: ModelTransaction, acked: readonly Held[], error: unknown): void {
    const { simulation } = this.#life
    const { queues } = simulation
    const expected: ErrorCode[] = ['ERR_MESSAGE_REFUSED', 'ERR_EXCHANGE_NOT_FOUND']
    const code = demandCause(this.#life, `transaction ${transaction.number}`, error, expected)
    if (code === 'ERR_STORAGE_FAILED' || code === 'ERR_CLOSED') return
    queues.refuseAll(transaction.messages)
    queues.endTransaction(transaction)
    for (const { place } of acked) place.state = 'held'
    this.#held.push(...acked)
    simulation.coverage.add('transaction refused')
  }
}
