/** An exchange: where messages are published to, and from where bindings lead on. */
import {
  decodeDone,
  decodeExchangeDescription,
  encodeExchangeDeclare,
  encodeExchangeDelete,
  encodeExchangeDescribe,
  type ExchangeDescription,
  Opcode,
} from '@millrace/protocol'
import type { AbortOptions } from '../admin.ts'
import type { WaitOptions } from '../wait.ts'
import type { MessageOptions } from './message-options.ts'
import type { MessagingHub } from './messaging-hub.ts'
import { bind, unbind } from './messaging-requests.ts'
import { type PublishResult, Sender, type SenderOptions } from './sender.ts'
import type { BindOptions, ExchangeSettings } from './settings.ts'

export type ExchangeOptions<T> = SenderOptions<T>

export class Exchange<T> {
  readonly name: string
  readonly #hub: MessagingHub
  readonly #sender: Sender<T>

  /** Made by `client.exchange(name, options)`. */
  constructor(hub: MessagingHub, name: string, options: ExchangeOptions<T>) {
    this.name = name
    this.#hub = hub
    this.#sender = new Sender(hub, name, options)
  }

  /** @internal For transactions. */
  get sender(): Sender<T> {
    return this.#sender
  }

  /** What is there with the same settings stays. ERR_EXCHANGE_EXISTS, ERR_RESERVED_NAME. */
  async declare(options: ExchangeSettings & AbortOptions = {}): Promise<ExchangeDescription> {
    const { signal, ...settings } = options
    const body = encodeExchangeDeclare({ exchange: this.name, settings })
    return this.#hub.session.call(Opcode.EXCHANGE_DECLARE, body, decodeExchangeDescription, {
      signal,
      isSafe: true,
    })
  }

  /** ERR_EXCHANGE_NOT_FOUND. */
  async describe({ signal }: AbortOptions = {}): Promise<ExchangeDescription> {
    const body = encodeExchangeDescribe({ exchange: this.name })
    return this.#hub.session.call(Opcode.EXCHANGE_DESCRIBE, body, decodeExchangeDescription, {
      signal,
      isSafe: true,
    })
  }

  /** With its bindings; what is not there counts as deleted. `ifUnused`: ERR_EXCHANGE_IN_USE. */
  async delete(options: { readonly ifUnused?: boolean } & AbortOptions = {}): Promise<void> {
    const { ifUnused, signal } = options
    const body = encodeExchangeDelete({ exchange: this.name, ifUnused })
    await this.#hub.session.call(Opcode.EXCHANGE_DELETE, body, decodeDone, { signal, isSafe: true })
  }

  /** What comes here goes into the topic; the routing key is the key of its records. */
  async bindTopic(topic: string, options: BindOptions = {}): Promise<void> {
    await bind(this.#hub.session, this.name, { targetKind: 'topic', target: topic }, options)
  }

  async unbindTopic(topic: string, options: BindOptions = {}): Promise<void> {
    await unbind(this.#hub.session, this.name, { targetKind: 'topic', target: topic }, options)
  }

  /** This exchange gets what is published to `source` with that key. */
  async bind(source: string, options: BindOptions = {}): Promise<void> {
    const target = { targetKind: 'exchange', target: this.name } as const
    await bind(this.#hub.session, source, target, options)
  }

  async unbind(source: string, options: BindOptions = {}): Promise<void> {
    const target = { targetKind: 'exchange', target: this.name } as const
    await unbind(this.#hub.session, source, target, options)
  }

  /**
   * Publishes a message; resolves when every durable target has it on disk, with how many took it: 0
   * when no binding matched. Waits while much is on its way. In the order of the calls.
   *
   * A lost connection is waited for, up to 2 minutes, and what got no answer is sent again: at least
   * once. Rejects with ERR_EXCHANGE_NOT_FOUND, ERR_MESSAGE_REFUSED, ERR_INVALID_ARGUMENT,
   * ERR_NOT_AUTHORIZED, ERR_STORAGE_FULL; with ERR_TIMED_OUT and ERR_CONNECTION_LOST it may have been
   * published, and the text says so.
   */
  async publish(
    routingKey: string,
    payload: T,
    options: MessageOptions & WaitOptions = {},
  ): Promise<PublishResult> {
    return { targets: await this.#sender.publish(this.name, routingKey, payload, options) }
  }

  /**
   * Publishes and makes no promise, for speed; false asks to `await ready()` before the next one. A
   * failure is thrown by the next `flush`. Nothing is checked by a schema.
   */
  write(routingKey: string, payload: T, options: MessageOptions = {}): boolean {
    return this.#sender.write(this.name, routingKey, payload, options, undefined)
  }

  /** Resolves when `write` may go on. */
  ready(options: WaitOptions = {}): Promise<void> {
    return this.#sender.ready(options)
  }

  /**
   * Resolves when everything that this client has published so far has its outcome. Throws the first
   * failure of a `write` since the last `flush`.
   */
  flush(options: WaitOptions = {}): Promise<void> {
    return this.#sender.flush(options)
  }
}
