/** What a client says about its connection, as events and as an async iterator. */
import { type BrokerError, RingQueue } from '@millrace/codec'
import { QueuedIterator } from './consumer/queued-iterator.ts'
import { STATUS_QUEUE_COUNT_MAX } from './limits.ts'
import { Waiters } from './wait.ts'

export type ClientStatus =
  /** An attempt began. */
  | { readonly type: 'connecting'; readonly url: string }
  /** Requests go out. */
  | { readonly type: 'connected'; readonly url: string }
  /** There is no connection; the next attempt, the `attempt`th in a row, begins in `delayMs`. */
  | {
      readonly type: 'reconnecting'
      readonly attempt: number
      readonly delayMs: number
      /** Why the last connection or attempt ended. */
      readonly error: BrokerError
    }
  /** The broker will end the connection: what it was asked is answered, new requests wait. */
  | {
      readonly type: 'going-away'
      readonly url: string
      readonly reason: string
      readonly reconnectAfterMs: number
    }
  /** It is over: closed from here (no error), lost and not to be made again, or refused. */
  | { readonly type: 'closed'; readonly error: BrokerError | undefined }

/** The present status, then every change, until `closed`. */
export class StatusFeed {
  readonly #queue = new RingQueue<ClientStatus>()
  readonly #arrivals = new Waiters()
  readonly #onEnd: (feed: StatusFeed) => void
  #isOver = false

  constructor(onEnd: (feed: StatusFeed) => void) {
    this.#onEnd = onEnd
  }

  push(status: ClientStatus): void {
    if (this.#isOver) return
    if (this.#queue.length >= STATUS_QUEUE_COUNT_MAX) this.#queue.shift()
    this.#queue.push(status)
    if (status.type === 'closed') this.#end()
    this.#arrivals.resolveAll()
  }

  iterate(): QueuedIterator<ClientStatus> {
    return new QueuedIterator({
      takeNow: () => this.#queue.shift(),
      refill: () => this.#refill(),
      close: () => this.#close(),
    })
  }

  async #refill(): Promise<boolean> {
    while (this.#queue.length === 0) {
      if (this.#isOver) return false
      await this.#arrivals.wait()
    }
    return true
  }

  #close(): Promise<void> {
    this.#end()
    this.#queue.clear()
    this.#arrivals.resolveAll()
    return Promise.resolve()
  }

  #end(): void {
    this.#isOver = true
    this.#onEnd(this)
  }
}
