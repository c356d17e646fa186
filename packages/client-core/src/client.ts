/**
 * One client: a connection to a broker, made again when it is lost, and the producers and consumers
 * on it. What a program holds; the transport package makes it.
 */
import type { BrokerError } from '@millrace/codec'
import type { Connected } from '@millrace/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { Admin } from './admin.ts'
import { checkTopic } from './check.ts'
import { Consumer } from './consumer/consumer.ts'
import type { ConsumeOptions } from './consumer/consumer-options.ts'
import { Emitter, type Listener } from './emitter.ts'
import { closedError } from './errors.ts'
import { type FetchOptions, type FetchResult, fetchMessages } from './fetch.ts'
import { Producer } from './producer/producer.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import { Exchange, type ExchangeOptions } from './queue/exchange.ts'
import { checkName, checkQueue } from './queue/message-options.ts'
import { MessagingHub } from './queue/messaging-hub.ts'
import { Queue, type QueueOptions } from './queue/queue.ts'
import { runTransaction, type Transaction } from './queue/transaction.ts'
import { Worker, type WorkHandler, type WorkOptions } from './queue/worker.ts'
import type { BrokerSession } from './session/broker-session.ts'
import type { QueuedIterator } from './consumer/queued-iterator.ts'
import { type ClientStatus, StatusFeed } from './status.ts'
import { TypedTopic, type TypedTopicOptions } from './typed-topic.ts'
import type { WaitOptions } from './wait.ts'

export type { ClientStatus } from './status.ts'

export interface ClientEvents {
  status: ClientStatus
}

export class Client {
  /** Topics: create, list, describe, alter, delete, offsets. */
  readonly admin: Admin
  /**
   * Resolves when the client is over: with the error that ended it (no further attempt to connect
   * is made), or undefined after `close`. Never rejects.
   */
  readonly closed: Promise<BrokerError | undefined>
  readonly #session: BrokerSession
  readonly #emitter = new Emitter<ClientEvents>()
  readonly #producers = new Set<Producer<never>>()
  readonly #consumers = new Set<Consumer<never>>()
  readonly #feeds = new Set<StatusFeed>()
  #messaging: MessagingHub | undefined
  #status: ClientStatus
  #isClosing = false

  /** @internal Made by `connect`. */
  constructor(session: BrokerSession) {
    this.#session = session
    this.admin = new Admin(() => session)
    this.#status = { type: 'connected', url: session.live?.address.url ?? '' }
    session.onStatus = (status) => this.#emit(status)
    this.closed = session.closed.then((error) => this.#onEnd(error))
  }

  /** Name and version of the broker, and what it allows. */
  get broker(): Connected {
    return this.#session.connected
  }

  /** Whether requests go out now; false also while the connection is made again. */
  get isOpen(): boolean {
    return this.#session.live?.connection.isOpen === true && !this.#isClosing
  }

  /**
   * The present status, then every change of it, until the client is over:
   * `for await (const status of client.status())`.
   */
  status(): QueuedIterator<ClientStatus> {
    const feed = new StatusFeed((ended) => this.#feeds.delete(ended))
    this.#feeds.add(feed)
    feed.push(this.#status)
    return feed.iterate()
  }

  /** A producer for one topic. The topic is opened with the first message. */
  producer<T = unknown>(topic: string, options: ProducerOptions<T> = {}): Producer<T> {
    this.#checkUsable()
    const onClosed = (ended: Producer<T>): void => void this.#producers.delete(ended as never)
    const producer = new Producer<T>(this.#session, checkTopic(topic), options, onClosed)
    this.#producers.add(producer as never)
    return producer
  }

  /** A topic whose payloads a schema describes: what is published and read is typed and checked. */
  topic<Schema extends StandardSchemaV1>(
    name: string,
    options: TypedTopicOptions<Schema>,
  ): TypedTopic<Schema> {
    this.#checkUsable()
    return new TypedTopic(this, checkTopic(name), options)
  }

  /** The messages of a topic, as an async iterable. */
  consume<T = unknown>(topic: string, options: ConsumeOptions<T> = {}): Consumer<T> {
    this.#checkUsable()
    const onClosed = (ended: Consumer<T>): void => void this.#consumers.delete(ended as never)
    const consumer = new Consumer<T>(this.#session, checkTopic(topic), options, onClosed)
    this.#consumers.add(consumer as never)
    return consumer
  }

  /** A queue: each message goes to one of its consumers. Nothing is sent before it is used. */
  queue<T = unknown>(name: string, options: QueueOptions<T> = {}): Queue<T> {
    return new Queue<T>(this.#hub(), checkQueue(name), options)
  }

  /** An exchange: messages are published to it, and bindings lead on to queues and topics. */
  exchange<T = unknown>(name: string, options: ExchangeOptions<T> = {}): Exchange<T> {
    return new Exchange<T>(this.#hub(), checkName('exchange', name), options)
  }

  /** Runs the handler for each message of a queue, several at once, and again when it fails. */
  work<T = unknown>(
    queue: string | Queue<T>,
    handler: WorkHandler<T>,
    options: WorkOptions<T> = {},
  ): Worker<T> {
    const from = typeof queue === 'string' ? this.queue<T>(queue) : queue
    return new Worker<T>(this.#hub(), from, handler, options)
  }

  /**
   * What the function publishes and settles happens together or not at all, also across a crash of
   * the broker; answers what the function answers. Rejects with what it throws, and with
   * ERR_CONNECTION_LOST when the connection of a delivery is gone; the text says when it may have
   * happened all the same.
   */
  async transaction<Result>(
    run: (transaction: Transaction) => Promise<Result> | Result,
    options: WaitOptions = {},
  ): Promise<Result> {
    return runTransaction(this.#hub(), run, options)
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
    await this.#messaging?.drainConsumers()
    const producers = [...this.#producers].map((producer) => producer.close(options))
    const publisher = this.#messaging?.publisher.flush(options)
    const outcomes = await Promise.allSettled([...consumers, ...producers, publisher])
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

  #hub(): MessagingHub {
    this.#checkUsable()
    this.#messaging ??= new MessagingHub(this.#session)
    return this.#messaging
  }

  #checkUsable(): void {
    const { end } = this.#session
    if (end !== undefined) throw end
    if (this.#isClosing) throw closedError('the client')
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    const error = closedError('the client')
    for (const producer of this.#producers) producer.stop(error)
    this.#messaging?.stop(error)
    await this.#session.close()
    await this.closed
  }

  #onEnd(error: BrokerError | undefined): BrokerError | undefined {
    const reason = error ?? closedError('the client')
    for (const producer of [...this.#producers]) producer.fail(reason)
    for (const consumer of [...this.#consumers]) consumer.onSessionEnd(reason)
    this.#messaging?.onSessionEnd(reason)
    this.#emit({ type: 'closed', error })
    return error
  }

  /** Not from inside a frame: a listener that throws must not end the connection. */
  #emit(status: ClientStatus): void {
    this.#status = status
    for (const feed of [...this.#feeds]) feed.push(status)
    this.#session.platform.defer(() => this.#emitter.emit('status', status))
  }
}
