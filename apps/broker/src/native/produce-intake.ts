/**
 * PRODUCE on its way into the engine and PRODUCED on its way out: the hot path of a session.
 *
 * Invariants: answers leave in the order of the requests; a batch the engine refused for want of
 * room is submitted again before anything that came after it. One buffer holds the answers of a
 * whole completion batch; nothing is allocated per record.
 */
import { BrokerError } from '@millrace/codec'
import type { AppendCompletion, Durability, EngineSession, TopicHandle } from '@millrace/core'
import {
  FRAME_HEADER_BYTES,
  Opcode,
  PRODUCED_BYTES,
  ReachedDurability,
  WantedDurability,
  writeFrameHeader,
  writeProduced,
} from '@millrace/protocol'
import { ProduceWindow } from './produce-window.ts'

const ANSWER_BYTES = FRAME_HEADER_BYTES + PRODUCED_BYTES
const NO_ANSWERS = new Uint8Array(0)

const reachedDurability: Readonly<Record<Durability, ReachedDurability>> = {
  memory: ReachedDurability.MEMORY,
  persisted: ReachedDurability.PERSISTED,
  replicated: ReachedDurability.REPLICATED,
}

export interface ProduceIntakeOptions {
  readonly engine: EngineSession
  /** Whole frames, given away. */
  readonly write: (frames: Uint8Array) => void
  readonly fail: (error: BrokerError, channel: number, correlation: number) => void
  /** The engine takes nothing more for now, or takes again. */
  readonly onEngineFull: (isFull: boolean) => void
  readonly onAnswered: () => void
}

/** Reused for every request: the engine reads it during the call only. */
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
  readonly #window: ProduceWindow
  #append: ReusedAppend | undefined
  #isRefused: boolean
  #answers: Uint8Array
  #answersFrom: number
  #answersTo: number

  constructor(options: ProduceIntakeOptions) {
    this.#options = options
    this.#window = new ProduceWindow()
    this.#append = undefined
    this.#isRefused = false
    this.#answers = NO_ANSWERS
    this.#answersFrom = 0
    this.#answersTo = 0
  }

  /** Requests under way, those without an answer included. */
  get count(): number {
    return this.#window.count
  }

  get answerableCount(): number {
    return this.#window.answerableCount
  }

  accept(
    channel: number,
    correlation: number,
    handle: TopicHandle,
    partition: number,
    wanted: WantedDurability,
    batch: Uint8Array,
    isOwned: boolean,
  ): void {
    const append = this.#reuse(handle)
    append.sequence = this.#window.nextSequence
    append.partition = partition
    append.bytes = batch
    append.isOwned = isOwned
    append.durability = wanted === WantedDurability.TOPIC ? 'topic' : 'memory'
    this.#window.push(channel, correlation, wanted === WantedDurability.NO_ANSWER)
    if (!this.#options.engine.append(append)) this.#keepForLater(append)
  }

  /** A request that failed here: its answer waits until those before it have theirs. */
  reject(channel: number, correlation: number, error: BrokerError): void {
    this.#window.push(channel, correlation, false, error)
    this.#answerRejected()
    this.#options.onAnswered()
  }

  onWritable(): void {
    const append = this.#append
    if (!this.#isRefused || append === undefined) return
    if (!this.#options.engine.append(append)) return
    this.#isRefused = false
    append.bytes = NO_ANSWERS
    this.#options.onEngineFull(false)
  }

  onCompletions(completions: readonly AppendCompletion[], count: number): void {
    this.#answers = new Uint8Array(count * ANSWER_BYTES)
    this.#answersFrom = 0
    this.#answersTo = 0
    for (let index = 0; index < count; index++) {
      this.#answerRejected()
      this.#answer(completions[index] as AppendCompletion)
    }
    this.#answerRejected()
    this.#writeAnswers()
    this.#answers = NO_ANSWERS
    this.#options.onAnswered()
  }

  #reuse(handle: TopicHandle): ReusedAppend {
    if (this.#append === undefined) {
      const bytes = NO_ANSWERS
      const fresh = { sequence: 0, handle, partition: 0, bytes, isOwned: false }
      this.#append = { ...fresh, durability: 'topic' }
    }
    this.#append.handle = handle
    return this.#append
  }

  /** The bytes are a view of the socket's buffer: they do not outlive this call unless copied. */
  #keepForLater(append: ReusedAppend): void {
    if (!append.isOwned) append.bytes = new Uint8Array(append.bytes)
    append.isOwned = true
    this.#isRefused = true
    this.#options.onEngineFull(true)
  }

  #answer(completion: AppendCompletion): void {
    const window = this.#window
    if (window.count === 0 || window.firstSequence !== completion.sequence) {
      this.#options.fail(new BrokerError('ERR_INTERNAL'), 0, 0)
      return
    }
    const channel = window.firstChannel
    const correlation = window.firstCorrelation
    const isSilent = window.isFirstSilent
    window.shift()
    if (isSilent) return
    if (completion.error !== undefined) this.#answerError(completion.error, channel, correlation)
    else this.#encode(completion, channel, correlation)
  }

  #encode(completion: AppendCompletion, channel: number, correlation: number): void {
    const answers = this.#answers
    const at = this.#answersTo
    writeFrameHeader(answers, at, PRODUCED_BYTES, Opcode.PRODUCED, 0, channel, correlation)
    writeProduced(
      answers,
      at + FRAME_HEADER_BYTES,
      completion.baseOffset,
      completion.nextOffset,
      completion.appendTimestamp,
      completion.epoch,
      reachedDurability[completion.durability],
    )
    this.#answersTo = at + ANSWER_BYTES
  }

  #answerRejected(): void {
    const window = this.#window
    for (let error = window.firstError; error !== undefined; error = window.firstError) {
      const channel = window.firstChannel
      const correlation = window.firstCorrelation
      window.shift()
      this.#answerError(error, channel, correlation)
    }
  }

  #answerError(error: BrokerError, channel: number, correlation: number): void {
    this.#writeAnswers()
    this.#options.fail(error, channel, correlation)
  }

  #writeAnswers(): void {
    if (this.#answersTo === this.#answersFrom) return
    this.#options.write(this.#answers.subarray(this.#answersFrom, this.#answersTo))
    this.#answersFrom = this.#answersTo
  }
}
