/**
 * One partition's batches, from the open one to the answer.
 *
 * ```
 *   append -> open batch -> sealed -> in flight -> settled
 *                             ^           |
 *                             +- resend <-+  failed retriably
 * ```
 *
 * Invariant: a batch is sent again only when no later batch of its partition was, or may have been,
 * accepted; so what is stored is in the order of the calls. After a retriable failure nothing is sent
 * until everything in flight is settled. A failed batch that a later one overtook is not sent again:
 * it fails, and who sent it decides.
 */
import { BrokerError, RecordBatchBuilder, type RecordHeader, RingQueue } from '@millrace/codec'
import type { Produced } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { unknownOutcome } from '../errors.ts'
import { RECORDS_PER_BATCH_MAX, RETRY_CEILING_MS, RETRY_INITIAL_MS } from '../limits.ts'
import type { Platform } from '../platform.ts'
import {
  type BatchDraft,
  type BatchOwner,
  type FlushToken,
  OutgoingBatch,
  type SendWaiter,
  createDraft,
} from './outgoing-batch.ts'

/** What the pipeline needs of its producer. */
export interface PipelineHost {
  readonly platform: Platform
  readonly topic: string
  readonly inFlightBatchesMax: number
  readonly deliveryTimeoutMs: number
  readonly wantsAnswers: boolean
  /** A batch is sealed before it grows beyond this. */
  readonly batchBytesTarget: number
  /** What the broker takes. */
  readonly batchBytesMax: number
  /** False while the topic is not open: keep what there is. */
  readonly isOpen: boolean
  compress(batch: Uint8Array): Uint8Array
  /** Sends it; throws when the connection takes nothing. */
  transmit(partition: number, batch: OutgoingBatch): void
  /** Calls `pump` at the end of the turn. */
  schedule(pipeline: PartitionPipeline): void
  onAccepted(bytes: number): void
  /** Its open batch is closed. */
  onSealed(partition: number): void
  /** The batch is gone. `error` is why, if it failed. */
  onSettled(batch: OutgoingBatch, partition: number, error: BrokerError | undefined): void
  /** Before a resend: a stale handle is replaced. */
  onRetriable(error: BrokerError): void
}

/** The most a record takes beside its key, value and headers: lengths, deltas, count. */
const RECORD_OVERHEAD_BYTES = 32

const NO_ANSWER: Readonly<Produced> = {
  baseOffset: -1,
  nextOffset: -1,
  timestampMs: -1,
  leaderEpoch: 0,
  durability: 1,
}

const headersBytes = (headers: readonly RecordHeader[]): number => {
  let bytes = 0
  for (const { key, value } of headers) bytes += key.length * 3 + (value?.length ?? 0) + 10
  return bytes
}

export const estimateRecordBytes = (
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly RecordHeader[],
): number =>
  RECORD_OVERHEAD_BYTES +
  (key === null ? 0 : key.length) +
  (value === null ? 0 : value.length) +
  (headers.length === 0 ? 0 : headersBytes(headers))

export class PartitionPipeline implements BatchOwner {
  readonly partition: number
  /** Set by the host: already on the list for the end of the turn. */
  isScheduled = false
  /** The open batch may go: its linger is over, or somebody flushes. */
  mayCloseOpen = false
  readonly #host: PipelineHost
  readonly #builder = new RecordBatchBuilder()
  #draft: BatchDraft = createDraft()
  readonly #sealed = new RingQueue<OutgoingBatch>()
  /** In the order sent; settled ones leave from the front. */
  readonly #inFlight: OutgoingBatch[] = []
  /** In order, before everything sealed. */
  #resend: OutgoingBatch[] = []
  #isHolding = false
  #cancelBackoff: (() => void) | undefined

  constructor(host: PipelineHost, partition: number) {
    this.#host = host
    this.partition = partition
  }

  get hasSealed(): boolean {
    return this.#sealed.length > 0
  }

  fits(estimatedBytes: number): boolean {
    const { count } = this.#draft
    if (count === 0) return true
    if (count >= RECORDS_PER_BATCH_MAX) return false
    return this.#builder.sizeBytes + estimatedBytes <= this.#host.batchBytesTarget
  }

  /** Copies the message into the open batch. Throws ERR_BATCH_TOO_LARGE and keeps nothing of it. */
  append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[],
    waiter: SendWaiter | undefined,
  ): void {
    const builder = this.#builder
    const draft = this.#draft
    const before = draft.count === 0 ? 0 : builder.sizeBytes
    if (draft.count === 0) this.#checkBeforeCopy(key, value)
    builder.appendFields(timestamp, key, value, headers)
    if (builder.sizeBytes > this.#host.batchBytesMax) this.#refuse(builder.sizeBytes)
    if (waiter !== undefined) this.#keepWaiter(waiter, timestamp)
    draft.count += 1
    this.#host.onAccepted(builder.sizeBytes - before)
  }

  /** Ends the open batch; it goes out in its turn. */
  seal(): void {
    if (this.#draft.count === 0) return
    const { platform, deliveryTimeoutMs } = this.#host
    const deadlineMs = platform.monotonicMs() + deliveryTimeoutMs
    const built = this.#builder.build()
    const bytes = this.#host.compress(built)
    this.#sealed.push(new OutgoingBatch(this, bytes, built.length, this.#draft, deadlineMs))
    this.#builder.reset()
    this.#draft = createDraft()
    this.mayCloseOpen = false
    this.#host.onSealed(this.partition)
  }

  /** Sends what the window has room for. */
  pump(): void {
    if (this.#isHolding || !this.#host.isOpen) return
    while (this.#inFlight.length < this.#host.inFlightBatchesMax) {
      const batch = this.#nextBatch()
      if (batch === undefined) return
      this.#send(batch)
      if (this.#isHolding) return
    }
  }

  /** Tells the token of everything that is not settled yet. */
  addFlushToken(token: FlushToken): void {
    const batches = [...this.#inFlight, ...this.#resend]
    for (let index = 0; index < this.#sealed.length; index++) {
      batches.push(this.#sealed.peekAt(index) as OutgoingBatch)
    }
    for (const batch of batches) {
      if (batch.state === 'settled') continue
      batch.flushTokens.push(token)
      token.remaining += 1
    }
    if (this.#draft.count === 0) return
    this.#draft.flushTokens.push(token)
    token.remaining += 1
    this.mayCloseOpen = true
  }

  /** Nothing more goes out: what waits fails. What is in flight may still be answered. */
  failUnsent(error: BrokerError): void {
    this.#cancelBackoff?.()
    this.#isHolding = false
    this.seal()
    for (const batch of this.#inFlight) if (batch.state === 'failed') this.#reject(batch, error)
    for (const batch of this.#resend.splice(0)) this.#reject(batch, error)
    for (let batch = this.#sealed.shift(); batch !== undefined; batch = this.#sealed.shift()) {
      this.#reject(batch, error)
    }
  }

  /** No answer comes any more; one that does is ignored. */
  failInFlight(error: BrokerError): void {
    for (const batch of this.#inFlight.splice(0)) {
      if (batch.state === 'inFlight') this.#reject(batch, unknownOutcome(error))
    }
  }

  onBatchProduced(batch: OutgoingBatch, produced: Readonly<Produced>): void {
    if (batch.state !== 'inFlight') return
    batch.state = 'settled'
    this.#rejectOvertaken(batch)
    batch.resolveWaiters(this.#host.topic, this.partition, produced)
    this.#host.onSettled(batch, this.partition, undefined)
    this.#afterAnswer()
  }

  onBatchFailed(batch: OutgoingBatch, error: BrokerError, isUnknown: boolean): void {
    if (batch.state !== 'inFlight') return
    if (!isUnknown && error.retriable && this.#hasTime(batch)) {
      batch.state = 'failed'
      batch.failure = error
      this.#isHolding = true
    } else {
      if (isUnknown) this.#rejectOvertaken(batch)
      this.#reject(batch, isUnknown ? unknownOutcome(error) : error)
    }
    this.#afterAnswer()
  }

  /** A length is looked at before room is made for it. */
  #checkBeforeCopy(key: Uint8Array | null, value: Uint8Array | null): void {
    const bytes = (key?.length ?? 0) + (value?.length ?? 0)
    if (bytes > this.#host.batchBytesMax) {
      throw new BrokerError('ERR_BATCH_TOO_LARGE', [bytes, this.#host.batchBytesMax])
    }
  }

  /** Only a lone record gets here: `fits` seals before a second one grows the batch beyond it. */
  #refuse(bytes: number): never {
    this.#builder.reset()
    throw new BrokerError('ERR_BATCH_TOO_LARGE', [bytes, this.#host.batchBytesMax])
  }

  #keepWaiter(waiter: SendWaiter, timestamp: number): void {
    const { waiters, timestamps, count } = this.#draft
    // A message that came through `write` before this one left no entry.
    while (waiters.length < count) {
      waiters.push(undefined)
      timestamps.push(0)
    }
    waiters.push(waiter)
    timestamps.push(timestamp)
  }

  #nextBatch(): OutgoingBatch | undefined {
    const waiting = this.#resend.shift() ?? this.#sealed.shift()
    if (waiting !== undefined || !this.mayCloseOpen) return waiting
    this.seal()
    return this.#sealed.shift()
  }

  #send(batch: OutgoingBatch): void {
    batch.state = 'inFlight'
    batch.attempt += 1
    this.#inFlight.push(batch)
    try {
      this.#host.transmit(this.partition, batch)
    } catch (error) {
      // The host throws BrokerErrors only: it was not sent.
      return this.onBatchFailed(batch, error as BrokerError, false)
    }
    if (!this.#host.wantsAnswers) this.onBatchProduced(batch, NO_ANSWER)
  }

  #hasTime(batch: OutgoingBatch): boolean {
    return this.#host.platform.monotonicMs() < batch.deadlineMs
  }

  /** Something behind them is stored, or may be: to send them now would turn the order around. */
  #rejectOvertaken(accepted: OutgoingBatch): void {
    for (const batch of this.#inFlight) {
      if (batch === accepted) return
      if (batch.state === 'failed') this.#reject(batch, batch.failure as BrokerError)
    }
  }

  #reject(batch: OutgoingBatch, error: BrokerError): void {
    batch.state = 'settled'
    batch.rejectWaiters(error)
    this.#host.onSettled(batch, this.partition, error)
  }

  #afterAnswer(): void {
    const inFlight = this.#inFlight
    while (inFlight.length > 0 && inFlight[0]?.state === 'settled') inFlight.shift()
    if (!this.#isHolding) return this.#host.schedule(this)
    if (inFlight.some((batch) => batch.state === 'inFlight')) return
    this.#prepareResend()
  }

  /** Nothing is in flight any more: what failed goes first, in its order, after a pause. */
  #prepareResend(): void {
    const failed = this.#inFlight.splice(0).filter((batch) => batch.state === 'failed')
    for (const batch of failed) batch.state = 'waiting'
    this.#resend = [...failed, ...this.#resend]
    const first = failed[0]
    if (first === undefined) return this.#resume()
    const { platform } = this.#host
    this.#host.onRetriable(first.failure as BrokerError)
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const delayMs = backoffMs(options, first.attempt - 1, platform.random())
    this.#cancelBackoff = platform.setTimer(() => this.#resume(), delayMs)
  }

  #resume(): void {
    this.#cancelBackoff = undefined
    this.#isHolding = false
    this.#host.schedule(this)
  }
}
