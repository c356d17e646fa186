/**
 * One partition's batches, from the open one to the answer.
 *
 * ```
 *   append -> open batch -> sealed -> in flight -> settled
 *                             ^           |
 *                             +- resend <-+  failed, to be sent again
 * ```
 *
 * Invariant: after a failure nothing is sent until everything in flight is settled; then what failed
 * goes first, in its order. An idempotent producer sends the same bytes again, and the broker
 * recognises them: what is stored is in the order of the calls, each message once. Without
 * idempotence a batch that was refused and that a later one overtook is not sent again: it fails, and
 * who sent it decides; one that got no answer is sent again and may be stored twice.
 */
import { BrokerError, RecordBatchBuilder, type RecordHeader, RingQueue } from '@millrace/codec'
import type { Produced } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { explain, unknownOutcome } from '../errors.ts'
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
import type { ProducerIdentity } from './producer-identity.ts'
import { Sequencer } from './sequencer.ts'
import { type Verdict, judge } from './verdict.ts'

/** What the pipeline needs of its producer. */
export interface PipelineHost {
  readonly platform: Platform
  readonly topic: string
  readonly inFlightBatchesMax: number
  readonly deliveryTimeoutMs: number
  readonly wantsAnswers: boolean
  readonly isIdempotent: boolean
  /** A batch is sealed before it grows beyond this. */
  readonly batchBytesTarget: number
  /** What the broker takes. */
  readonly batchBytesMax: number
  /** False while there is no connection, or the topic is not open on it: keep what there is. */
  readonly isSendable: boolean
  /** A lost connection is made again. */
  readonly mayResume: boolean
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
  /** A number that is not `old`, or `undefined`: it is asked for, and `pump` is called again. */
  identityOtherThan(old: ProducerIdentity | undefined): ProducerIdentity | undefined
}

/** Messages of one batch differ in age by at most this part of the delivery time-out. */
const DEADLINE_STEPS = 10

/** The most a record takes beside its key, value and headers: lengths, deltas, count. */
const RECORD_OVERHEAD_BYTES = 32

const NO_OFFSET: Readonly<Produced> = {
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

const isMissingBefore = ({ code }: BrokerError): boolean =>
  code === 'ERR_OUT_OF_SEQUENCE' || code === 'ERR_UNKNOWN_PRODUCER'

const isConnectionGone = ({ code }: BrokerError): boolean =>
  code === 'ERR_CONNECTION_LOST' || code === 'ERR_GOING_AWAY'

export class PartitionPipeline implements BatchOwner {
  readonly partition: number
  /** Set by the host: already on the list for the end of the turn. */
  isScheduled = false
  /** The open batch may go: its linger is over, or somebody flushes. */
  mayCloseOpen = false
  readonly #host: PipelineHost
  readonly #builder = new RecordBatchBuilder()
  readonly #sequencer = new Sequencer()
  #draft: BatchDraft = createDraft()
  readonly #sealed = new RingQueue<OutgoingBatch>()
  /** In the order sent; settled ones leave from the front. */
  readonly #inFlight: OutgoingBatch[] = []
  /** In order, before everything sealed. */
  #resend: OutgoingBatch[] = []
  #isHolding = false
  /** The last number it stamped with. */
  #usedIdentity: ProducerIdentity | undefined
  #isTopicNew = false
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
    if (draft.count === 0) draft.sinceMs = this.#host.platform.monotonicMs()
    if (waiter !== undefined) this.#keepWaiter(waiter, timestamp)
    draft.count += 1
    this.#host.onAccepted(builder.sizeBytes - before)
  }

  /** While nothing is sent: what comes now must not share the deadline of what came long ago. */
  sealIfOld(): void {
    const { platform, deliveryTimeoutMs } = this.#host
    const ageMs = platform.monotonicMs() - this.#draft.sinceMs
    if (ageMs * DEADLINE_STEPS > deliveryTimeoutMs) this.seal()
  }

  /** Ends the open batch; it goes out in its turn. */
  seal(): void {
    const draft = this.#draft
    if (draft.count === 0) return
    const hasWaiting = this.#sealed.length + this.#resend.length > 0
    const stamp = this.#sequencer.sealStamp(draft.count, hasWaiting)
    const built = this.#builder.build(stamp)
    const bytes = this.#host.compress(built)
    const deadlineMs = draft.sinceMs + this.#host.deliveryTimeoutMs
    const content = { bytes, bufferedBytes: built.length, stamp, deadlineMs }
    this.#sealed.push(new OutgoingBatch(this, content, draft))
    this.#builder.reset()
    this.#draft = createDraft()
    this.mayCloseOpen = false
    this.#host.onSealed(this.partition)
  }

  /** Sends what the window has room for. */
  pump(): void {
    if (this.#isHolding || !this.#host.isSendable) return
    while (this.#inFlight.length < this.#host.inFlightBatchesMax) {
      if (this.#host.isIdempotent && !this.#isSequenceReady()) return
      const batch = this.#nextBatch()
      if (batch === undefined) return
      this.#send(batch)
      if (this.#isHolding) return
    }
  }

  /** Tells the token of everything that is not settled yet. */
  addFlushToken(token: FlushToken): void {
    const batches = [...this.#inFlight, ...this.#resend, ...this.#sealedBatches()]
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
      if (batch.state !== 'inFlight') continue
      batch.isUnknown = true
      this.#reject(batch, error)
    }
  }

  /** The connection takes nothing new; what it was sent may still be answered. */
  onDown(): void {
    if (this.#inFlight.some(({ state }) => state === 'inFlight')) this.#isHolding = true
  }

  /** The name is another topic's now, which holds nothing of what was sent. */
  onTopicNew(): void {
    this.#isTopicNew = true
  }

  /** While nothing can be sent: fails what waited too long. The earliest deadline of the rest. */
  expire(nowMs: number): number {
    if (this.#draft.sinceMs + this.#host.deliveryTimeoutMs <= nowMs) this.seal()
    const waiting = [...this.#resend, ...this.#sealedBatches()]
    let earliestMs = Infinity
    for (const batch of waiting) {
      if (batch.state === 'settled') continue
      if (batch.deadlineMs <= nowMs) this.#reject(batch, this.#lateError())
      else earliestMs = Math.min(earliestMs, batch.deadlineMs)
    }
    this.#resend = this.#resend.filter(({ state }) => state !== 'settled')
    while (this.#sealed.length > 0 && this.#sealed.peekAt(0)?.state === 'settled') {
      this.#sealed.shift()
    }
    if (this.#draft.count === 0) return earliestMs
    return Math.min(earliestMs, this.#draft.sinceMs + this.#host.deliveryTimeoutMs)
  }

  onBatchProduced(batch: OutgoingBatch, produced: Readonly<Produced>): void {
    if (batch.state !== 'inFlight') return
    if (!this.#host.isIdempotent) this.#rejectOvertaken(batch, false)
    this.#sequencer.hasAcknowledged = true
    this.#settle(batch, produced)
    this.#afterAnswer()
  }

  onBatchFailed(batch: OutgoingBatch, error: BrokerError, isUnknown: boolean): void {
    if (batch.state !== 'inFlight') return
    const verdict = judge(batch, error, isUnknown, this.#host, this.#sequencer)
    batch.isUnknown = verdict.isUnknown
    if (verdict.needsIdentity) this.#sequencer.forget()
    this.#apply(batch, error, verdict)
    this.#afterAnswer()
  }

  #apply(batch: OutgoingBatch, error: BrokerError, { outcome }: Verdict): void {
    if (outcome === 'stored') return this.#settle(batch, NO_OFFSET)
    if (!this.#host.isIdempotent && batch.isUnknown) this.#rejectOvertaken(batch, true)
    if (outcome === 'lost') return this.#reject(batch, error)
    batch.state = 'failed'
    batch.failure = error
    this.#isHolding = true
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

  #sealedBatches(): OutgoingBatch[] {
    const batches: OutgoingBatch[] = []
    for (let index = 0; index < this.#sealed.length; index++) {
      batches.push(this.#sealed.peekAt(index) as OutgoingBatch)
    }
    return batches
  }

  #nextBatch(): OutgoingBatch | undefined {
    for (;;) {
      const waiting = this.#resend.shift() ?? this.#sealed.shift()
      // In the midst of others it may have failed while it waited.
      if (waiting?.state === 'settled') continue
      if (waiting !== undefined || !this.mayCloseOpen) return waiting
      this.seal()
      if (this.#sealed.length === 0) return undefined
    }
  }

  /** Whether a batch can be stamped. After a gap a new epoch begins, once the old one is settled. */
  #isSequenceReady(): boolean {
    const sequencer = this.#sequencer
    const isOver = this.#isTopicNew || sequencer.hasGap || !sequencer.isReady
    if (isOver && this.#inFlight.length > 0) return false
    if (this.#isTopicNew || sequencer.hasGap) this.#restart()
    return sequencer.isReady || this.#takeIdentity()
  }

  #takeIdentity(): boolean {
    const identity = this.#host.identityOtherThan(this.#usedIdentity)
    if (identity === undefined) return false
    this.#usedIdentity = identity
    // Under another number the broker would not recognise them.
    for (const batch of this.#resend) {
      if (batch.isUnknown) this.#reject(batch, batch.failure as BrokerError)
    }
    this.#sequencer.use(identity)
    this.#unassignAll()
    return true
  }

  /**
   * Not while the fate of a batch is unknown: under another sequence the broker would not recognise
   * it. It is sent again as it is first, and the answer shows what became of it.
   */
  #restart(): void {
    if (this.#isTopicNew) for (const batch of this.#resend) batch.isUnknown = false
    if (this.#resend.some(({ isUnknown }) => isUnknown)) return
    this.#isTopicNew = false
    this.#sequencer.restart()
    this.#unassignAll()
  }

  #unassignAll(): void {
    for (const batch of [...this.#resend, ...this.#sealedBatches()]) batch.isAssigned = false
  }

  #send(batch: OutgoingBatch): void {
    if (this.#host.isIdempotent) this.#sequencer.assign(batch)
    batch.state = 'inFlight'
    batch.attempt += 1
    this.#inFlight.push(batch)
    try {
      this.#host.transmit(this.partition, batch)
    } catch (error) {
      // The host throws BrokerErrors only: it was not sent.
      return this.onBatchFailed(batch, error as BrokerError, false)
    }
    if (!this.#host.wantsAnswers) this.onBatchProduced(batch, NO_OFFSET)
  }

  /** Something behind them is stored, or may be: to send them now would turn the order around. */
  #rejectOvertaken(accepted: OutgoingBatch, onlyRefused: boolean): void {
    for (const batch of this.#inFlight) {
      if (batch === accepted) return
      if (batch.state !== 'failed' || (onlyRefused && batch.isUnknown)) continue
      this.#reject(batch, batch.failure as BrokerError)
    }
  }

  #settle(batch: OutgoingBatch, produced: Readonly<Produced>): void {
    batch.state = 'settled'
    batch.resolveWaiters(this.#host.topic, this.partition, produced)
    this.#host.onSettled(batch, this.partition, undefined)
  }

  #reject(batch: OutgoingBatch, error: BrokerError): void {
    if (batch.state === 'settled') return
    batch.state = 'settled'
    if (batch.isAssigned) this.#sequencer.hasGap = true
    const told = batch.isUnknown ? unknownOutcome(error) : error
    batch.rejectWaiters(told)
    this.#host.onSettled(batch, this.partition, told)
  }

  #lateError(): BrokerError {
    const error = new BrokerError('ERR_TIMED_OUT', [this.#host.deliveryTimeoutMs])
    return explain(error, 'it could not be sent: there is no connection')
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
    const failure = first.failure as BrokerError
    if (isMissingBefore(failure)) this.#noteMissing()
    this.#host.onRetriable(failure)
    // The next connection resumes.
    if (isConnectionGone(failure)) return this.#resume()
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const { platform } = this.#host
    const delayMs = backoffMs(options, first.attempt - 1, platform.random())
    this.#cancelBackoff = platform.setTimer(() => this.#resume(), delayMs)
  }

  /**
   * The first of all that is not settled is out of sequence: what the broker had before it is gone
   * or was given up, so that nothing behind it is stored either.
   */
  #noteMissing(): void {
    for (const batch of this.#resend) batch.isUnknown = false
    this.#sequencer.hasGap = true
  }

  #resume(): void {
    this.#cancelBackoff = undefined
    this.#isHolding = false
    this.#host.schedule(this)
  }
}
