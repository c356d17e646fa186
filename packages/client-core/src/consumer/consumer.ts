/**
 * Reads a topic: `for await (const message of client.consume('orders'))`, or by lists with
 * `batches()`. It subscribes when the iteration begins, or with `ready()`.
 */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import { Opcode, type Subscribed, decodeOffsetsListed, encodeListOffsets } from '@millrace/protocol'
import { Emitter, type Listener } from '../emitter.ts'
import { abortedError, asBrokerError } from '../errors.ts'
import type { BrokerSession, LiveConnection } from '../session/broker-session.ts'
import { type WaitOptions, Waiters, abortable } from '../wait.ts'
import {
  type ConsumeOptions,
  type ResolvedConsumeOptions,
  resolveConsumeOptions,
} from './consumer-options.ts'
import type { Message } from './message.ts'
import { MessageFeed } from './message-feed.ts'
import { QueuedIterator } from './queued-iterator.ts'
import { type Gap, Subscription } from './subscription.ts'

export interface ConsumerEvents {
  /** Messages that cannot be delivered; with `onGap: 'throw'` the iteration throws instead. */
  gap: ConsumerGapEvent
}

export interface ConsumerGapEvent extends Gap {
  /** Why: ERR_OFFSET_OUT_OF_RANGE, they were removed; ERR_DATA_CORRUPT, they are damaged. */
  readonly error: BrokerError
}

export class Consumer<T> implements AsyncIterable<Message<T>, undefined> {
  readonly topic: string
  readonly #session: BrokerSession
  readonly #options: ResolvedConsumeOptions<T>
  readonly #onClosed: (consumer: Consumer<T>) => void
  readonly #arrivals = new Waiters()
  readonly #subscription: Subscription
  readonly #feed: MessageFeed<T>
  readonly #emitter = new Emitter<ConsumerEvents>()
  #starting: Promise<void> | undefined
  #isClosed = false
  #failure: BrokerError | undefined
  #stopListening: (() => void) | undefined

  /** Made by `client.consume(topic, options)`. */
  constructor(
    session: BrokerSession,
    topic: string,
    options: ConsumeOptions<T>,
    onClosed: (consumer: Consumer<T>) => void,
  ) {
    this.topic = topic
    this.#session = session
    this.#options = resolveConsumeOptions(options)
    this.#onClosed = onClosed
    this.#subscription = this.#makeSubscription()
    this.#feed = new MessageFeed(
      topic,
      this.#options,
      this.#subscription,
      session.platform.compression,
    )
    this.#listenToSignal()
  }

  /**
   * Resolves when the broker has accepted the subscription: from then on nothing is missed. Rejects
   * with ERR_TOPIC_NOT_FOUND, ERR_PARTITION_NOT_FOUND, ERR_OFFSET_OUT_OF_RANGE, ERR_CONNECTION_LOST.
   */
  async ready(options: WaitOptions = {}): Promise<void> {
    await abortable(this.#start(), options.signal)
  }

  /**
   * The messages, in order within each partition, also across connections: each once. Leaving the
   * loop unsubscribes. Throws ERR_BATCH_CHECKSUM, ERR_TOPIC_DELETED, ERR_ABORTED, and when the client
   * is over why it is, ERR_CONNECTION_LOST for example.
   */
  [Symbol.asyncIterator](): QueuedIterator<Message<T>> {
    return new QueuedIterator({
      takeNow: () => this.#feed.takeMessage(),
      refill: () => this.#refill(),
      close: () => this.close(),
    })
  }

  /** The same messages in lists, each of one partition: one promise a list, for speed. */
  batches(): QueuedIterator<readonly Message<T>[]> {
    return new QueuedIterator({
      takeNow: () => this.#feed.takeAll(),
      refill: () => this.#refill(),
      close: () => this.close(),
    })
  }

  /**
   * The next offset of each partition, behind the messages the iteration gave out so far. Store it
   * and begin there again: `consume(topic, { from: { offsets } })`.
   */
  offsets(): Record<number, number> {
    return this.#feed.offsets()
  }

  /** Unsubscribes; a running iteration ends without an error. Twice is once. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#feed.stop()
    this.#stopListening?.()
    this.#onClosed(this)
    this.#arrivals.resolveAll()
    await this.#subscription.unsubscribe()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Listens; the returned function stops it. */
  on<Name extends keyof ConsumerEvents>(
    name: Name,
    listener: Listener<ConsumerEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener)
  }

  /** @internal The client is over. */
  onSessionEnd(error: BrokerError): void {
    this.#subscription.fail(error)
    this.#arrivals.resolveAll()
  }

  #makeSubscription(): Subscription {
    return new Subscription(this.#session, this.topic, this.#options as never, {
      onChange: () => this.#arrivals.resolveAll(),
      onGap: (gap, error) => this.#reportGap({ ...gap, error }),
    })
  }

  /** Not from inside a frame: a listener that throws must not end the connection. */
  #reportGap(event: ConsumerGapEvent): void {
    this.#session.platform.defer(() => this.#emitter.emit('gap', event))
  }

  #listenToSignal(): void {
    const { signal } = this.#options
    if (signal === undefined) return
    const onAbort = (): void => this.#fail(abortedError(signal))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    this.#stopListening = () => signal.removeEventListener('abort', onAbort)
  }

  /** What was delivered before is not given out any more. */
  #fail(error: BrokerError): void {
    this.#failure ??= error
    this.#arrivals.resolveAll()
    void this.close()
  }

  #start(): Promise<void> {
    this.#starting ??= this.#subscribe()
    return this.#starting
  }

  async #subscribe(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const endOffsets = this.#options.follow ? undefined : await this.#listEndOffsets()
    const { partitions } = await this.#subscribeOrCreate()
    this.#feed.start(partitions, endOffsets)
    // Closed meanwhile: `close` saw no subscription to end.
    if (this.#isClosed) await this.#subscription.unsubscribe()
  }

  async #subscribeOrCreate(): Promise<Subscribed> {
    try {
      return await this.#subscribeOnce()
    } catch (error) {
      const isMissing = isBrokerError(error) && error.code === 'ERR_TOPIC_NOT_FOUND'
      const mayCreate = this.#options.createTopic && this.#session.connected.autoCreateTopics
      if (!isMissing || !mayCreate) throw error
    }
    const { signal } = this.#options
    const open = (live: LiveConnection): Promise<unknown> => live.topics.open(this.topic, true)
    await this.#session.repeat(open, { signal, isSafe: true })
    return this.#subscribeOnce()
  }

  #subscribeOnce(): Promise<Subscribed> {
    const { signal } = this.#options
    const run = (live: LiveConnection): Promise<Subscribed> => this.#subscription.subscribe(live)
    return this.#session.repeat(run, { signal, isSafe: true })
  }

  async #listEndOffsets(): Promise<ReadonlyMap<number, number>> {
    const { partitions, signal } = this.#options
    const body = encodeListOffsets({ topic: this.topic, partitions, at: 'latest' })
    const { offsets } = await this.#session.call(Opcode.LIST_OFFSETS, body, decodeOffsetsListed, {
      signal,
      isSafe: true,
    })
    return new Map(offsets.map(({ partition, highWatermark }) => [partition, highWatermark]))
  }

  /** Until there is a message, or an end. */
  async #refill(): Promise<boolean> {
    try {
      if (!this.#isClosed) await this.#start()
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure
        if (this.#isClosed) return false
        if (this.#feed.advance()) return true
        if (this.#feed.isAtEnd) return await this.#finish()
        if (this.#subscription.end !== undefined) throw this.#subscription.end
        await this.#arrivals.wait()
      }
    } catch (error) {
      void this.close()
      throw this.#failure ?? asBrokerError(error)
    }
  }

  async #finish(): Promise<boolean> {
    await this.close()
    return false
  }
}
