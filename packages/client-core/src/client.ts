/**
 * One client: one connection to one broker, and the producers and consumers on it. What a program
 * holds; the transport package makes it.
 */
import type { BrokerError } from '@millrace/codec'
import type { Connected, GoAway } from '@millrace/protocol'
import { Admin } from './admin.ts'
import { checkTopic } from './check.ts'
import { Consumer } from './consumer/consumer.ts'
import type { ConsumeOptions } from './consumer/consumer-options.ts'
import { Emitter, type Listener } from './emitter.ts'
import { closedError } from './errors.ts'
import { type FetchOptions, type FetchResult, fetchMessages } from './fetch.ts'
import { Producer } from './producer/producer.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import type { BrokerSession } from './session/broker-session.ts'
import type { WaitOptions } from './wait.ts'

/** What happened to the connection. */
export type ClientStatus =
  /** The broker will end it: no new request is taken. */
  | { readonly type: 'goingAway'; readonly reason: string; readonly reconnectAfterMs: number }
  /** It broke. Everything that waited was told. */
  | { readonly type: 'lost'; readonly error: BrokerError }
  /** It was closed from here. */
  | { readonly type: 'closed' }

export interface ClientEvents {
  status: ClientStatus
}

export class Client {
  /** Topics: create, list, describe, alter, delete, offsets. */
  readonly admin: Admin
  /**
   * Resolves when the connection is over: with the error that ended it, or undefined after `close`.
   * Never rejects.
   */
  readonly closed: Promise<BrokerError | undefined>
  readonly #session: BrokerSession
  readonly #emitter = new Emitter<ClientEvents>()
  readonly #producers = new Set<Producer<never>>()
  readonly #consumers = new Set<Consumer<never>>()
  #isClosing = false

  /** @internal Made by `connect`. */
  constructor(session: BrokerSession) {
    this.#session = session
    this.admin = new Admin(() => session)
    this.closed = session.connection.closed.then((error) => this.#onConnectionEnd(error))
    session.connection.onGoAway = (goAway) => this.#onGoAway(goAway)
  }

  /** Name and version of the broker, and what it allows. */
  get broker(): Connected {
    return this.#session.connected
  }

  get isOpen(): boolean {
    return this.#session.connection.isOpen && !this.#isClosing
  }

  /** A producer for one topic. The topic is opened with the first message. */
  producer<T = unknown>(topic: string, options: ProducerOptions<T> = {}): Producer<T> {
    this.#checkUsable()
    const onClosed = (ended: Producer<T>): void => void this.#producers.delete(ended as never)
    const producer = new Producer<T>(this.#session, checkTopic(topic), options, onClosed)
    this.#producers.add(producer as never)
    return producer
  }

  /** The messages of a topic, as an async iterable. */
  consume<T = unknown>(topic: string, options: ConsumeOptions<T> = {}): Consumer<T> {
    this.#checkUsable()
    const onClosed = (ended: Consumer<T>): void => void this.#consumers.delete(ended as never)
    const consumer = new Consumer<T>(this.#session, checkTopic(topic), options, onClosed)
    this.#consumers.add(consumer as never)
    return consumer
  }

  /**
   * One pull: messages of a partition from an offset on. ERR_TOPIC_NOT_FOUND,
   * ERR_PARTITION_NOT_FOUND, ERR_OFFSET_OUT_OF_RANGE, ERR_BATCH_CHECKSUM, ERR_TIMED_OUT.
   */
  async fetch<T = unknown>(
    topic: string,
    partition: number,
    offset: number,
    options: FetchOptions<T> = {},
  ): Promise<FetchResult<T>> {
    this.#checkUsable()
    return fetchMessages(this.#session, topic, partition, offset, options)
  }

  /**
   * Ends in order: consumers stop, everything accepted is sent and acknowledged, the broker is told.
   * Throws the first failure of a `write` that nobody was told, after the connection is closed.
   */
  async drain(options: WaitOptions = {}): Promise<void> {
    if (this.#isClosing) return void (await this.closed)
    this.#isClosing = true
    const consumers = [...this.#consumers].map((consumer) => consumer.close())
    const producers = [...this.#producers].map((producer) => producer.close(options))
    const outcomes = await Promise.allSettled([...consumers, ...producers])
    await this.#end()
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /**
   * Ends now: what is not sent fails with ERR_CLOSED; answers that are due are waited for, up to 5 s.
   * Never throws; twice is once.
   */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#end()
  }

  /** Drains. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  /** Listens; the returned function stops it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: Listener<ClientEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener)
  }

  #checkUsable(): void {
    const { closeReason } = this.#session.connection
    if (closeReason !== undefined) throw closeReason
    if (this.#isClosing) throw closedError('the client')
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    const error = closedError('the client')
    for (const producer of this.#producers) producer.stop(error)
    await this.#session.connection.close()
    await this.closed
  }

  #onConnectionEnd(error: BrokerError | undefined): BrokerError | undefined {
    const reason = error ?? closedError('the client')
    for (const producer of [...this.#producers]) producer.fail(reason)
    this.#emit(error === undefined ? { type: 'closed' } : { type: 'lost', error })
    return error
  }

  #onGoAway({ reason, reconnectAfterMs }: GoAway): void {
    this.#emit({ type: 'goingAway', reason, reconnectAfterMs })
  }

  /** Not from inside a frame: a listener that throws must not end the connection. */
  #emit(status: ClientStatus): void {
    this.#session.platform.defer(() => this.#emitter.emit('status', status))
  }
}
