/**
 * A consumer of a queue on one connection: the wire side of `QueueConsumer`. It dies with its
 * connection and is never used again.
 */
import { isBrokerError, type BrokerError } from '@millrace/codec'
import {
  decodeConsumerNumber,
  decodeDone,
  decodeQueueDeliveries,
  encodeConsume,
  encodeConsumerNumber,
  Opcode,
  type QueueDelivery,
} from '@millrace/protocol'
import type { BrokerSession, LiveConnection } from '../session/broker-session.ts'
import { call } from '../session/call.ts'
import type { DeliverySink } from '../session/connection.ts'
import type { ResolvedQueueConsume } from './consume-options.ts'
import type { Settler } from './settler.ts'

export interface QueueLaneOwner {
  onDeliveries(lane: QueueLane, deliveries: readonly QueueDelivery[]): void
  onLaneEnd(lane: QueueLane, error: BrokerError): void
}

const isUnanswered = (error: unknown): boolean =>
  isBrokerError(error) && (error.code === 'ERR_ABORTED' || error.code === 'ERR_TIMED_OUT')

export class QueueLane implements DeliverySink {
  readonly settler: Settler
  readonly #live: LiveConnection
  readonly #owner: QueueLaneOwner
  readonly #id: number
  readonly #timeoutMs: number
  #isConsuming = false
  #isDiscarding = false
  #isEnded = false

  constructor(
    session: BrokerSession,
    live: LiveConnection,
    settler: Settler,
    owner: QueueLaneOwner,
  ) {
    this.settler = settler
    this.#live = live
    this.#owner = owner
    this.#id = session.nextSubscription()
    this.#timeoutMs = session.options.requestTimeoutMs
  }

  async consume(queue: string, options: ResolvedQueueConsume): Promise<void> {
    const { connection } = this.#live
    const { prefetch: credit, exclusive, priority, signal } = options
    const body = encodeConsume({ consumer: this.#id, queue, credit, exclusive, priority })
    connection.addDeliverySink(this.#id, this)
    try {
      const callOptions = { timeoutMs: this.#timeoutMs, signal }
      await call(connection, Opcode.CONSUME, body, decodeConsumerNumber, callOptions)
      this.#isConsuming = true
    } catch (error) {
      // Without an answer the broker may have it: deliveries come for nobody, and go back.
      if (isUnanswered(error)) void this.#cancel()
      else connection.removeDeliverySink(this.#id)
      throw error
    }
  }

  /** Nothing comes any more; what came is settled as before. */
  async leave(): Promise<void> {
    if (this.#isDiscarding || !this.#isConsuming || this.#isEnded) return
    await this.#cancel()
  }

  /** The connection takes nothing new: what still comes on it is not wanted. */
  drop(): void {
    this.#isDiscarding = true
    this.#isEnded = true
  }

  onDeliver(body: Uint8Array, isOwned: boolean): void {
    const deliveries = decodeQueueDeliveries(isOwned ? body : new Uint8Array(body))
    if (!this.#isDiscarding) return this.#owner.onDeliveries(this, deliveries)
    if (!this.#isEnded) this.giveBack(deliveries)
  }

  onEnd(error: BrokerError): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#owner.onLaneEnd(this, error)
  }

  /** Nobody has seen them. */
  giveBack(deliveries: readonly { readonly tag: number }[]): void {
    for (const { tag } of deliveries) void this.settler.settle(tag, 1, false)
  }

  async #cancel(): Promise<void> {
    this.#isDiscarding = true
    const { connection } = this.#live
    const body = encodeConsumerNumber({ consumer: this.#id })
    try {
      const options = { timeoutMs: this.#timeoutMs }
      await call(connection, Opcode.CONSUMER_CANCEL, body, decodeDone, options)
    } catch {
      // It never existed, or the connection is gone: either way nothing is delivered any more.
    }
    connection.removeDeliverySink(this.#id)
  }
}
