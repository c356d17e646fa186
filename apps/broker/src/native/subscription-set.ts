/** The subscriptions of one connection, and how far each of them may read ahead. */
import { BrokerError } from '@millrace/codec'
import type { EngineSession } from '@millrace/core'
import {
  DELIVERY_BYTES_DEFAULT,
  DELIVERY_BYTES_MAX,
  DELIVERY_BYTES_MIN,
  SUBSCRIPTION_HELD_BYTES,
} from '../limits.ts'
import type { FrameOutput } from './frame-output.ts'
import { Subscription, type SubscriptionOptions } from './subscription.ts'

export interface SubscriptionRequest {
  readonly id: number
  readonly channel: number
  readonly creditBytes: number
  readonly partitionCount: number
  readonly bytesPerDelivery: number | undefined
  readonly damageFrom: SubscriptionOptions['damageFrom']
}

export class SubscriptionSet {
  readonly #engine: EngineSession
  readonly #output: FrameOutput
  readonly #countMax: number
  readonly #mayStayInFile: boolean
  readonly #byId = new Map<number, Subscription>()

  constructor(engine: EngineSession, output: FrameOutput, countMax: number, mayStayInFile = false) {
    this.#engine = engine
    this.#output = output
    this.#countMax = countMax
    this.#mayStayInFile = mayStayInFile
  }

  get count(): number {
    return this.#byId.size
  }

  /** Whether another one may be opened under this id. */
  check(id: number): void {
    if (this.#byId.has(id)) throw new BrokerError('ERR_SUBSCRIPTION_EXISTS', [id])
    if (this.#byId.size >= this.#countMax) {
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [this.#countMax, 'subscriptions of a connection'])
    }
  }

  open(request: SubscriptionRequest): Subscription {
    this.check(request.id)
    const subscription = new Subscription({
      id: request.id,
      channel: request.channel,
      creditBytes: request.creditBytes,
      windowBytes: this.#windowBytes(request),
      output: this.#output,
      engine: this.#engine,
      mayStayInFile: this.#mayStayInFile,
      damageFrom: request.damageFrom,
      onEnded: (ended) => this.#byId.delete(ended.id),
    })
    this.#byId.set(request.id, subscription)
    return subscription
  }

  find(id: number): Subscription | undefined {
    return this.#byId.get(id)
  }

  close(id: number): void {
    const subscription = this.#byId.get(id)
    if (subscription === undefined) throw new BrokerError('ERR_SUBSCRIPTION_NOT_FOUND', [id])
    this.#byId.delete(id)
    subscription.close()
  }

  closeAll(): void {
    for (const subscription of this.#byId.values()) subscription.close()
    this.#byId.clear()
  }

  pumpAll(): void {
    for (const subscription of this.#byId.values()) subscription.pump()
  }

  /** Many partitions share one budget: the more there are, the less each reads ahead. */
  #windowBytes(request: SubscriptionRequest): number {
    let partitions = request.partitionCount
    for (const open of this.#byId.values()) partitions += open.partitionCount
    const share = Math.floor(SUBSCRIPTION_HELD_BYTES / Math.max(1, partitions))
    const wanted = Math.min(request.bytesPerDelivery ?? DELIVERY_BYTES_DEFAULT, DELIVERY_BYTES_MAX)
    return Math.max(1, Math.min(wanted, Math.max(share, DELIVERY_BYTES_MIN)))
  }
}
