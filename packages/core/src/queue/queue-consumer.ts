/** A consumer of a queue: what it may have in flight, and where its deliveries go. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Consumer, ConsumerSink, CreditPool } from '../engine/messaging.ts'
import { CONSUMERS_PER_QUEUE_MAX } from './limits.ts'
import type { EntryHolder, EntryList, QueueEntry } from './queue-entry.ts'

export class SharedCredit implements CreditPool {
  #limit: number
  #used = 0
  /** Who waits for credit of this pool. */
  readonly #members = new Set<QueueConsumer>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  get hasRoom(): boolean {
    return this.#limit === 0 || this.#used < this.#limit
  }

  setLimit(limit: number): void {
    this.#limit = limit
    this.#tell()
  }

  join(member: QueueConsumer): void {
    this.#members.add(member)
  }

  leave(member: QueueConsumer): void {
    this.#members.delete(member)
  }

  take(): void {
    this.#used++
  }

  release(): void {
    const wasFull = !this.hasRoom
    this.#used--
    if (wasFull && this.hasRoom) this.#tell()
  }

  #tell(): void {
    for (const member of this.#members) member.creditChanged()
  }
}

export interface ConsumerHooks {
  /** It may be delivered to, and was not in line. */
  available(consumer: QueueConsumer): void
  cancelled(consumer: QueueConsumer): void
  /** A message that it had is settled or returned. */
  released(entry: QueueEntry): void
}

export interface ConsumerOptions {
  readonly isAutoSettled: boolean
  readonly isExclusive: boolean
  readonly priority: number
  readonly inFlightCountMax: number
  readonly pool: SharedCredit | undefined
  /** Its session's deliveries in flight. */
  readonly inFlight: EntryList
  /** Its session's consumers that are not cancelled and have not ended. */
  readonly siblings: Set<QueueConsumer>
}

export class QueueConsumer implements Consumer, EntryHolder {
  readonly options: ConsumerOptions
  readonly #sink: ConsumerSink
  readonly #hooks: ConsumerHooks
  #inFlightCountMax: number
  #inFlightCount = 0
  #isPaused = false
  isCancelled = false
  /** In the line of those who may be delivered to. */
  isInLine = false

  constructor(options: ConsumerOptions, sink: ConsumerSink, hooks: ConsumerHooks) {
    this.options = options
    this.#sink = sink
    this.#hooks = hooks
    this.#inFlightCountMax = options.inFlightCountMax
    options.pool?.join(this)
    options.siblings.add(this)
  }

  get canTake(): boolean {
    if (this.#isPaused || this.isCancelled) return false
    if (this.options.isAutoSettled) return true
    if (this.#inFlightCountMax > 0 && this.#inFlightCount >= this.#inFlightCountMax) return false
    return this.options.pool?.hasRoom ?? true
  }

  /** Hands it over. Afterwards it is in flight, or settled. */
  deliver(entry: QueueEntry, nowMs: number): void {
    const { isAutoSettled, pool, inFlight } = this.options
    if (isAutoSettled) {
      this.#hand(entry)
      entry.lane.settle(entry)
      this.#hooks.released(entry)
      return
    }
    this.#inFlightCount++
    pool?.take()
    entry.holder = this
    entry.deliveredAt = nowMs
    inFlight.push(entry)
    this.#hand(entry)
    if (entry.state === 'in-flight') entry.lane.handedOver(entry)
  }

  released(entry: QueueEntry): void {
    this.#inFlightCount--
    this.options.pool?.release()
    this.#hooks.released(entry)
    this.creditChanged()
  }

  creditChanged(): void {
    if (!this.isInLine && this.canTake) this.#hooks.available(this)
  }

  setInFlightCountMax(count: number): void {
    this.#inFlightCountMax = count
    this.creditChanged()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.creditChanged()
  }

  cancel(): void {
    if (this.isCancelled) return
    this.#leave()
    this.#hooks.cancelled(this)
  }

  /** The queue is gone, or it has to give way. */
  end(error: BrokerError): void {
    if (this.isCancelled) return
    this.#leave()
    this.#sink.end(error)
  }

  #leave(): void {
    this.isCancelled = true
    this.options.pool?.leave(this)
    this.options.siblings.delete(this)
  }

  /** A sink that throws has a bug: it is ended, and the queue goes on. */
  #hand(entry: QueueEntry): void {
    try {
      this.#sink.deliver(entry)
    } catch (error) {
      this.cancel()
      this.#sink.end(isBrokerError(error) ? error : new BrokerError('ERR_INTERNAL'))
    }
  }
}

/** Whether one more may consume. Throws ERR_QUEUE_IN_USE, ERR_LIMIT_EXCEEDED. */
export const checkAdmission = (
  queue: string,
  consumers: ReadonlySet<QueueConsumer>,
  { isExclusive }: ConsumerOptions,
): void => {
  const isTaken = [...consumers].some((other) => other.options.isExclusive)
  if (isTaken || (isExclusive && consumers.size > 0))
    throw new BrokerError('ERR_QUEUE_IN_USE', [queue])
  if (consumers.size >= CONSUMERS_PER_QUEUE_MAX)
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [CONSUMERS_PER_QUEUE_MAX, 'consumers of a queue'])
}

/** The one that has its turn keeps it. */
export const activeOf = (
  consumers: ReadonlySet<QueueConsumer>,
  current: QueueConsumer | undefined,
): QueueConsumer | undefined =>
  current !== undefined && consumers.has(current) ? current : highestOf(consumers)

/** The first of the highest priority. */
const highestOf = (consumers: ReadonlySet<QueueConsumer>): QueueConsumer | undefined => {
  let highest: QueueConsumer | undefined
  for (const consumer of consumers)
    if (highest === undefined || consumer.options.priority > highest.options.priority)
      highest = consumer
  return highest
}
