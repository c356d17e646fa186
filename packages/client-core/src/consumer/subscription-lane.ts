/**
 * A subscription on one connection: the wire side of `Subscription`. It dies with its connection and
 * is never used again.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  CREDIT_BYTES,
  DELIVER_HEAD_BYTES,
  Opcode,
  type SubscribeFrom,
  type Subscribed,
  type SubscriptionEnd,
  decodeSubscribed,
  decodeUnsubscribe,
  encodeSubscribe,
  encodeUnsubscribe,
  writeCredit,
} from '@millrace/protocol'
import type { BrokerSession, LiveConnection } from '../session/broker-session.ts'
import { call } from '../session/call.ts'
import type { DeliverySink } from '../session/connection.ts'
import type { ResolvedConsumeOptions } from './consumer-options.ts'

/** Whom a lane tells. */
export interface LaneOwner {
  onDeliver(lane: SubscriptionLane, body: Uint8Array, isOwned: boolean): void
  onLaneEnd(lane: SubscriptionLane, error: BrokerError, end: SubscriptionEnd | undefined): void
  /** Throws when what the broker confirms is not what was meant. */
  onConfirmed(subscribed: Subscribed): void
}

const isUnanswered = (error: unknown): boolean =>
  isBrokerError(error) && (error.code === 'ERR_ABORTED' || error.code === 'ERR_TIMED_OUT')

export class SubscriptionLane implements DeliverySink {
  readonly #live: LiveConnection
  readonly #owner: LaneOwner
  readonly #id: number
  readonly #timeoutMs: number
  /** The broker may still send this much. */
  #credit: number
  #isSubscribed = false
  #isDiscarding = false
  #isEnded = false
  #refusal: BrokerError | undefined

  constructor(session: BrokerSession, live: LiveConnection, owner: LaneOwner, credit: number) {
    this.#live = live
    this.#owner = owner
    this.#id = session.nextSubscription()
    this.#timeoutMs = session.options.requestTimeoutMs
    this.#credit = credit
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  async subscribe(
    topic: string,
    from: SubscribeFrom,
    { partitions, deliveryBytesMax, signal }: ResolvedConsumeOptions<unknown>,
  ): Promise<Subscribed> {
    const { connection } = this.#live
    const body = encodeSubscribe({
      subscription: this.#id,
      topic,
      partitions,
      from,
      credit: this.#credit,
      maxBytesPerDeliver: deliveryBytesMax,
    })
    connection.addDeliverySink(this.#id, this)
    try {
      const decode = (answer: Uint8Array): Subscribed => this.#readAnswer(answer)
      const options = { timeoutMs: this.#timeoutMs, signal }
      const subscribed = await call(connection, Opcode.SUBSCRIBE, body, decode, options)
      this.#isSubscribed = true
      if (this.#refusal !== undefined) throw this.#refusal
      return subscribed
    } catch (error) {
      // Without an answer, or with the wrong one, the broker has it: deliveries come for nobody.
      if (isUnanswered(error) || this.#refusal !== undefined) void this.#discard()
      else connection.removeDeliverySink(this.#id)
      throw error
    }
  }

  addCredit(bytes: number): void {
    if (this.#isDiscarding || this.#isEnded) return
    const body = new Uint8Array(CREDIT_BYTES)
    writeCredit(body, 0, this.#id, bytes)
    this.#live.connection.send(Opcode.CREDIT, this.#id, [body])
    this.#credit += bytes
  }

  async leave(): Promise<void> {
    if (this.#isDiscarding || !this.#isSubscribed || this.#isEnded) return
    await this.#discard()
  }

  /** The connection takes nothing new: what still comes on it is not wanted. */
  drop(): void {
    this.#isDiscarding = true
    this.#isEnded = true
  }

  onDeliver(body: Uint8Array, isOwned: boolean): void {
    if (this.#isDiscarding) return
    if (this.#credit <= 0) {
      const text = `for subscription ${this.#id}, which has no credit left`
      throw new BrokerError('ERR_UNEXPECTED_FRAME', ['DELIVER', text])
    }
    this.#credit -= body.length - DELIVER_HEAD_BYTES
    this.#owner.onDeliver(this, body, isOwned)
  }

  onEnd(error: BrokerError, end: SubscriptionEnd | undefined): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#owner.onLaneEnd(this, error, end)
  }

  #readAnswer(body: Uint8Array): Subscribed {
    const subscribed = decodeSubscribed(body)
    if (subscribed.subscription !== this.#id) {
      const text = `it confirms subscription ${subscribed.subscription} for ${this.#id}`
      throw new BrokerError('ERR_MALFORMED_BODY', [text])
    }
    try {
      this.#owner.onConfirmed(subscribed)
    } catch (error) {
      // Before the first delivery behind it is read.
      this.#isDiscarding = true
      this.#refusal = error as BrokerError
    }
    return subscribed
  }

  /** What is still on its way is thrown away until the broker has confirmed. */
  async #discard(): Promise<void> {
    this.#isDiscarding = true
    const body = encodeUnsubscribe({ subscription: this.#id })
    const { connection } = this.#live
    try {
      const options = { timeoutMs: this.#timeoutMs }
      await call(connection, Opcode.UNSUBSCRIBE, body, decodeUnsubscribe, options)
    } catch {
      // It never existed, or the connection is gone: either way nothing is delivered any more.
    }
    connection.removeDeliverySink(this.#id)
  }
}
