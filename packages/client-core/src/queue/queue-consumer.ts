/**
 * Deliveries of a queue as an async iterable: `for await (const delivery of queue.consume())`. It
 * consumes when the iteration begins, or with `ready()`, and again when the connection is another.
 *
 * Invariant: a delivery that is handed out came by a connection that was there then; what was waiting
 * here when a connection was lost is dropped, for the broker delivers it again.
 */
import { type BrokerError, RingQueue } from '@millrace/codec'
import type { QueueDelivery } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { QueuedIterator } from '../consumer/queued-iterator.ts'
import { abortedError, asBrokerError } from '../errors.ts'
import { RETRY_CEILING_MS, RETRY_INITIAL_MS } from '../limits.ts'
import type { PayloadCodec } from '../payload-codec.ts'
import type { BrokerSession, LiveConnection, SessionListener } from '../session/broker-session.ts'
import { abortable, type WaitOptions, Waiters } from '../wait.ts'
import {
  type PayloadSchema,
  type QueueConsumeOptions,
  type ResolvedQueueConsume,
  resolveQueueConsume,
} from './consume-options.ts'
import { Delivery } from './delivery.ts'
import type { MessagingHub } from './messaging-hub.ts'
import { QueueLane, type QueueLaneOwner } from './queue-lane.ts'
import { checkDelivery } from './schema-check.ts'

export class QueueConsumer<T>
  implements AsyncIterable<Delivery<T>, undefined>, SessionListener, QueueLaneOwner
{
  readonly queue: string
  readonly #session: BrokerSession
  readonly #hub: MessagingHub
  readonly #codec: PayloadCodec<T>
  readonly #schema: PayloadSchema<unknown, T> | undefined
  readonly #options: ResolvedQueueConsume
  readonly #waiting = new RingQueue<QueueDelivery>()
  readonly #arrivals = new Waiters()
  #lane: QueueLane | undefined
  /** What a schema has accepted, ready to be handed out. */
  #checked: Delivery<T> | undefined
  #starting: Promise<void> | undefined
  #isStarted = false
  #attempt = 0
  #cancelTimer: (() => void) | undefined
  #stopListening: (() => void) | undefined
  #isClosed = false
  #failure: BrokerError | undefined

  /** Made by `queue.consume(options)`. */
  constructor(
    hub: MessagingHub,
    queue: string,
    codec: PayloadCodec<T>,
    schema: PayloadSchema<unknown, T> | undefined,
    options: QueueConsumeOptions,
  ) {
    this.queue = queue
    this.#hub = hub
    this.#session = hub.session
    this.#codec = codec
    this.#schema = schema
    this.#options = resolveQueueConsume(options)
    this.#listenToSignal()
    hub.addConsumer(this)
  }

  /** Resolves when the broker has accepted the consumer. ERR_QUEUE_NOT_FOUND, ERR_QUEUE_IN_USE. */
  async ready(options: WaitOptions = {}): Promise<void> {
    await abortable(this.#start(), options.signal)
  }

  /**
   * The deliveries, as they come. Leaving the loop ends the consumer: what is not settled stays the
   * program's to settle, what was not taken goes back. Throws ERR_QUEUE_NOT_FOUND,
   * ERR_QUEUE_DELETED, ERR_ABORTED, and when the client is over why it is.
   */
  [Symbol.asyncIterator](): QueuedIterator<Delivery<T>> {
    return new QueuedIterator({
      takeNow: () => this.#takeNow(),
      refill: () => this.#refill(),
      close: () => this.close(),
    })
  }

  /** Nothing more is delivered; a running iteration ends without an error. Twice is once. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopListening?.()
    this.#cancelTimer?.()
    this.#session.removeListener(this)
    this.#hub.removeConsumer(this)
    this.#arrivals.resolveAll()
    const lane = this.#lane
    await lane?.leave()
    this.#giveBack(lane)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal The client is over. */
  onSessionEnd(error: BrokerError): void {
    this.#fail(error)
  }

  /** @internal */
  onDown(): void {
    this.#cancelTimer?.()
    this.#lane?.drop()
    this.#lane = undefined
    this.#waiting.clear()
    this.#checked = undefined
  }

  /** @internal */
  onUp(live: LiveConnection): void {
    if (!this.#isStarted || this.#isClosed || this.#failure !== undefined) return
    this.#attempt = 0
    void this.#resume(live)
  }

  /** @internal */
  onDeliveries(lane: QueueLane, deliveries: readonly QueueDelivery[]): void {
    if (lane !== this.#lane || this.#isClosed) return lane.giveBack(deliveries)
    this.#attempt = 0
    for (const delivery of deliveries) this.#waiting.push(delivery)
    this.#arrivals.resolveAll()
  }

  /** @internal */
  onLaneEnd(lane: QueueLane, error: BrokerError): void {
    if (lane !== this.#lane) return
    this.#lane = undefined
    // The next connection resumes.
    if (error.code === 'ERR_CONNECTION_LOST' && this.#session.mayResume) return
    this.#fail(error)
  }

  #listenToSignal(): void {
    const { signal } = this.#options
    if (signal === undefined) return
    const onAbort = (): void => {
      this.#fail(abortedError(signal))
      void this.close()
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    this.#stopListening = () => signal.removeEventListener('abort', onAbort)
  }

  #fail(error: BrokerError): void {
    this.#failure ??= error
    this.#arrivals.resolveAll()
  }

  #start(): Promise<void> {
    this.#starting ??= this.#startOnce()
    return this.#starting
  }

  async #startOnce(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#session.addListener(this)
    const { signal } = this.#options
    await this.#session.repeat((live) => this.#consumeOn(live), { signal, isSafe: true })
    this.#isStarted = true
    // Closed meanwhile: `close` saw no consumer to end.
    if (this.#isClosed) await this.#lane?.leave()
  }

  async #consumeOn(live: LiveConnection): Promise<void> {
    const lane = new QueueLane(this.#session, live, this.#hub.settlerOf(live), this)
    this.#lane = lane
    try {
      await lane.consume(this.queue, this.#options)
    } catch (error) {
      if (this.#lane === lane) this.#lane = undefined
      throw error
    }
  }

  async #resume(live: LiveConnection): Promise<void> {
    if (this.#isClosed || this.#session.live !== live) return
    try {
      await this.#consumeOn(live)
    } catch (failure) {
      const error = asBrokerError(failure)
      // The broker may not have noticed yet that our last connection is gone.
      const isHeld = error.code === 'ERR_QUEUE_IN_USE' || error.code === 'ERR_QUEUE_LOCKED'
      if (error.code === 'ERR_CONNECTION_LOST' || error.retriable || isHeld) this.#resumeLater(live)
      else this.#fail(error)
    }
  }

  #resumeLater(live: LiveConnection): void {
    if (this.#isClosed || this.#session.live !== live) return
    const { platform } = this.#session
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const delayMs = backoffMs(options, this.#attempt++, platform.random())
    this.#cancelTimer = platform.setTimer(() => void this.#resume(live), delayMs)
  }

  #takeNow(): Delivery<T> | undefined {
    if (this.#isClosed || this.#failure?.code === 'ERR_ABORTED') return undefined
    if (this.#schema === undefined) return this.#take()
    const checked = this.#checked
    this.#checked = undefined
    return checked
  }

  #take(): Delivery<T> | undefined {
    const lane = this.#lane
    const wire = lane === undefined ? undefined : this.#waiting.shift()
    if (lane === undefined || wire === undefined) return undefined
    return new Delivery(this.queue, wire, this.#codec, lane.settler)
  }

  /** Until there is a delivery, or an end. */
  async #refill(): Promise<boolean> {
    try {
      if (!this.#isClosed) await this.#start()
      for (;;) {
        if (this.#isClosed && this.#failure === undefined) return false
        if (this.#failure?.code === 'ERR_ABORTED') throw this.#failure
        if (await this.#hasNext()) return true
        if (this.#failure !== undefined) throw this.#failure
        await this.#arrivals.wait()
      }
    } catch (error) {
      void this.close()
      throw this.#failure ?? asBrokerError(error)
    }
  }

  async #hasNext(): Promise<boolean> {
    if (this.#schema === undefined) return this.#waiting.length > 0 && this.#lane !== undefined
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const isGood = await checkDelivery(next, this.#schema, this.#options.onInvalid)
      // Its connection may be gone by now: it comes again.
      if (!isGood || !next.settler.isUsable) continue
      this.#checked = next
      return true
    }
    return false
  }

  #giveBack(lane: QueueLane | undefined): void {
    const left: QueueDelivery[] = []
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      left.push(next)
    }
    if (this.#checked !== undefined) void this.#checked.nack()
    this.#checked = undefined
    lane?.giveBack(left)
  }
}
