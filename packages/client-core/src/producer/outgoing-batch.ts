/**
 * One sealed batch on its way: it waits for its own answer, so that a request needs no promise. The
 * promises in it are those that `send` handed out; `write` leaves none.
 */
import type { BrokerError } from '@millrace/codec'
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

export class OutgoingBatch implements AnswerSink {
  readonly #owner: BatchOwner
  readonly #produced: Produced
  readonly count: number
  readonly bytes: Uint8Array
  /** What it counts for while it waits: its size before compression. */
  readonly bufferedBytes: number
  readonly deadlineMs: number
  /** By position in the batch; empty when every message came through `write`. */
  readonly waiters: readonly (SendWaiter | undefined)[]
  readonly timestamps: readonly number[]
  readonly flushTokens: FlushToken[]
  state: BatchState
  attempt: number
  failure: BrokerError | undefined

  constructor(
    owner: BatchOwner,
    bytes: Uint8Array,
    bufferedBytes: number,
    draft: BatchDraft,
    deadlineMs: number,
  ) {
    this.bufferedBytes = bufferedBytes
    this.#owner = owner
    this.#produced = createProduced()
    this.count = draft.count
    this.bytes = bytes
    this.deadlineMs = deadlineMs
    this.waiters = draft.waiters
    this.timestamps = draft.timestamps
    this.flushTokens = draft.flushTokens
    this.state = 'waiting'
    this.attempt = 0
    this.failure = undefined
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
  waiters: (SendWaiter | undefined)[]
  timestamps: number[]
  flushTokens: FlushToken[]
}

export const createDraft = (): BatchDraft => ({
  count: 0,
  waiters: [],
  timestamps: [],
  flushTokens: [],
})
