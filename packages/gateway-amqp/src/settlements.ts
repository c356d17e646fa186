/**
 * Deliveries of a channel and what becomes of them. Settlements of one read from the peer are gathered
 * and handed to the engine together.
 */
import type { Delivery, MessagingSession, Outcome } from '@millrace/core'
import type { AmqpChannel } from './amqp-channel.ts'
import { DeliveryRing } from './delivery-ring.ts'
import { preconditionFailed } from './errors.ts'
import { DELIVERY_TAG_MAX } from './limits.ts'
import { StreamConsumer } from './stream-consumer.ts'

/** A message of a stream is settled by giving its consumer credit. */
type Unsettled = Delivery | StreamConsumer

export class Settlements {
  readonly #channel: AmqpChannel
  readonly #engine: MessagingSession
  readonly #ring: DeliveryRing<Unsettled>
  readonly #taken: Unsettled[]
  readonly #tags: number[]
  readonly #gathered: Delivery[]
  #outcome: Outcome
  #lastTag: number

  constructor(channel: AmqpChannel, engine: MessagingSession, lastTag = 0) {
    this.#channel = channel
    this.#engine = engine
    this.#ring = new DeliveryRing<Unsettled>()
    this.#taken = []
    this.#tags = []
    this.#gathered = []
    this.#outcome = 'ack'
    this.#lastTag = lastTag
  }

  get unsettledCount(): number {
    return this.#ring.count
  }

  /** The tag of the next delivery; `undefined` is settled when it is handed out. */
  handOut(delivery: Unsettled | undefined): number {
    const tag = this.#lastTag + 1
    if (tag > DELIVERY_TAG_MAX) throw preconditionFailed('delivery tags are used up')
    this.#lastTag = tag
    if (delivery !== undefined) this.#ring.push(tag, delivery)
    return tag
  }

  /** False: the tag is not outstanding. */
  settle(tag: number, isMultiple: boolean, outcome: Outcome): boolean {
    const taken = this.#taken
    if (!(isMultiple ? this.#takeUpTo(tag) : this.#takeOne(tag))) return false
    for (let index = 0; index < taken.length; index++) {
      this.#settleOne(this.#tags[index] as number, taken[index] as Unsettled, outcome)
    }
    taken.length = 0
    this.#tags.length = 0
    return true
  }

  /** All that is outstanding goes back, transaction or not. */
  recover(): void {
    this.flush()
    this.#takeUpTo(0)
    this.#outcome = 'release'
    for (const delivery of this.#taken) {
      if (delivery instanceof StreamConsumer) delivery.settle('release')
      else this.#gathered.push(delivery)
    }
    this.#taken.length = 0
    this.#tags.length = 0
    this.flush()
  }

  /** Hands what was gathered to the engine. */
  flush(): void {
    if (this.#gathered.length === 0) return
    try {
      this.#engine.settle(this.#gathered, this.#outcome)
    } finally {
      this.#gathered.length = 0
    }
  }

  /** Settlements of a transaction that is no more: the deliveries are outstanding again. */
  takeBack(staged: readonly { readonly tag: number; readonly delivery: Delivery }[]): void {
    const all = staged.map(({ tag, delivery }): [number, Unsettled] => [tag, delivery])
    this.#ring.takeAll(this.#taken, this.#tags)
    this.#tags.forEach((tag, index) => all.push([tag, this.#taken[index] as Unsettled]))
    all.sort(([one], [other]) => one - other)
    for (const [tag, delivery] of all) this.#ring.push(tag, delivery)
    this.#taken.length = 0
    this.#tags.length = 0
  }

  close(): void {
    this.#ring.clear()
    this.#gathered.length = 0
  }

  #takeOne(tag: number): boolean {
    const delivery = this.#ring.take(tag)
    if (delivery === undefined) return false
    this.#taken.push(delivery)
    this.#tags.push(tag)
    return true
  }

  /** Tag 0 means all there are, even none. */
  #takeUpTo(tag: number): boolean {
    if (tag !== 0) return this.#ring.takeUpTo(tag, this.#taken, this.#tags)
    this.#ring.takeAll(this.#taken, this.#tags)
    return true
  }

  #settleOne(tag: number, delivery: Unsettled, outcome: Outcome): void {
    if (delivery instanceof StreamConsumer) {
      delivery.settle(outcome)
      return
    }
    const { transaction } = this.#channel
    if (transaction !== undefined) {
      transaction.addSettlement({ tag, delivery, outcome })
      return
    }
    if (outcome !== this.#outcome) {
      this.flush()
      this.#outcome = outcome
    }
    this.#gathered.push(delivery)
    this.#channel.session.noteSettlement(this.#channel)
  }
}
