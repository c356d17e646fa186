/** A queue: each of its messages goes to one of its consumers, who settles it. */
import { BrokerError } from '@millrace/codec'
import {
  decodeGot,
  decodeMessagesCounted,
  decodeQueueDeliveries,
  decodeQueueDescription,
  encodeGet,
  encodeQueueAlter,
  encodeQueueDeclare,
  encodeQueueDelete,
  encodeQueueDescribe,
  encodeQueueMove,
  encodeQueuePeek,
  encodeQueueReplay,
  Opcode,
  PEEK_COUNT_MAX,
  type QueueDelivery,
  type QueueDescription,
} from '@millrace/protocol'
import type { AbortOptions } from '../admin.ts'
import { checkInteger, checkOffset, isDate } from '../check.ts'
import { call } from '../session/call.ts'
import type { WaitOptions } from '../wait.ts'
import type { QueueConsumeOptions } from './consume-options.ts'
import { Delivery, QueuedMessage } from './delivery.ts'
import type { MessageOptions } from './message-options.ts'
import type { MessagingHub } from './messaging-hub.ts'
import { bind, unbind } from './messaging-requests.ts'
import { QueueConsumer } from './queue-consumer.ts'
import { Sender, type SenderOptions } from './sender.ts'
import type { BindOptions, QueueSettings, QueueSettingsPatch } from './settings.ts'
import type { Settler } from './settler.ts'

export type QueueOptions<T> = SenderOptions<T>

export interface MoveOptions extends AbortOptions {
  /** Default: each message's own. To a queue: the empty exchange, and its name here. */
  readonly routingKey?: string
  /** Default: all that are there. */
  readonly count?: number
}

export interface DeleteQueueOptions extends AbortOptions {
  /** ERR_QUEUE_IN_USE when somebody consumes from it. */
  readonly ifUnused?: boolean
  /** ERR_QUEUE_NOT_EMPTY when messages are ready. */
  readonly ifEmpty?: boolean
}

/** The bytes stay when the frame is gone. */
const ownCopy = (body: Uint8Array, isOwned: boolean): Uint8Array =>
  isOwned ? body : new Uint8Array(body)

export class Queue<T> {
  readonly name: string
  readonly #hub: MessagingHub
  readonly #sender: Sender<T>

  /** Made by `client.queue(name, options)`. */
  constructor(hub: MessagingHub, name: string, options: QueueOptions<T>) {
    this.name = name
    this.#hub = hub
    this.#sender = new Sender(hub, name, options)
  }

  /** @internal For transactions. */
  get sender(): Sender<T> {
    return this.#sender
  }

  /**
   * What is there with the same settings stays. `exclusive`: it is this connection's, and goes with
   * it. ERR_QUEUE_EXISTS, ERR_QUEUE_LOCKED, ERR_INVALID_NAME, ERR_INVALID_ARGUMENT.
   */
  async declare(
    options: QueueSettings & { readonly exclusive?: boolean } & AbortOptions = {},
  ): Promise<QueueDescription> {
    const { signal, exclusive, ...settings } = options
    const body = encodeQueueDeclare({ queue: this.name, settings, exclusive })
    return this.#describeBy(Opcode.QUEUE_DECLARE, body, { signal, isSafe: true })
  }

  /** ERR_QUEUE_NOT_FOUND, ERR_QUEUE_LOCKED. */
  async describe({ signal }: AbortOptions = {}): Promise<QueueDescription> {
    const body = encodeQueueDescribe({ queue: this.name })
    return this.#describeBy(Opcode.QUEUE_DESCRIBE, body, { signal, isSafe: true })
  }

  /** Settings in place; those not named stay. ERR_QUEUE_NOT_FOUND, ERR_INVALID_ARGUMENT. */
  async alter(options: QueueSettingsPatch & AbortOptions): Promise<QueueDescription> {
    const { signal, ...settings } = options
    const body = encodeQueueAlter({ queue: this.name, settings })
    return this.#describeBy(Opcode.QUEUE_ALTER, body, { signal, isSafe: true })
  }

  /** How many messages were ready; what is not there had none. */
  async delete(options: DeleteQueueOptions = {}): Promise<number> {
    const { ifUnused, ifEmpty, signal } = options
    const body = encodeQueueDelete({ queue: this.name, ifUnused, ifEmpty })
    return this.#count(Opcode.QUEUE_DELETE, body, signal)
  }

  /** This queue gets what is published to the exchange with that key. */
  async bind(exchange: string, options: BindOptions = {}): Promise<void> {
    const target = { targetKind: 'queue', target: this.name } as const
    await bind(this.#hub.session, exchange, target, options)
  }

  async unbind(exchange: string, options: BindOptions = {}): Promise<void> {
    const target = { targetKind: 'queue', target: this.name } as const
    await unbind(this.#hub.session, exchange, target, options)
  }

  /**
   * Sends a message to this queue; resolves when it has it, on disk if it is durable. As
   * `exchange.publish`, and ERR_QUEUE_NOT_FOUND.
   */
  async send(payload: T, options: MessageOptions & WaitOptions = {}): Promise<void> {
    const targets = await this.#sender.publish('', this.name, payload, options)
    if (targets === 0) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [this.name])
  }

  /** Sends and makes no promise, for speed: as `exchange.write`. */
  write(payload: T, options: MessageOptions = {}): boolean {
    return this.#sender.write('', this.name, payload, options, this.name)
  }

  /** Resolves when `write` may go on. */
  ready(options: WaitOptions = {}): Promise<void> {
    return this.#sender.ready(options)
  }

  /** As `exchange.flush`. */
  flush(options: WaitOptions = {}): Promise<void> {
    return this.#sender.flush(options)
  }

  /** Deliveries as an async iterable; settle each of them. */
  consume(options: QueueConsumeOptions = {}): QueueConsumer<T> {
    const { codec, schema } = this.#sender
    return new QueueConsumer<T>(this.#hub, this.name, codec, schema, options)
  }

  /** One message now, `undefined` when none is ready. Settle it. */
  async get(options: AbortOptions = {}): Promise<Delivery<T> | undefined> {
    const { session } = this.#hub
    const body = encodeGet({ queue: this.name })
    const timeoutMs = session.options.requestTimeoutMs
    const { signal } = options
    const got = await session.repeat(
      async (live, outcome) => {
        const settler = this.#hub.settlerOf(live)
        const decode = (answer: Uint8Array, isOwned: boolean): QueueDelivery | undefined =>
          decodeGot(ownCopy(answer, isOwned)).delivery
        const wire = await call(live.connection, Opcode.GET, body, decode, {
          timeoutMs,
          signal,
          outcome,
        })
        return { wire, settler }
      },
      { signal, isSafe: true },
    )
    return got.wire === undefined ? undefined : this.#deliveryOf(got.wire, got.settler)
  }

  /** Ready messages from the front, without taking them; as many as fit an answer. */
  async peek(
    options: { readonly count?: number } & AbortOptions = {},
  ): Promise<readonly QueuedMessage<T>[]> {
    const { count = 1, signal } = options
    checkInteger('count', count, 1, PEEK_COUNT_MAX)
    const body = encodeQueuePeek({ queue: this.name, count })
    const decode = (answer: Uint8Array, isOwned: boolean): readonly QueueDelivery[] =>
      decodeQueueDeliveries(ownCopy(answer, isOwned))
    const { session } = this.#hub
    const peeked = await session.call(Opcode.QUEUE_PEEK, body, decode, { signal, isSafe: true })
    return peeked.map((wire) => new QueuedMessage(this.name, wire, this.#sender.codec))
  }

  /** Removes the ready messages; how many they were. */
  async purge({ signal }: AbortOptions = {}): Promise<number> {
    return this.#count(Opcode.QUEUE_PURGE, encodeQueueDescribe({ queue: this.name }), signal)
  }

  /** Publishes ready messages to an exchange and removes them here, at least once; how many. */
  async move(exchange: string, options: MoveOptions = {}): Promise<number> {
    const { routingKey, count, signal } = options
    if (count !== undefined) checkOffset('count', count)
    const body = encodeQueueMove({ queue: this.name, exchange, routingKey, count })
    return this.#count(Opcode.QUEUE_MOVE, body, signal)
  }

  /** Settled messages that came in since then, and that `retentionMs` kept, are ready again. */
  async replay(since: Date | number, { signal }: AbortOptions = {}): Promise<number> {
    const ms = checkOffset('since', isDate(since) ? since.getTime() : since)
    return this.#count(
      Opcode.QUEUE_REPLAY,
      encodeQueueReplay({ queue: this.name, since: ms }),
      signal,
    )
  }

  #deliveryOf(wire: QueueDelivery, settler: Settler): Delivery<T> {
    return new Delivery(this.name, wire, this.#sender.codec, settler)
  }

  #describeBy(
    opcode: number,
    body: Uint8Array,
    options: { readonly signal: AbortSignal | undefined; readonly isSafe: boolean },
  ): Promise<QueueDescription> {
    return this.#hub.session.call(opcode, body, decodeQueueDescription, options)
  }

  async #count(opcode: number, body: Uint8Array, signal?: AbortSignal): Promise<number> {
    const { session } = this.#hub
    return (await session.call(opcode, body, decodeMessagesCounted, { signal })).messages
  }
}
