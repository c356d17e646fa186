/**
 * Sends messages to one topic. `send` gives a promise per message; `write` is the fast path without
 * one. Both share one order: what was called first is stored first within its partition.
 */
import { BrokerError } from '@millrace/codec'
import type { TopicOpened } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { Emitter, type Listener } from '../emitter.ts'
import { abortedError, asBrokerError, closedError } from '../errors.ts'
import { BUFFERED_BYTES_FACTOR_MAX, RETRY_CEILING_MS, RETRY_INITIAL_MS } from '../limits.ts'
import {
  type BrokerSession,
  type LiveConnection,
  type SessionListener,
  codecsOf,
} from '../session/broker-session.ts'
import { type WaitOptions, Waiters, abortable } from '../wait.ts'
import { Accumulator, type AccumulatorListener } from './accumulator.ts'
import { FieldEncoder, type MessageFields } from './message-fields.ts'
import type { FlushToken } from './outgoing-batch.ts'
import { type ParkedMessage, type ParkedWaiter, Parking } from './parking.ts'
import { IdentitySource } from './producer-identity.ts'
import type { ProduceResult, ProducerMessage } from './producer-message.ts'
import {
  type ProducerOptions,
  type ResolvedProducerOptions,
  resolveProducerOptions,
} from './producer-options.ts'

/** Messages that came through `write` and were not stored, or may not have been. */
export interface ProducerErrorEvent {
  readonly error: BrokerError
  readonly topic: string
  readonly partition: number
  readonly messageCount: number
}

export interface ProducerEvents {
  error: ProducerErrorEvent
}

export class Producer<T> implements AccumulatorListener, SessionListener {
  /** The topic that every message goes to. */
  readonly topic: string
  readonly #session: BrokerSession
  readonly #options: ResolvedProducerOptions<T>
  readonly #encoder: FieldEncoder<T>
  readonly #identities: IdentitySource
  readonly #accumulator: Accumulator<T>
  readonly #parking = new Parking<T>()
  readonly #roomWaiters = new Waiters()
  readonly #emitter = new Emitter<ProducerEvents>()
  readonly #onClosed: (producer: Producer<T>) => void
  #isOpening = false
  /** Something waits for the topic to be open: the next connection opens it. */
  #wantsOpen = false
  #openAttempt = 0
  #cancelRetry: (() => void) | undefined
  #cancelExpiry: (() => void) | undefined
  /** Why nothing is taken any more. */
  #end: BrokerError | undefined
  #isClosing = false
  /** The first failure of a `write` that `flush` has not told yet. */
  #unheard: BrokerError | undefined

  /** Made by `client.producer(topic, options)`. */
  constructor(
    session: BrokerSession,
    topic: string,
    options: ProducerOptions<T>,
    onClosed: (producer: Producer<T>) => void,
  ) {
    this.#session = session
    this.#options = resolveProducerOptions(options, codecsOf(session))
    this.topic = topic
    this.#encoder = new FieldEncoder(session.platform, this.#options)
    this.#identities = new IdentitySource(session.options.requestTimeoutMs)
    this.#accumulator = new Accumulator(session, topic, this.#options, this.#identities, this)
    this.#onClosed = onClosed
    session.addListener(this)
  }

  /** Bytes accepted by `send` and `write` that are not acknowledged yet. */
  get bufferedBytes(): number {
    return this.#accumulator.bufferedBytes + this.#parking.bytes
  }

  /**
   * Sends one message; resolves with its offset when it is as durable as the producer asked for.
   * Waits while `bufferedBytesMax` bytes are on their way. What the message holds is copied at once.
   *
   * A lost connection is waited for, up to `deliveryTimeoutMs`. Rejects with ERR_BATCH_TOO_LARGE,
   * ERR_INVALID_ARGUMENT, ERR_TOPIC_NOT_FOUND, ERR_STORAGE_FULL. With ERR_TIMED_OUT,
   * ERR_CONNECTION_LOST or ERR_UNKNOWN_PRODUCER the message may have been stored, and the text says
   * so; so it is after an abort, unless it still waited for room.
   */
  send(message: ProducerMessage<T>, options: WaitOptions = {}): Promise<ProduceResult> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw abortedError(signal)
      const waiter: ParkedWaiter = { isAborted: false, resolve, reject }
      if (signal !== undefined) this.#listenToAbort(waiter, signal)
      try {
        this.#accept(this.#encodeChecked(message), waiter)
      } catch (error) {
        waiter.reject(asBrokerError(error))
      }
    })
  }

  /**
   * Sends one message and forgets it: no promise, so that a million a second are possible. The
   * message is accepted, whatever the answer; false asks to `await ready()` before the next one.
   * A failure later on is thrown by the next `flush` or `close`, and told by the `error` event.
   *
   * Throws ERR_BATCH_TOO_LARGE and ERR_INVALID_ARGUMENT at once; ERR_LIMIT_EXCEEDED when twice
   * `bufferedBytesMax` waits because its answer was ignored; ERR_CLOSED, ERR_CONNECTION_LOST.
   */
  write(message: ProducerMessage<T>): boolean {
    const fields = this.#encodeChecked(message)
    const limit = this.#options.bufferedBytesMax * BUFFERED_BYTES_FACTOR_MAX
    if (this.bufferedBytes >= limit) {
      const what = 'bytes waiting to be sent: await ready() when write() returns false'
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [limit, what])
    }
    this.#accept(fields, undefined)
    return this.#hasRoom
  }

  /**
   * Resolves when `write` may go on, at once if it may already. Rejects when the producer is closed,
   * the topic cannot be opened or the connection is lost.
   */
  async ready(options: WaitOptions = {}): Promise<void> {
    this.#checkUsable()
    if (this.#hasRoom) return
    this.#openIfNeeded()
    await abortable(this.#roomWaiters.wait(), options.signal)
  }

  /**
   * Resolves when everything accepted so far is acknowledged. Throws the first failure of a `write`
   * since the last `flush`; the promises of `send` tell their own.
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    if (this.#end === undefined) {
      const done = new Promise<void>((resolve) => {
        if (this.#parking.count > 0) this.#parking.addMark(() => this.#placeToken(resolve))
        else this.#placeToken(resolve)
      })
      await abortable(done, options.signal)
    }
    const error = this.#unheard
    this.#unheard = undefined
    if (error !== undefined) throw error
  }

  /** Takes no more messages, flushes, and is done. Throws what `flush` throws. Twice is once. */
  async close(options: WaitOptions = {}): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    try {
      await this.flush(options)
    } finally {
      this.fail(closedError('the producer'))
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Listens; the returned function stops it. */
  on<Name extends keyof ProducerEvents>(
    name: Name,
    listener: Listener<ProducerEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener)
  }

  /** @internal Takes and sends nothing more; what is in flight may still be answered. */
  stop(error: BrokerError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#session.removeListener(this)
    this.#cancelRetry?.()
    this.#cancelExpiry?.()
    this.#rejectParked(error)
    this.#accumulator.failUnsent(error)
    this.#roomWaiters.rejectAll(error)
  }

  /** @internal Ends it: what is not acknowledged fails with this error. */
  fail(error: BrokerError): void {
    this.stop(error)
    this.#accumulator.failInFlight(error)
    this.#onClosed(this)
  }

  /** @internal */
  onRoom(): void {
    while (this.#accumulator.isOpen && !this.#accumulator.isOverfull) {
      const parked = this.#parking.take()
      if (parked === undefined) break
      const { fields, waiter } = parked
      if (waiter?.isAborted !== true) this.#appendParked(fields, waiter)
    }
    if (this.#hasRoom) this.#roomWaiters.resolveAll()
  }

  /** @internal */
  onUnheard(error: BrokerError, partition: number, messageCount: number): void {
    this.#unheard ??= error
    const event = { error, topic: this.topic, partition, messageCount }
    // Not from here: a listener that throws must not end the connection.
    this.#session.platform.defer(() => this.#emitter.emit('error', event))
  }

  /** @internal */
  onStaleHandle(stale: TopicOpened): void {
    void this.#reopen(stale)
  }

  /** @internal */
  onIdentityNeeded(): void {
    this.#openIfNeeded(true)
  }

  /** @internal */
  onUp(): void {
    this.#openAttempt = 0
    if (this.#wantsOpen || this.#accumulator.isOpen) this.#openIfNeeded()
  }

  /** @internal */
  onDown(): void {
    this.#cancelRetry?.()
    this.#accumulator.onDown()
    this.#watchExpiry()
  }

  get #hasRoom(): boolean {
    const accumulator = this.#accumulator
    if (!accumulator.isOpen || this.#parking.count > 0) return false
    return !accumulator.isOverfull && !accumulator.isTurnFull
  }

  #checkUsable(): void {
    if (this.#end !== undefined) throw this.#end
    if (this.#isClosing) throw closedError('the producer')
  }

  #encodeChecked(message: ProducerMessage<T>): MessageFields<T> {
    this.#checkUsable()
    return this.#encoder.encode(message)
  }

  #accept(fields: MessageFields<T>, waiter: ParkedWaiter | undefined): void {
    const accumulator = this.#accumulator
    const mustPark =
      !accumulator.isOpen ||
      this.#parking.count > 0 ||
      (waiter !== undefined && accumulator.isOverfull)
    if (!mustPark) return accumulator.append(fields, waiter)
    this.#parking.add(fields, waiter, this.#session.platform.monotonicMs())
    this.#openIfNeeded()
    if (this.#session.live === undefined) this.#watchExpiry()
  }

  #appendParked(fields: MessageFields<T>, waiter: ParkedWaiter | undefined): void {
    try {
      this.#accumulator.append(fields, waiter)
    } catch (error) {
      this.#reject(asBrokerError(error), fields, waiter)
    }
  }

  #reject(error: BrokerError, fields: MessageFields<T>, waiter: ParkedWaiter | undefined): void {
    if (waiter === undefined) this.onUnheard(error, fields.partition, 1)
    else waiter.reject(error)
  }

  #rejectParked(error: BrokerError): void {
    let unheardCount = 0
    for (let parked = this.#parking.take(); parked !== undefined; parked = this.#parking.take()) {
      if (parked.waiter === undefined) unheardCount += 1
      else parked.waiter.reject(error)
    }
    if (unheardCount > 0) this.onUnheard(error, -1, unheardCount)
  }

  #listenToAbort(waiter: ParkedWaiter, signal: AbortSignal): void {
    const { resolve, reject } = waiter
    const onAbort = (): void => {
      waiter.isAborted = true
      reject(abortedError(signal))
    }
    signal.addEventListener('abort', onAbort)
    waiter.resolve = (result) => {
      signal.removeEventListener('abort', onAbort)
      resolve(result)
    }
    waiter.reject = (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    }
  }

  #placeToken(resolve: () => void): void {
    // One too many, taken away below: the token is not done before it is placed everywhere.
    const token: FlushToken = { remaining: 1, onDone: resolve }
    this.#accumulator.addFlushToken(token)
    token.remaining -= 1
    if (token.remaining === 0) resolve()
  }

  #openIfNeeded(isForced = false): void {
    if ((this.#accumulator.isSendable && !isForced) || this.#isOpening) return
    this.#wantsOpen = true
    const { live } = this.#session
    if (live !== undefined) void this.#open(live)
  }

  /** A topic that was deleted is not created again behind its owner's back. */
  get #mayCreate(): boolean {
    return this.#options.createTopic && !this.#accumulator.isOpen
  }

  /** Never rejects: who waits is told through its own promise. */
  async #open(live: LiveConnection): Promise<void> {
    this.#isOpening = true
    const isIdempotent = this.#options.isIdempotent
    const [topic, identity] = await Promise.allSettled([
      live.topics.open(this.topic, this.#mayCreate),
      isIdempotent ? this.#identities.fetch(live) : undefined,
    ])
    this.#isOpening = false
    if (this.#end !== undefined) return
    // Another connection took its place meanwhile.
    if (this.#session.live !== live) return this.#openIfNeeded()
    if (topic.status === 'rejected') return this.#failOpening(asBrokerError(topic.reason))
    if (identity.status === 'rejected') return this.#failOpening(asBrokerError(identity.reason))
    this.#onOpened(topic.value, live)
  }

  #onOpened(opened: TopicOpened, live: LiveConnection): void {
    this.#wantsOpen = false
    this.#openAttempt = 0
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
    this.#accumulator.open(opened, live)
    this.onRoom()
  }

  async #reopen(stale: TopicOpened): Promise<void> {
    await this.#session.live?.topics.discard(stale)
    if (this.#end === undefined) this.#openIfNeeded()
  }

  /** What may pass is tried again, as long as there is time for what waits. */
  #retryOpening(): void {
    const { platform } = this.#session
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const delayMs = backoffMs(options, this.#openAttempt++, platform.random())
    this.#cancelRetry = platform.setTimer(() => this.#openIfNeeded(), delayMs)
    this.#watchExpiry()
  }

  /** While nothing can be sent, what waits too long fails. */
  #watchExpiry(delayMs = this.#options.deliveryTimeoutMs): void {
    if (this.#end !== undefined) return
    const { platform } = this.#session
    this.#cancelExpiry ??= platform.setTimer(() => this.#expire(), delayMs)
  }

  #expire(): void {
    this.#cancelExpiry = undefined
    const { deliveryTimeoutMs } = this.#options
    // An answer is on its way, and has a time-out of its own.
    if (this.#isOpening) return this.#watchExpiry()
    const nowMs = this.#session.platform.monotonicMs()
    let earliestMs = Math.min(this.#accumulator.expire(nowMs), nowMs + deliveryTimeoutMs)
    for (;;) {
      const sinceMs = this.#parking.oldestMs()
      if (sinceMs === undefined) break
      if (sinceMs + deliveryTimeoutMs > nowMs) {
        earliestMs = Math.min(earliestMs, sinceMs + deliveryTimeoutMs)
        break
      }
      const parked = this.#parking.take() as ParkedMessage<T>
      this.#reject(
        new BrokerError('ERR_TIMED_OUT', [deliveryTimeoutMs]),
        parked.fields,
        parked.waiter,
      )
    }
    this.onRoom()
    this.#watchExpiry(Math.max(1, earliestMs - nowMs))
  }

  /** The next message tries again: the topic may exist by then. */
  #failOpening(error: BrokerError): void {
    if (error.retriable) return this.#retryOpening()
    this.#wantsOpen = false
    this.#rejectParked(error)
    this.#accumulator.failUnsent(error)
    this.#roomWaiters.rejectAll(error)
  }
}
