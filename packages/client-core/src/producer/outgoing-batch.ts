/**
 * One sealed batch on its way: it waits for its own answer, so that a request needs no promise. The
 * promises in it are those that `send` handed out; `write` leaves none.
 */
import { type BrokerError, type ProducerStamp, stampBatch } from '@millrace/codec'
import { createProduced, decodeProduced, type Produced } from '@millrace/protocol'
import type { AnswerSink } from '../session/request-map.ts'
import type { ProduceResult } from './producer-message.ts'

/** One message somebody waits for. */
export interface SendWaiter {
  resolve(result: ProduceResult): void
  reject(error: BrokerError): void
}

/** What `flush` waits for: so many batches are not settled yet. */
export interface FlushToken {
  remaining: number
  readonly onDone: () => void
}

export interface BatchOwner {
  onBatchProduced(batch: OutgoingBatch, produced: Readonly<Produced>): void
  /** `isUnknown`: it may have been stored. */
  onBatchFailed(batch: OutgoingBatch, error: BrokerError, isUnknown: boolean): void
}

export type BatchState = 'waiting' | 'inFlight' | 'failed' | 'settled'

/** What a batch is made of. */
export interface BatchContent {
  readonly bytes: Uint8Array
  /** Its size before compression: what it counts for while it waits. */
  readonly bufferedBytes: number
  readonly stamp: ProducerStamp | undefined
  readonly deadlineMs: number
}

export class OutgoingBatch implements AnswerSink {
  readonly #owner: BatchOwner
  readonly #produced: Produced
  readonly count: number
  readonly bufferedBytes: number
  readonly deadlineMs: number
  /** By position in the batch; empty when every message came through `write`. */
  readonly waiters: readonly (SendWaiter | undefined)[]
  readonly timestamps: readonly number[]
  readonly flushTokens: FlushToken[]
  state: BatchState
  attempt: number
  failure: BrokerError | undefined
  /** An attempt got no answer, and none since has shown that it is not stored. */
  isUnknown: boolean
  /** Its sequence is its own: it was sent under it, or will be next. */
  isAssigned: boolean
  #bytes: Uint8Array
  #stamp: ProducerStamp | undefined

  constructor(owner: BatchOwner, content: BatchContent, draft: BatchDraft) {
    this.#owner = owner
    this.#produced = createProduced()
    this.#bytes = content.bytes
    this.#stamp = content.stamp
    this.bufferedBytes = content.bufferedBytes
    this.deadlineMs = content.deadlineMs
    this.count = draft.count
    this.waiters = draft.waiters
    this.timestamps = draft.timestamps
    this.flushTokens = draft.flushTokens
    this.state = 'waiting'
    this.attempt = 0
    this.failure = undefined
    this.isUnknown = false
    this.isAssigned = false
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** A copy once it was sent: the bytes of that attempt may still wait in a socket. */
  restamp(stamp: ProducerStamp): void {
    const old = this.#stamp
    const isSame =
      old?.producerId === stamp.producerId &&
      old.producerEpoch === stamp.producerEpoch &&
      old.baseSequence === stamp.baseSequence
    if (isSame) return
    if (this.attempt > 0) this.#bytes = new Uint8Array(this.#bytes)
    stampBatch(this.#bytes, stamp)
    this.#stamp = stamp
  }

  onAnswer(body: Uint8Array): void {
    this.#owner.onBatchProduced(this, decodeProduced(body, this.#produced))
  }

  onError(error: BrokerError, isUnknown: boolean): void {
    this.#owner.onBatchFailed(this, error, isUnknown)
  }

  /** Every promise that waits gets its own offset. */
  resolveWaiters(topic: string, partition: number, produced: Readonly<Produced>): void {
    for (let index = 0; index < this.waiters.length; index++) {
      const offset = produced.baseOffset < 0 ? -1 : produced.baseOffset + index
      const own = this.timestamps[index] as number
      const timestamp = produced.timestampMs < 0 ? own : produced.timestampMs
      this.waiters[index]?.resolve({ topic, partition, offset, timestamp })
    }
  }

  rejectWaiters(error: BrokerError): void {
    for (const waiter of this.waiters) waiter?.reject(error)
  }

  /** How many of its messages came through `write`, whose failure nobody was told yet. */
  get unheardCount(): number {
    let heard = 0
    for (const waiter of this.waiters) if (waiter !== undefined) heard += 1
    return this.count - heard
  }
}

/** What gathers beside the bytes of the open batch. */
export interface BatchDraft {
  count: number
  /** When its first message came, by the monotonic clock. */
  sinceMs: number
  waiters: (SendWaiter | undefined)[]
  timestamps: number[]
  flushTokens: FlushToken[]
}

export const createDraft = (): BatchDraft => ({
  count: 0,
  sinceMs: 0,
  waiters: [],
  timestamps: [],
  flushTokens: [],
})
