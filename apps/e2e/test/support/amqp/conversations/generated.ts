/**
 * Conversations drawn from a seed: any method after any other, on a few queues and exchanges, right and
 * wrong. A queue has one consumer at most, since there is no order between consumers.
 */
import { SeededRandom } from '@millrace/testing'
import type { Conversation, Step } from '../conversation.ts'
import type { Fields } from '../wire.ts'
import * as $ from './steps.ts'

const STEP_COUNT = 24

const queues = ['~q1', '~q2', '~q3']
const exchanges = ['~x1', '~x2']
const keys = ['a', 'a.b', 'a.b.c', 'b', '']
const patterns = ['a', 'a.*', '#', '*.b', 'a.#', '']
const types = ['direct', 'topic', 'fanout', 'headers']

const queueArguments: readonly Fields[] = [
  {},
  {},
  { 'x-max-length': 2 },
  { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
  { 'x-max-priority': 3 },
  { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~q1' },
  { 'x-single-active-consumer': true },
]

class Generator {
  readonly #random: SeededRandom
  /** Of each queue, the channel and tag of its consumer. */
  readonly #consumed = new Set<string>()

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  steps(): Step[] {
    const beginning = [
      $.openChannel(2),
      this.#declareQueue(),
      this.#declareExchange(),
      this.#bind(),
      ...(this.#random.chance(0.5) ? [$.confirms] : []),
    ]
    return [...beginning, ...Array.from({ length: STEP_COUNT }, () => this.#any())]
  }

  #any(): Step {
    const step = this.#random.pick<() => Parameters<typeof $.on>[1]>([
      ...Array.from({ length: 8 }, () => () => this.#publish()),
      ...Array.from(
        { length: 5 },
        () => () => $.get(this.#random.pick(queues), { noAck: this.#random.chance(0.3) }),
      ),
      ...Array.from({ length: 5 }, () => () => this.#settle()),
      ...Array.from({ length: 2 }, () => () => this.#declareQueue()),
      ...Array.from({ length: 2 }, () => () => this.#bind()),
      ...Array.from({ length: 2 }, () => () => this.#consume()),
      () => this.#declareExchange(),
      () =>
        $.unbind(
          this.#random.pick(patterns),
          this.#random.pick(queues),
          this.#random.pick(exchanges),
        ),
      () =>
        $.link(
          this.#random.pick(exchanges),
          this.#random.pick(exchanges),
          this.#random.pick(patterns),
        ),
      () => $.count(this.#random.pick(queues)),
      () => $.purge(this.#random.pick(queues)),
      () => $.qos(this.#random.between(0, 2), this.#random.chance(0.3)),
      () => $.cancel(this.#random.pick(queues)),
      () => $.method('basic.recover', { requeue: true }),
      () =>
        $.deleteQueue(this.#random.pick(queues), {
          ifEmpty: this.#random.chance(0.3),
          ifUnused: this.#random.chance(0.3),
        }),
      () => $.deleteExchange(this.#random.pick(exchanges), { ifUnused: this.#random.chance(0.5) }),
    ])()
    return this.#random.chance(0.2) ? $.on(2, step) : step
  }

  #declareQueue(): ReturnType<typeof $.queue> {
    const fields = { durable: this.#random.chance(0.2), autoDelete: this.#random.chance(0.2) }
    return $.queue(this.#random.pick(queues), fields, this.#random.pick(queueArguments))
  }

  #declareExchange(): ReturnType<typeof $.exchange> {
    const args = this.#random.chance(0.2)
      ? { 'alternate-exchange': this.#random.pick(exchanges) }
      : {}
    const fields = { autoDelete: this.#random.chance(0.2), internal: this.#random.chance(0.1) }
    return $.exchange(this.#random.pick(types), this.#random.pick(exchanges), fields, args)
  }

  #bind(): ReturnType<typeof $.bind> {
    const args = this.#random.chance(0.2) ? { 'x-match': 'any', kind: 'a' } : {}
    return $.bind(
      this.#random.pick(patterns),
      this.#random.pick(queues),
      this.#random.pick(exchanges),
      args,
    )
  }

  #publish(): ReturnType<typeof $.publish> {
    const properties = {
      ...(this.#random.chance(0.3) ? { priority: this.#random.between(0, 4) } : {}),
      ...(this.#random.chance(0.3) ? { deliveryMode: 2 } : {}),
      ...(this.#random.chance(0.3) ? { headers: { kind: this.#random.pick(['a', 'b']) } } : {}),
    }
    const body = `message ${this.#random.between(0, 999)}`
    const fields = { mandatory: this.#random.chance(0.3) }
    return this.#random.chance(0.5)
      ? $.send(body, properties, this.#random.pick(queues), fields)
      : $.publish(this.#random.pick(exchanges), this.#random.pick(keys), body, properties, fields)
  }

  #consume(): ReturnType<typeof $.consume> {
    const name = this.#random.pick(queues)
    if (this.#consumed.has(name)) return $.count(name)
    this.#consumed.add(name)
    return $.consume(name, { noAck: this.#random.chance(0.3) }, {}, name)
  }

  #settle(): ReturnType<typeof $.ack> {
    const tag = this.#random.between(0, 6)
    if (this.#random.chance(0.5)) return $.ack(tag, this.#random.chance(0.3))
    return $.nack(tag, this.#random.chance(0.5), this.#random.chance(0.3))
  }
}

export const generated = (seed: number): Conversation =>
  $.talk(`generated from ${seed}`, new Generator(seed).steps())
