/** Publishes to exchanges of every type, several in a turn, and hears of each confirm once and in order. */
import { PUBLISH_BUSY, type MessagingSession } from '@millrace/core'
import type { BrokerError } from '@millrace/codec'
import type { Life } from '../life.ts'
import { callerOf } from '../names.ts'
import type { Route } from './definitions.ts'
import { demandCause } from './queue-errors.ts'
import type { MessagePlan } from './queue-world.ts'
import { IDENTITY_BYTES, type SentMessage, sourceOf } from './sent-message.ts'
import {
  KEPT_QUEUE,
  KEYED_QUEUE,
  ONCE_QUEUE,
  exchangeTypes,
  queueNames,
  routingKeys,
} from './topology.ts'

interface Awaited {
  readonly sent: SentMessage
  readonly route: Route
  readonly done: () => void
}

/** Of what is sent at all, so much is sent for another time where ids are known. */
const AGAIN_SHARE = 0.25

const DIRECT_QUEUES = queueNames.filter((name) => name !== 'dead' && name !== 'view')

/** Any message that a publisher could send. */
export const planMessage = (life: Life, publisher: number): MessagePlan => {
  const { random, simulation } = life
  const { valueBytesMax } = simulation.scenario
  const exchange = random.pick(['', '', 'jobs', 'news', 'news', 'paths', 'feeds'])
  const routingKey =
    exchange === ''
      ? random.pick([...DIRECT_QUEUES, KEPT_QUEUE])
      : random.pick(routingKeys[exchange] ?? [''])
  return {
    publisher,
    exchange,
    routingKey,
    payloadBytes: IDENTITY_BYTES + random.below(valueBytesMax),
    isPersistent: random.chance(0.85),
    priority: random.below(4),
    key: routingKey === KEYED_QUEUE ? random.pick(['a', 'b', 'c']) : undefined,
    ttlMs: routingKey !== ONCE_QUEUE && random.chance(0.08) ? random.pick([0, 10, 60]) : -1,
  }
}

export class QueuePublisher {
  readonly #life: Life
  readonly #number: number
  readonly #session: MessagingSession
  readonly #awaited: Awaited[] = []
  #confirmed = 0
  #isPublishing = false
  #wake: (() => void) | undefined

  constructor(life: Life, number: number) {
    this.#life = life
    this.#number = number
    this.#session = life.broker.messaging.openSession({
      ...callerOf('/'),
      inFlightCountMax: life.random.pick([2, 16, 1000]),
      inFlightBytesMax: life.random.pick([16 * 1024, 1024 * 1024]),
      onConfirms: (from, to, error) => this.#onConfirms(from, to, error),
      onWritable: () => this.#onWritable(),
    })
  }

  async run(): Promise<void> {
    const { random, simulation } = this.#life
    while (!this.#life.isEnding) {
      await this.#life.idle()
      if (this.#life.isEnding || simulation.queues.isForgiven) return
      if (random.chance(AGAIN_SHARE)) await this.#publishAgain()
      const plan = planMessage(this.#life, this.#number)
      const burst = random.chance(0.4) ? random.between(2, 10) : 1
      for (let index = 0; index < burst && !this.#life.isEnding; index++) {
        const next = random.chance(0.7) ? plan : planMessage(this.#life, this.#number)
        await this.#publish({ ...next, payloadBytes: plan.payloadBytes })
      }
    }
  }

  close(): void {
    this.#session.close()
  }

  async #publish(plan: MessagePlan): Promise<void> {
    const { queues } = this.#life.simulation
    if (!exchangeTypes.has(plan.exchange) && plan.exchange !== '') return
    const { sent, route } = queues.invoke(plan)
    await this.#send(sent, route)
  }

  /** As one does who has heard nothing, or has lost his notes: of this process or another. */
  async #publishAgain(): Promise<void> {
    const { simulation, random } = this.#life
    const { queues, coverage } = simulation
    const known = [...queues.sent.values()].filter(
      ({ messageId, publisher, state }) =>
        messageId !== undefined && publisher === this.#number && state !== 'pending',
    )
    if (known.length === 0) return
    const sent = random.pick(known)
    coverage.add(sent.life === queues.lifeCount ? 'message sent again' : 'sent again after a crash')
    await this.#send(sent, queues.invokeAgain(sent))
  }

  async #send(sent: SentMessage, route: Route): Promise<void> {
    const { simulation, random } = this.#life
    const { queues } = simulation
    const wantsConfirm = random.chance(0.85)
    this.#life.count()
    try {
      let count = this.#submit(sent, wantsConfirm)
      while (count === PUBLISH_BUSY) {
        await this.#writable()
        // What it leads to may have changed meanwhile.
        queues.routeAgain(sent, route)
        count = this.#submit(sent, wantsConfirm)
      }
      this.#checkReached(sent, route, count)
      if (!wantsConfirm) sent.state = sent.state === 'confirmed' ? 'confirmed' : 'unknown'
      else this.#await(sent, route)
    } catch (error) {
      const isChanging = queues.definitions.exchanges.get(sent.exchange)?.standing !== 'there'
      demandCause(
        this.#life,
        `publish ${sent.number}`,
        error,
        isChanging ? ['ERR_EXCHANGE_NOT_FOUND'] : [],
      )
      queues.settle(sent, route, error as BrokerError)
    }
  }

  #submit(sent: SentMessage, wantsConfirm: boolean): number {
    const source = sourceOf(sent)
    this.#isPublishing = true
    try {
      return this.#session.publish(source, wantsConfirm)
    } finally {
      this.#isPublishing = false
      // Bytes were borrowed for the call.
      source.payload.fill(0xdb)
      source.properties.fill(0xdb)
    }
  }

  #await(sent: SentMessage, route: Route): void {
    const done = this.#life.beginWait(`confirm of message ${sent.number}`)
    this.#awaited.push({ sent, route, done })
  }

  #checkReached(sent: SentMessage, route: Route, count: number): void {
    const wanted = targetCount(route)
    if (route.isUnsure || count === wanted) return
    this.#life.simulation.violate(
      'I2',
      `message ${sent.number} reaches ${count} targets, not ${wanted}`,
    )
  }

  #onConfirms(from: number, to: number, error: BrokerError | undefined): void {
    if (this.#life.isOver) return
    try {
      this.#confirm(from, to, error)
    } catch (failure) {
      this.#life.simulation.fail(failure)
    }
  }

  #confirm(from: number, to: number, error: BrokerError | undefined): void {
    const { simulation, fatal } = this.#life
    const { queues, coverage } = simulation
    if (this.#isPublishing) simulation.violate('I13', 'a confirm came inside of publish')
    if (from !== this.#confirmed + 1 || to < from)
      simulation.violate('I13', `confirms ${from} to ${to} where ${this.#confirmed + 1} was due`)
    if (fatal !== undefined && error === undefined)
      simulation.violate('I14', `confirms ${from} to ${to} after the broker had failed`)
    this.#confirmed = to
    for (let number = from; number <= to; number++) {
      const awaited = this.#awaited.shift()
      if (awaited === undefined) return simulation.violate('I13', `confirm ${number} of nothing`)
      awaited.done()
      const { sent, route } = awaited
      simulation.note(`confirm of message ${sent.number}: ${error?.code ?? 'stored'}`)
      queues.settle(sent, route, error)
      if (error === undefined) coverage.add('queue confirm')
      else this.#onRefused(sent, error)
    }
  }

  #onRefused(sent: SentMessage, error: BrokerError): void {
    this.#life.simulation.coverage.add('refused message')
    demandCause(this.#life, `message ${sent.number}`, error, ['ERR_MESSAGE_REFUSED'])
  }

  #writable(): Promise<void> {
    const done = this.#life.beginWait('room to publish')
    return new Promise((resolve) => {
      this.#wake = () => {
        done()
        resolve()
      }
    })
  }

  #onWritable(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

/** Queues and topics; a view of a topic is no target. */
export const targetCount = (route: Route): number => {
  let count = route.topicCount
  for (const queue of route.certain) if (!queue.isView) count++
  return count
}
