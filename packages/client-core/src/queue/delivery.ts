/**
 * A message of a queue, handed to this program: settle it once. Payload, key and header values are
 * views of the frame they came in: copy what has to stay.
 */
import { BrokerError, decodeHeaderBlock, utf8Decode } from '@millrace/codec'
import {
  type DeadLetter,
  decodeDeadLetters,
  NO_TTL,
  type PublishedMessage,
  type QueueDelivery,
  SettleOutcome,
} from '@millrace/protocol'
import { MessageHeaders } from '../headers.ts'
import { decodePayload, type PayloadCodec } from '../payload-codec.ts'
import type { Settler } from './settler.ts'

export interface AckOptions {
  /** Resolve only when the settlement is on disk. Default: when the broker has it. */
  readonly durable?: boolean
}

export interface NackOptions extends AckOptions {
  /** False: dead-lettered, or dropped where the queue has no dead-letter exchange. Default: true. */
  readonly requeue?: boolean
}

/** A message of a queue, as `peek` shows it. */
export class QueuedMessage<T> {
  readonly queue: string
  readonly #wire: QueueDelivery
  readonly #codec: PayloadCodec<T>
  #headers: MessageHeaders | undefined
  #payload: T | undefined

  /** @internal */
  constructor(queue: string, wire: QueueDelivery, codec: PayloadCodec<T>) {
    this.queue = queue
    this.#wire = wire
    this.#codec = codec
    this.#headers = undefined
    this.#payload = undefined
  }

  /** Of the message in its queue. */
  get offset(): number {
    return this.#wire.offset
  }

  /** When it came into the queue, in ms since 1970. */
  get timestamp(): number {
    return this.#wire.timestampMs
  }

  /** The exchange it was published to; empty for a message sent to the queue itself. */
  get exchange(): string {
    return this.#wire.exchange
  }

  get routingKey(): string {
    return this.#wire.routingKey
  }

  get messageId(): string | undefined {
    return this.#wire.messageId
  }

  get key(): Uint8Array | undefined {
    return this.#wire.key
  }

  /** The key as UTF-8 text. */
  get keyText(): string | undefined {
    return this.#wire.key === undefined ? undefined : utf8Decode(this.#wire.key)
  }

  get priority(): number {
    return this.#wire.priority
  }

  get isPersistent(): boolean {
    return this.#wire.isPersistent
  }

  /** Its own; `undefined`: it lives as long as its queue says. */
  get ttlMs(): number | undefined {
    return this.#wire.ttlMs < 0 ? undefined : this.#wire.ttlMs
  }

  /** Whether it was delivered before, to whomever. */
  get isRedelivered(): boolean {
    return this.#wire.isRedelivered
  }

  /** How often it was returned before. */
  get deliveryCount(): number {
    return this.#wire.count
  }

  get headers(): MessageHeaders {
    this.#headers ??= new MessageHeaders(decodeHeaderBlock(this.#wire.headers))
    return this.#headers
  }

  /** Why and where it was dead-lettered before, newest first. */
  get deadLetters(): readonly DeadLetter[] {
    return decodeDeadLetters(this.#wire.deadLetters)
  }

  /** The payload as it is stored. */
  get bytes(): Uint8Array {
    return this.#wire.payload
  }

  /** Decoded by the codec when it is first asked for. Throws ERR_PAYLOAD_CODEC. */
  get payload(): T {
    this.#payload ??= decodePayload(this.#codec, this.bytes)
    return this.#payload
  }

  /** @internal The same message for another exchange: what was its own, but for how long it lives. */
  asPublished(exchange: string, routingKey: string): PublishedMessage {
    const { isPersistent, priority, messageId, key, headers, payload } = this.#wire
    const ttlMs = NO_TTL
    return { exchange, routingKey, isPersistent, priority, ttlMs, messageId, key, headers, payload }
  }

  /** @internal What a schema made of it. */
  replacePayload(payload: T): void {
    this.#payload = payload
  }
}

export class Delivery<T> extends QueuedMessage<T> {
  /** @internal */
  readonly settler: Settler
  /** @internal */
  readonly tag: number
  readonly #onSettled: (() => void) | undefined
  #isSettled: boolean

  /** @internal */
  constructor(
    queue: string,
    wire: QueueDelivery,
    codec: PayloadCodec<T>,
    settler: Settler,
    onSettled?: () => void,
  ) {
    super(queue, wire, codec)
    this.settler = settler
    this.tag = wire.tag
    this.#onSettled = onSettled
    this.#isSettled = false
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /**
   * The message is done. Resolves when the broker has it; need not be awaited, for what does not
   * arrive is delivered again. Rejects with ERR_UNKNOWN_DELIVERY when it was settled before, with
   * ERR_CONNECTION_LOST when the connection it came by is gone.
   */
  ack({ durable = false }: AckOptions = {}): Promise<void> {
    return this.#settle(SettleOutcome.ACK, durable)
  }

  /** The message is not done: back to its place, or with `requeue: false` given up. */
  nack({ requeue = true, durable = false }: NackOptions = {}): Promise<void> {
    return this.#settle(requeue ? SettleOutcome.REQUEUE : SettleOutcome.REJECT, durable)
  }

  /** @internal A transaction settles it. Throws when it is settled. */
  claim(): void {
    if (this.#isSettled) throw new BrokerError('ERR_UNKNOWN_DELIVERY', [this.tag])
    this.#isSettled = true
  }

  /** @internal The transaction did nothing. */
  release(): void {
    this.#isSettled = false
  }

  /** @internal The transaction settled it. */
  noteSettled(): void {
    this.#onSettled?.()
  }

  #settle(outcome: SettleOutcome, isDurable: boolean): Promise<void> {
    if (this.#isSettled) {
      const error = new BrokerError('ERR_UNKNOWN_DELIVERY', [this.tag])
      const rejected = Promise.reject<void>(error)
      rejected.catch(() => undefined)
      return rejected
    }
    this.#isSettled = true
    const settled = this.settler.settle(this.tag, outcome, isDurable)
    this.#onSettled?.()
    return settled
  }
}
