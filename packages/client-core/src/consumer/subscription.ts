/**
 * One subscription on the wire: asks for it, keeps what is delivered, gives credit back for what was
 * taken. It decodes no record.
 *
 * Invariant: what waits here is never more than `creditBytes` and one delivery; a broker that sends
 * more ends the connection.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import {
  CREDIT_BYTES,
  DELIVER_HEAD_BYTES,
  Opcode,
  type Subscribed,
  createDeliverHead,
  decodeDeliverHead,
  decodeSubscribed,
  decodeUnsubscribe,
  encodeSubscribe,
  encodeUnsubscribe,
  writeCredit,
} from '@millrace/protocol'
import type { BrokerSession } from '../session/broker-session.ts'
import type { DeliverySink } from '../session/connection.ts'
import type { ResolvedConsumeOptions } from './consumer-options.ts'
import { type Delivery, DeliveryQueue } from './delivery-queue.ts'

/** Credit goes back in steps of a quarter: a frame per delivery would be one too many. */
const CREDIT_STEPS = 4

const isUnanswered = (error: unknown): boolean =>
  isBrokerError(error) && (error.code === 'ERR_ABORTED' || error.code === 'ERR_TIMED_OUT')

export class Subscription implements DeliverySink {
  readonly #session: BrokerSession
  readonly #topic: string
  readonly #options: ResolvedConsumeOptions<unknown>
  readonly #id: number
  readonly #wake: () => void
  readonly #head = createDeliverHead()
  readonly #queue = new DeliveryQueue()
  /** The broker may still send this much. */
  #credit: number
  /** Taken by the program, not given back yet. */
  #owedBytes = 0
  #isDiscarding = false
  #isSubscribed = false
  #end: BrokerError | undefined

  /** `wake` is called when there is something new to look at. */
  constructor(
    session: BrokerSession,
    topic: string,
    options: ResolvedConsumeOptions<never>,
    wake: () => void,
  ) {
    this.#session = session
    this.#topic = topic
    this.#options = options as ResolvedConsumeOptions<unknown>
    this.#id = session.nextSubscription()
    this.#wake = wake
    this.#credit = options.creditBytes
  }

  /** Why nothing follows, once everything that was delivered is taken. */
  get end(): BrokerError | undefined {
    return this.#end
  }

  /** Deliveries may come before this resolves: they wait here. */
  async subscribe(): Promise<Subscribed> {
    const { from, partitions, creditBytes, deliveryBytesMax, signal } = this.#options
    const body = encodeSubscribe({
      subscription: this.#id,
      topic: this.#topic,
      partitions,
      from,
      credit: creditBytes,
      maxBytesPerDeliver: deliveryBytesMax,
    })
    const { connection } = this.#session
    connection.addDeliverySink(this.#id, this)
    try {
      const decode = (answer: Uint8Array): Subscribed => this.#readAnswer(answer)
      const subscribed = await this.#session.call(Opcode.SUBSCRIBE, body, decode, { signal })
      this.#isSubscribed = true
      return subscribed
    } catch (error) {
      // Without an answer the broker may have it: deliveries would come for nobody.
      const mayExist = isUnanswered(error)
      if (mayExist) void this.#leave()
      else connection.removeDeliverySink(this.#id)
      throw error
    }
  }

  take(): Delivery | undefined {
    return this.#queue.take()
  }

  /** The program is done with a delivery: the broker may send as much again. */
  giveBack(bytes: number): void {
    this.#owedBytes += bytes
    const isDue = this.#owedBytes * CREDIT_STEPS >= this.#options.creditBytes
    if (!isDue && !this.#queue.isEmpty) return
    if (this.#owedBytes === 0 || this.#isDiscarding || this.#end !== undefined) return
    const body = new Uint8Array(CREDIT_BYTES)
    writeCredit(body, 0, this.#id, this.#owedBytes)
    this.#session.connection.send(Opcode.CREDIT, this.#id, [body])
    this.#credit += this.#owedBytes
    this.#owedBytes = 0
  }

  /** Drops what waits and tells the broker. Never rejects: a lost connection has ended it too. */
  async unsubscribe(): Promise<void> {
    this.#queue.clear()
    if (this.#isDiscarding || !this.#isSubscribed || this.#end !== undefined) return
    await this.#leave()
  }

  onDeliver(body: Uint8Array, isOwned: boolean): void {
    const { partition, nextOffset } = decodeDeliverHead(body, this.#head)
    if (this.#isDiscarding) return
    const byteLength = body.length - DELIVER_HEAD_BYTES
    if (this.#credit <= 0) {
      const text = `for subscription ${this.#id}, which has no credit left`
      throw new BrokerError('ERR_UNEXPECTED_FRAME', ['DELIVER', text])
    }
    this.#credit -= byteLength
    this.#keep(partition, nextOffset, isOwned ? body : new Uint8Array(body))
    this.#wake()
  }

  onEnd(error: BrokerError): void {
    this.#end ??= error
    this.#wake()
  }

  #readAnswer(body: Uint8Array): Subscribed {
    const subscribed = decodeSubscribed(body)
    if (subscribed.subscription === this.#id) return subscribed
    const text = `it confirms subscription ${subscribed.subscription} for ${this.#id}`
    throw new BrokerError('ERR_MALFORMED_BODY', [text])
  }

  /** A delivery without batches only moves the position: it needs no place of its own. */
  #keep(partition: number, nextOffset: number, body: Uint8Array): void {
    const last = this.#queue.lastOf(partition)
    if (body.length === DELIVER_HEAD_BYTES && last !== undefined) {
      last.nextOffset = nextOffset
      return
    }
    this.#queue.push({ partition, nextOffset, bytes: body.subarray(DELIVER_HEAD_BYTES) })
  }

  /** What is still on its way is thrown away until the broker has confirmed. */
  async #leave(): Promise<void> {
    this.#isDiscarding = true
    const body = encodeUnsubscribe({ subscription: this.#id })
    try {
      await this.#session.call(Opcode.UNSUBSCRIBE, body, decodeUnsubscribe)
    } catch {
      // It never existed, or the connection is gone: either way nothing is delivered any more.
    }
    this.#session.connection.removeDeliverySink(this.#id)
  }
}
