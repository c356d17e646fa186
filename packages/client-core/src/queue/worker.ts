/**
 * The job-worker habit: a handler for each message of a queue, several at once; what fails is tried
 * again after a wait, and given up after so many times.
 *
 * A message that waits for its next attempt is still this worker's: when the worker dies, the broker
 * hands it to another one. Attempts are counted by the broker, so they survive that.
 */
import type { BrokerError } from '@millrace/codec'
import { backoffMs } from '../backoff.ts'
import { checkInteger } from '../check.ts'
import { asBrokerError } from '../errors.ts'
import {
  PREFETCH_MAX,
  TIMEOUT_MS_MAX,
  WORK_CONCURRENCY_MAX,
  WORK_DELAY_MS_MAX,
  WORK_DELAY_MS_MIN,
} from '../limits.ts'
import { Waiters } from '../wait.ts'
import type { QueueConsumeOptions } from './consume-options.ts'
import type { Delivery } from './delivery.ts'
import type { MessagingHub } from './messaging-hub.ts'
import type { Queue } from './queue.ts'
import type { QueueConsumer } from './queue-consumer.ts'
import { runTransaction } from './transaction.ts'

/** What the handler has beside the delivery. */
export interface WorkContext {
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Aborted when the worker is closed: finish, or give up. */
  readonly signal: AbortSignal
}

/** Resolves: the message is done. Throws or rejects: it failed. What it settles itself stays so. */
export type WorkHandler<T> = (delivery: Delivery<T>, context: WorkContext) => Promise<void> | void

export interface WorkFailure<T> {
  readonly error: unknown
  readonly delivery: Delivery<T>
  readonly attempt: number
  readonly willRetry: boolean
}

export interface WorkOptions<T> extends Omit<QueueConsumeOptions, 'prefetch' | 'onInvalid'> {
  /** Handlers that run at the same time. Default: 1. */
  readonly concurrency?: number
  /** Attempts after the first one. Default: 3. */
  readonly retries?: number
  /** How long a message waits for its next attempt: exponential, with jitter. Default: 1 s to 60 s. */
  readonly backoff?: { readonly delayMsMin?: number; readonly delayMsMax?: number }
  /**
   * Where a message goes that failed for good: `reject` leaves it to the queue's dead-letter
   * exchange, and drops it where there is none; an exchange and a key publish it there, and settle it
   * here, all or nothing. Default: `reject`.
   */
  readonly deadLetter?: 'reject' | { readonly exchange: string; readonly routingKey: string }
  /** Deliveries this worker may hold, those that wait for another attempt included. */
  readonly prefetch?: number
  /** Told of every attempt that failed. */
  readonly onFailure?: (failure: WorkFailure<T>) => void
}

interface ResolvedWork<T> {
  readonly concurrency: number
  readonly retries: number
  readonly backoff: { readonly initialMs: number; readonly ceilingMs: number }
  readonly deadLetter: 'reject' | { readonly exchange: string; readonly routingKey: string }
  readonly onFailure: (failure: WorkFailure<T>) => void
}

const PREFETCH_PER_HANDLER = 4

const resolveWork = <T>(options: WorkOptions<T>): ResolvedWork<T> => {
  const { concurrency = 1, retries = 3, backoff = {} } = options
  const { delayMsMin = WORK_DELAY_MS_MIN } = backoff
  const { delayMsMax = Math.max(delayMsMin, WORK_DELAY_MS_MAX) } = backoff
  checkInteger('backoff.delayMsMin', delayMsMin, 1, TIMEOUT_MS_MAX)
  checkInteger('backoff.delayMsMax', delayMsMax, delayMsMin, TIMEOUT_MS_MAX)
  return {
    concurrency: checkInteger('concurrency', concurrency, 1, WORK_CONCURRENCY_MAX),
    retries: checkInteger('retries', retries, 0, Number.MAX_SAFE_INTEGER),
    backoff: { initialMs: delayMsMin, ceilingMs: delayMsMax },
    deadLetter: options.deadLetter ?? 'reject',
    onFailure: options.onFailure ?? (() => undefined),
  }
}

export class Worker<T> {
  /**
   * Resolves when the worker is over: with the error that ended it, such as ERR_QUEUE_DELETED, or
   * undefined after `close`. Never rejects.
   */
  readonly closed: Promise<BrokerError | undefined>
  readonly #hub: MessagingHub
  readonly #options: ResolvedWork<T>
  readonly #handler: WorkHandler<T>
  readonly #consumer: QueueConsumer<T>
  readonly #stop = new AbortController()
  readonly #changes = new Waiters()
  /** Messages that wait for their next attempt, and how to end the wait. */
  readonly #retries = new Map<Delivery<T>, () => void>()
  #runningCount = 0

  /** Made by `client.work(queue, handler, options)`. */
  constructor(
    hub: MessagingHub,
    queue: Queue<T>,
    handler: WorkHandler<T>,
    options: WorkOptions<T>,
  ) {
    this.#hub = hub
    this.#options = resolveWork(options)
    this.#handler = handler
    const { exclusive, priority, signal } = options
    const prefetch =
      options.prefetch ?? Math.min(PREFETCH_MAX, this.#options.concurrency * PREFETCH_PER_HANDLER)
    this.#consumer = queue.consume({
      prefetch,
      ...(exclusive === undefined ? {} : { exclusive }),
      ...(priority === undefined ? {} : { priority }),
      ...(signal === undefined ? {} : { signal }),
      onInvalid: (error, delivery) => this.#giveUpInvalid(error, delivery as Delivery<T>),
    })
    hub.addWorker(this)
    this.closed = this.#run()
  }

  /** Handlers that are at work. */
  get runningCount(): number {
    return this.#runningCount
  }

  /** Resolves when the broker has accepted it. ERR_QUEUE_NOT_FOUND, ERR_QUEUE_IN_USE. */
  ready(): Promise<void> {
    return this.#consumer.ready()
  }

  /** Takes nothing more, and waits for the handlers; what waits for an attempt goes back. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#consumer.close()
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<BrokerError | undefined> {
    let end: BrokerError | undefined
    try {
      for await (const delivery of this.#consumer) {
        void this.#work(delivery)
        while (this.#runningCount >= this.#options.concurrency) await this.#changes.wait()
      }
    } catch (error) {
      end = asBrokerError(error)
    }
    for (const goBack of [...this.#retries.values()]) goBack()
    while (this.#runningCount > 0) await this.#changes.wait()
    // Those that failed meanwhile.
    for (const goBack of [...this.#retries.values()]) goBack()
    this.#hub.removeWorker(this)
    return end
  }

  /** Never rejects. */
  async #work(delivery: Delivery<T>): Promise<void> {
    const attempt = delivery.deliveryCount + 1
    this.#runningCount += 1
    try {
      await this.#handler(delivery, { attempt, signal: this.#stop.signal })
      if (!delivery.isSettled) void delivery.ack()
    } catch (error) {
      if (!delivery.isSettled) await this.#fail(error, delivery, attempt)
    } finally {
      this.#runningCount -= 1
      this.#changes.resolveAll()
    }
  }

  async #fail(error: unknown, delivery: Delivery<T>, attempt: number): Promise<void> {
    const willRetry = attempt <= this.#options.retries
    this.#tell({ error, delivery, attempt, willRetry })
    if (willRetry) this.#retryLater(delivery, attempt)
    else await this.#giveUp(delivery)
  }

  /** Not from here: a listener that throws must not end the worker. */
  #tell(failure: WorkFailure<T>): void {
    this.#hub.session.platform.defer(() => this.#options.onFailure(failure))
  }

  #retryLater(delivery: Delivery<T>, attempt: number): void {
    const { platform } = this.#hub.session
    const goBack = (): void => {
      cancel()
      this.#retries.delete(delivery)
      void delivery.nack()
    }
    const delayMs = backoffMs(this.#options.backoff, attempt - 1, platform.random())
    const cancel = platform.setTimer(goBack, delayMs)
    this.#retries.set(delivery, goBack)
  }

  async #giveUp(delivery: Delivery<T>): Promise<void> {
    const { deadLetter } = this.#options
    if (deadLetter === 'reject') return void delivery.nack({ requeue: false })
    try {
      await runTransaction(
        this.#hub,
        (transaction) => transaction.forward(delivery, deadLetter.exchange, deadLetter.routingKey),
        {},
      )
    } catch (error) {
      // It is neither there nor done here: it comes again.
      const attempt = delivery.deliveryCount + 1
      this.#tell({ error, delivery, attempt, willRetry: true })
      if (!delivery.isSettled) this.#retryLater(delivery, attempt)
    }
  }

  #giveUpInvalid(error: BrokerError, delivery: Delivery<T>): void {
    const attempt = delivery.deliveryCount + 1
    this.#tell({ error, delivery, attempt, willRetry: false })
    void this.#giveUp(delivery)
  }
}
