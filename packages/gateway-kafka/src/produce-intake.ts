/**
 * Produce requests on their way into the engine and their answers on the way out: the hot path.
 *
 * Invariants: a batch the engine refused for want of room is submitted again before anything that
 * came after it; bytes that must outlive the chunk they came in are copied once, and only then.
 * Nothing is allocated per record; per batch there is one object, which is its answer as well.
 */
import { BrokerError, RingQueue } from '@millrace/codec'
import type { AppendCompletion, EngineSession, TopicHandle } from '@millrace/core'
import { kafkaErrorOf } from './errors.ts'
import type { ProduceAnswer } from './produce-answer.ts'
import type { ProducedPartition } from './schema/apis/produce.ts'

const NOTHING = new Uint8Array(0)

/** One batch of a request: where it goes, and what became of it. */
export class PendingBatch implements ProducedPartition {
  readonly request: ProduceAnswer
  readonly topic: string
  index: number
  bytes: Uint8Array
  errorCode: number
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
  recordErrors: readonly never[]
  errorMessage: string | null
  currentLeader: null

  constructor(request: ProduceAnswer, topic: string, index: number, bytes: Uint8Array) {
    this.request = request
    this.topic = topic
    this.index = index
    this.bytes = bytes
    this.errorCode = 0
    this.baseOffset = -1
    this.logAppendTimeMs = -1
    this.logStartOffset = -1
    this.recordErrors = NO_RECORD_ERRORS
    this.errorMessage = null
    this.currentLeader = null
  }

  refuse(error: BrokerError): void {
    this.errorCode = kafkaErrorOf(error)
    this.errorMessage = error.message
  }
}

const NO_RECORD_ERRORS: readonly never[] = []

export interface ProduceIntakeOptions {
  readonly engine: EngineSession
  /** The engine takes nothing more for now, or takes again. */
  readonly onEngineFull: (isFull: boolean) => void
  /** Something has its outcome: answers may be ready. */
  readonly onSettled: () => void
  /** Where the partition begins now, -1 when that is not known. */
  readonly earliestOf: (topic: string, partition: number) => number
  /** A batch was refused. */
  readonly onFailure: (error: BrokerError) => void
  /** A request that nobody waits for has failed: the peer learns it by losing the connection. */
  readonly onUnheardFailure: (error: BrokerError) => void
}

interface ReusedAppend {
  sequence: number
  handle: TopicHandle
  partition: number
  bytes: Uint8Array
  isOwned: boolean
  durability: 'topic' | 'memory'
}

export class ProduceIntake {
  readonly #options: ProduceIntakeOptions
  readonly #pending = new RingQueue<PendingBatch>()
  /** What the engine has not taken yet: the first of them was refused. */
  readonly #waiting = new RingQueue<{
    readonly batch: PendingBatch
    readonly handle: TopicHandle
  }>()
  #append: ReusedAppend | undefined
  #firstSequence = 0
  #nextSequence = 0

  constructor(options: ProduceIntakeOptions) {
    this.#options = options
    this.#append = undefined
  }

  /** Batches without an outcome. */
  get count(): number {
    return this.#pending.length + this.#waiting.length
  }

  submit(batch: PendingBatch, handle: TopicHandle, isOwned: boolean): void {
    const isTaken = this.#waiting.length === 0 && this.#tryAppend(batch, handle, isOwned)
    if (isTaken) return
    // A view of the socket's buffer does not outlive this call.
    if (!isOwned) batch.bytes = new Uint8Array(batch.bytes)
    if (this.#waiting.length === 0) this.#options.onEngineFull(true)
    this.#waiting.push({ batch, handle })
  }

  /** Before it reached the engine, or by the engine. */
  refuse(batch: PendingBatch, error: BrokerError): void {
    batch.refuse(error)
    this.#options.onFailure(error)
  }

  onWritable(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!this.#tryAppend(next.batch, next.handle, true)) return
      this.#waiting.shift()
      if (this.#waiting.length === 0) this.#options.onEngineFull(false)
    }
  }

  onCompletions(completions: readonly AppendCompletion[], count: number): void {
    for (let index = 0; index < count; index++) this.#settle(completions[index] as AppendCompletion)
    this.#options.onSettled()
  }

  #tryAppend(batch: PendingBatch, handle: TopicHandle, isOwned: boolean): boolean {
    const append = (this.#append ??= createAppend(handle))
    append.sequence = this.#nextSequence
    append.handle = handle
    append.partition = batch.index
    append.bytes = batch.bytes
    append.isOwned = isOwned
    const isTaken = this.#options.engine.append(append)
    append.bytes = NOTHING
    if (!isTaken) return false
    this.#nextSequence += 1
    batch.bytes = NOTHING
    this.#pending.push(batch)
    return true
  }

  #settle(completion: AppendCompletion): void {
    const batch = this.#pending.shift()
    if (batch === undefined || completion.sequence !== this.#firstSequence) {
      throw new BrokerError('ERR_INTERNAL')
    }
    this.#firstSequence += 1
    const { error } = completion
    if (error === undefined) {
      batch.baseOffset = completion.baseOffset
      batch.logAppendTimeMs = completion.appendTimestamp
    } else {
      this.#fail(batch, error)
    }
    batch.request.settleOne()
  }

  #fail(batch: PendingBatch, error: BrokerError): void {
    this.refuse(batch, error)
    // A producer that is not known any more goes by this whether its records were removed by age.
    if (error.code === 'ERR_UNKNOWN_PRODUCER') {
      batch.logStartOffset = this.#options.earliestOf(batch.topic, batch.index)
    }
    if (batch.request.isSilent) this.#options.onUnheardFailure(error)
  }
}

const createAppend = (handle: TopicHandle): ReusedAppend => ({
  sequence: 0,
  handle,
  partition: 0,
  bytes: NOTHING,
  isOwned: false,
  durability: 'topic',
})
