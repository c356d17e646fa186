/**
 * Publishes to a delayed exchange, alone and in transactions, and takes what it releases. In a namespace
 * in which nobody else has exchanges, so that it can be killed at any time and has no other model.
 */
import {
  encodeHeaderBlock,
  propertyFormats,
  readUint32,
  utf8Encode,
  writeUint32,
} from '@millrace/codec'
import {
  PUBLISH_BUSY,
  type Delivery,
  type MessageSource,
  type Messaging,
  type MessagingSession,
} from '@millrace/core'
import type { Life } from '../life.ts'
import { callerOf, NAMESPACES } from '../names.ts'
import type { DelayedMessage } from './delayed-world.ts'
import { demandCause } from './queue-errors.ts'

const NAMESPACE = NAMESPACES[1]
const EXCHANGE = 'later'
const QUEUE = 'due'
const NUMBER_BYTES = 4
/** Longer than what was kept before a start waits, and its delay once more, by a clock set back. */
const DRAIN_MS_MAX = 30_000
const caller = callerOf(NAMESPACE)

const sourceOf = ({ number, delayMs }: DelayedMessage, bytes: number): MessageSource => {
  const payload = new Uint8Array(NUMBER_BYTES + bytes)
  writeUint32(payload, 0, number)
  const headers = [{ key: 'mr-delay', value: utf8Encode(String(delayMs)) }]
  return {
    exchange: EXCHANGE,
    routingKey: '',
    extraRoutingKeys: undefined,
    payload,
    format: propertyFormats.headers,
    properties: encodeHeaderBlock(headers),
    isPersistent: true,
    priority: 0,
    ttlMs: -1,
    messageId: undefined,
    key: undefined,
    matchHeaders: () => new Map(),
    neutralHeaders: () => headers,
  }
}

export class DelayedActor {
  readonly #life: Life
  readonly #session: MessagingSession
  readonly #awaited: { readonly sent: DelayedMessage; readonly done: () => void }[] = []
  readonly #held: Delivery[] = []
  #wake: (() => void) | undefined

  constructor(life: Life) {
    this.#life = life
    this.#session = life.broker.messaging.openSession({
      ...caller,
      inFlightCountMax: 100,
      inFlightBytesMax: 1024 * 1024,
      onConfirms: (from, to, error) => {
        for (let number = from; number <= to; number++) {
          const { sent, done } = this.#awaited.shift()!
          done()
          sent.state = error === undefined ? 'confirmed' : 'unknown'
        }
      },
      onWritable: () => this.#wake?.(),
    })
  }

  /** What a process before this one has made stays as it is. */
  static async prepare(life: Life): Promise<void> {
    if (!life.broker.hasNamespace(NAMESPACE)) return
    const { messaging } = life.broker
    const settings = { type: 'delayed', delayedType: 'fanout' } as const
    const binding = {
      exchange: EXCHANGE,
      targetKind: 'queue',
      target: QUEUE,
      routingKey: '',
    } as const
    try {
      const declaring = messaging.declareExchange(caller, { exchange: EXCHANGE, settings })
      await life.call('declare a delayed exchange', declaring)
      const request = { queue: QUEUE, settings: {} }
      await life.call('declare its queue', messaging.declareQueue(caller, request))
      await life.call('bind its queue', messaging.bind(caller, binding))
    } catch (error) {
      demandCause(life, 'prepare a delayed exchange', error)
    }
  }

  async run(): Promise<void> {
    const { simulation, random } = this.#life
    if (!isPrepared(this.#life)) return
    this.#consume()
    while (!this.#life.isEnding && !simulation.queues.isForgiven) {
      await this.#life.idle()
      if (this.#life.isEnding) return
      this.#ackSome()
      const count = random.chance(0.3) ? random.between(2, 8) : 1
      if (random.chance(0.25)) await this.#commit(count)
      else for (let sent = 0; sent < count; sent++) await this.#publish()
    }
  }

  /** Takes what is kept: in the end all of it has come. */
  async drain(): Promise<void> {
    const { world, delayed } = this.#life.simulation
    if (!isPrepared(this.#life)) return
    this.#consume()
    const until = world.clock.monotonic() + DRAIN_MS_MAX
    while (this.#leftCount() > 0 && world.clock.monotonic() < until) {
      await this.#life.pause(20_000)
      this.#ackSome()
    }
    delayed.checkAll()
    const left = this.#leftCount()
    if (left > 0) this.#life.simulation.violate('D2', `${left} messages stay`)
    await this.#life.call('flush settlements', this.#session.flushSettlements())
    this.#session.close()
  }

  close(): void {
    this.#session.close()
  }

  #consume(): void {
    const request = { queue: QUEUE, owner: undefined, isAutoSettled: false, isExclusive: false }
    this.#session.consume(
      { ...request, priority: 0, inFlightCountMax: 0, pool: undefined },
      { deliver: (delivery) => this.#onDelivery(delivery), end: () => undefined },
    )
  }

  #onDelivery(delivery: Delivery): void {
    if (this.#life.isOver) return
    try {
      const { payload } = delivery.message
      this.#life.simulation.delayed.arrived(readUint32(payload, 0), delivery.offset)
      this.#held.push(delivery)
    } catch (error) {
      this.#life.simulation.fail(error)
    }
  }

  #ackSome(): void {
    if (this.#held.length > 0) this.#session.settle(this.#held.splice(0), 'ack')
  }

  #plan(): { readonly sent: DelayedMessage; readonly source: MessageSource } {
    const { random, simulation } = this.#life
    const sent = simulation.delayed.send(random.pick([1, 3, 10, 10, 30, 100, 6_000, 10_000]))
    return { sent, source: sourceOf(sent, random.below(simulation.scenario.valueBytesMax)) }
  }

  async #publish(): Promise<void> {
    const { sent, source } = this.#plan()
    this.#life.count()
    try {
      while (this.#session.publish(source, true) === PUBLISH_BUSY) await this.#writable()
      const done = this.#life.beginWait(`confirm of delayed message ${sent.number}`)
      this.#awaited.push({ sent, done })
    } catch (error) {
      sent.state = 'refused'
      demandCause(this.#life, `publish delayed ${sent.number}`, error)
    }
  }

  async #commit(count: number): Promise<void> {
    const plans = Array.from({ length: count }, () => this.#plan())
    this.#life.count()
    const committing = this.#session.commit(
      plans.map(({ source }) => source),
      [],
    )
    try {
      await this.#life.call('commit delayed messages', committing)
      for (const { sent } of plans) sent.state = 'confirmed'
    } catch (error) {
      for (const { sent } of plans) sent.state = 'unknown'
      demandCause(this.#life, 'commit delayed messages', error)
    }
  }

  #writable(): Promise<void> {
    const done = this.#life.beginWait('room to publish delayed messages')
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        done()
        resolve()
      }
    })
  }

  #leftCount(): number {
    const { messaging } = this.#life.broker
    const { keptCount = 0 } = messaging.describeExchange(caller, EXCHANGE)
    const { readyCount, inFlightCount } = messaging.describeQueue(caller, QUEUE)
    return keptCount + readyCount + inFlightCount
  }
}

const isPrepared = ({ broker, simulation }: Life): boolean => {
  if (simulation.queues.isForgiven || !broker.hasNamespace(NAMESPACE)) return false
  const { messaging }: { messaging: Messaging } = broker
  return messaging.listQueues(caller).some(({ queue }) => queue === QUEUE) && isBound(messaging)
}

const isBound = (messaging: Messaging): boolean =>
  messaging.listBindings(caller, { exchange: EXCHANGE, target: QUEUE }).length > 0
