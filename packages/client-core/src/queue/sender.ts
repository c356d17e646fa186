/** What exchanges and queues have in common: a payload codec, perhaps a schema, and the publisher. */
import { abortedError, asBrokerError } from '../errors.ts'
import { type CodecName, type PayloadCodec, resolveCodec } from '../payload-codec.ts'
import { acceptPayload } from '../schema.ts'
import { abortable, type WaitOptions } from '../wait.ts'
import type { PayloadSchema } from './consume-options.ts'
import type { MessageOptions } from './message-options.ts'
import type { MessagingHub } from './messaging-hub.ts'
import type { PublishEntry, PublishWaiter } from './publish-batch.ts'

export interface SenderOptions<T> {
  /** How payloads become bytes. Default: `json`. */
  readonly codec?: CodecName | PayloadCodec<T>
  /** What is published is checked by it, and what is read too. Any library of Standard Schema. */
  readonly schema?: PayloadSchema<never, T> | PayloadSchema<T, T> | undefined
  /**
   * Whether what got no answer before the connection was lost is sent again, with the same message
   * id: at least once, and once in queues that drop doubles. False: it fails with
   * ERR_CONNECTION_LOST, and was published at most once. Default: true.
   */
  readonly resend?: boolean
}

export interface PublishResult {
  /** Queues and topics that took it; 0: nobody did. */
  readonly targets: number
}

export class Sender<T> {
  readonly codec: PayloadCodec<T>
  readonly schema: PayloadSchema<unknown, T> | undefined
  readonly #hub: MessagingHub
  readonly #resends: boolean
  readonly #name: string

  constructor(hub: MessagingHub, name: string, options: SenderOptions<T>) {
    this.codec = resolveCodec(options.codec)
    this.schema = options.schema as PayloadSchema<unknown, T> | undefined
    this.#hub = hub
    this.#resends = options.resend ?? true
    this.#name = name
  }

  /** Resolves with the number of targets when all of them have it. */
  async publish(
    exchange: string,
    routingKey: string,
    payload: T,
    options: MessageOptions & WaitOptions,
  ): Promise<number> {
    const { signal } = options
    if (signal?.aborted === true) throw abortedError(signal)
    if (this.schema !== undefined) {
      acceptPayload(await this.schema['~standard'].validate(payload), this.#name)
    }
    const { publisher } = this.#hub
    if (!publisher.hasRoom) await publisher.room(options)
    const published = new Promise<number>((resolve, reject) => {
      const waiter: PublishWaiter = { resolve, reject }
      try {
        this.#append(exchange, routingKey, payload, options, waiter)
      } catch (error) {
        reject(asBrokerError(error))
      }
    })
    return abortable(published, signal)
  }

  /** False asks to wait for `ready`. */
  write(
    exchange: string,
    routingKey: string,
    payload: T,
    options: MessageOptions,
    entry: PublishEntry,
  ): boolean {
    this.#append(exchange, routingKey, payload, options, entry)
    return this.#hub.publisher.hasRoom
  }

  ready(options: WaitOptions): Promise<void> {
    return this.#hub.publisher.room(options)
  }

  flush(options: WaitOptions): Promise<void> {
    return this.#hub.publisher.flush(options)
  }

  #append(
    exchange: string,
    routingKey: string,
    payload: T,
    options: MessageOptions,
    entry: PublishEntry,
  ): void {
    const { encoder, publisher } = this.#hub
    const message = encoder.encode(exchange, routingKey, payload, this.codec, options)
    publisher.publish(message, entry, this.#resends)
  }
}
