/**
 * One Fetch: all its partitions are looked at; with enough bytes it answers, else it waits until one
 * of them has more, and looks again.
 *
 * ```
 *   open topics → read all, as far as the byte limit goes → enough? → answer
 *                        ^                                   | no
 *                        └── one partition has more ── wait ─┘ (bytes given back meanwhile)
 * ```
 * It begins when everything before it on the connection was answered, so a connection holds the
 * bytes of one fetch at most. Invariant: every lease is handed to the writer or released, once.
 */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { Broker, Caller, EngineSession, Environment, ReadResult } from '@millrace/core'
import type { Answer } from './answer-queue.ts'
import { FetchSlot } from './fetch-slot.ts'
import { KafkaError } from './errors.ts'
import { FETCH_BYTES_MAX, FETCH_WAIT_MS_MAX } from './limits.ts'
import type { MessageWriter } from './message-writer.ts'
import type { OpenTopics } from './open-topics.ts'
import type { ApiVersion } from './schema/api.ts'
import {
  FETCH_KEY,
  type FetchedTopic,
  type FetchRequest,
  type FetchResponse,
} from './schema/apis/fetch.ts'
import { writeResponse } from './schema/header.ts'

export interface FetchSurroundings {
  readonly broker: Broker
  readonly caller: Caller
  readonly engine: EngineSession
  readonly topics: OpenTopics
  readonly environment: Environment
  /** The connection sends ranges of files. */
  readonly mayStayInFile: boolean
  /** The answer is ready. */
  readonly onReady: () => void
  /** A partition could not be read. */
  readonly onFailure: (error: BrokerError) => void
  readonly onBug: (error: unknown) => void
}

export class FetchAnswer implements Answer {
  readonly bringsRecords = true
  readonly #surroundings: FetchSurroundings
  readonly #api: ApiVersion<FetchRequest, FetchResponse>
  readonly #correlation: number
  readonly #request: FetchRequest
  readonly #slots: FetchSlot[]
  #deadlineMs: number
  #bytesLeft: number
  #totalBytes: number
  #cursor: number
  #outstanding: number
  #hasError: boolean
  #mayWait: boolean
  #isReady: boolean
  #isOver: boolean

  constructor(
    surroundings: FetchSurroundings,
    api: ApiVersion<FetchRequest, FetchResponse>,
    correlation: number,
    request: FetchRequest,
  ) {
    this.#surroundings = surroundings
    this.#api = api
    this.#correlation = correlation
    this.#request = request
    this.#slots = []
    this.#deadlineMs = 0
    this.#bytesLeft = 0
    this.#totalBytes = 0
    this.#cursor = 0
    this.#outstanding = 0
    this.#hasError = false
    this.#mayWait = request.minBytes > 0 && request.maxWaitMs > 0
    this.#isReady = false
    this.#isOver = false
  }

  get isReady(): boolean {
    return this.#isReady
  }

  start(): void {
    const { environment, topics } = this.#surroundings
    const waitMs = Math.min(this.#request.maxWaitMs, FETCH_WAIT_MS_MAX)
    this.#deadlineMs = environment.clock.monotonic() + waitMs
    if (this.#sessionError() !== KafkaError.NONE) {
      this.#isReady = true
      return
    }
    const names = this.#request.topics.map(({ topic }) => topic)
    if (names.every((name) => topics.find(name) !== undefined)) this.#begin(NO_FAILURES)
    else void this.#openTopics(names)
  }

  write(writer: MessageWriter): void {
    this.#isOver = true
    const errorCode = this.#sessionError()
    const responses = errorCode === KafkaError.NONE ? this.#responses() : []
    const response = { throttleTimeMs: 0, errorCode, sessionId: 0, responses }
    writeResponse(writer, FETCH_KEY, this.#api, this.#correlation, response)
  }

  discard(): void {
    this.#isOver = true
    for (const slot of this.#slots) slot.release()
  }

  hurry(): void {
    if (!this.#mayWait) return
    this.#mayWait = false
    if (this.#slots.some(({ isWaiting }) => isWaiting)) this.#readAll()
  }

  /** No sessions are kept: a client asks for all its partitions every time. */
  #sessionError(): KafkaError {
    const { sessionId, sessionEpoch } = this.#request
    if (sessionId !== 0) return KafkaError.FETCH_SESSION_ID_NOT_FOUND
    return sessionEpoch > 0 ? KafkaError.INVALID_FETCH_SESSION_EPOCH : KafkaError.NONE
  }

  async #openTopics(names: readonly string[]): Promise<void> {
    try {
      const failures = await this.#surroundings.topics.open(names)
      if (!this.#isOver) this.#begin(failures)
    } catch (error) {
      this.#surroundings.onBug(error)
    }
  }

  #begin(failures: ReadonlyMap<string, BrokerError>): void {
    const { topics, onFailure, mayStayInFile } = this.#surroundings
    const isCommitted = this.#request.isolationLevel === 1
    const options = { isCommitted, mayStayInFile, onFailure }
    for (const { topic, partitions } of this.#request.topics) {
      const handle = topics.find(topic)
      for (const partition of partitions) {
        const slot = new FetchSlot(topic, handle, partition, options)
        if (handle === undefined) slot.fail(failures.get(topic) ?? notFound(topic))
        this.#slots.push(slot)
      }
    }
    const [only] = this.#slots
    if (this.#slots.length === 1 && only?.isReadable === true) this.#readOnly(only)
    else this.#readAll()
  }

  /** With one partition the engine does the waiting. */
  #readOnly(slot: FetchSlot): void {
    const { minBytes, maxBytes } = this.#request
    const bytesMax = clamp(Math.min(maxBytes, slot.request.partitionMaxBytes), FETCH_BYTES_MAX)
    const waitMs = this.#mayWait ? this.#waitMsLeft() : 0
    const bytesMin = this.#mayWait ? Math.min(minBytes, bytesMax) : 0
    slot.read(this.#surroundings.engine, bytesMax, bytesMin, waitMs, (result) => {
      if (slot.take(result)) this.#finish()
      else this.#readAll()
    })
    slot.isWaiting = this.#mayWait
  }

  #readAll(): void {
    for (const slot of this.#slots) slot.restart()
    this.#bytesLeft = clamp(this.#request.maxBytes, FETCH_BYTES_MAX)
    this.#totalBytes = 0
    this.#cursor = 0
    this.#hasError = false
    this.#readSome()
  }

  /** As many partitions at once as could all be answered in full. */
  #readSome(): void {
    const { engine } = this.#surroundings
    let allotted = 0
    const slots = this.#slots
    while (this.#cursor < slots.length && this.#bytesLeft > 0) {
      const slot = slots[this.#cursor] as FetchSlot
      const bytesMax = clamp(slot.request.partitionMaxBytes, this.#bytesLeft)
      if (allotted > 0 && allotted + bytesMax > this.#bytesLeft) break
      this.#cursor += 1
      if (!slot.isReadable) {
        this.#hasError = true
        continue
      }
      allotted += bytesMax
      this.#outstanding += 1
      slot.read(engine, bytesMax, 0, 0, (result) => this.#takeOne(slot, bytesMax, result))
    }
    if (this.#outstanding === 0) this.#settle()
  }

  #takeOne(slot: FetchSlot, bytesMax: number, result: ReadResult): void {
    if (!slot.take(result)) {
      const { engine } = this.#surroundings
      slot.read(engine, bytesMax, 0, 0, (again) => this.#takeOne(slot, bytesMax, again))
      return
    }
    this.#outstanding -= 1
    if (this.#outstanding === 0) this.#account()
  }

  /** Where a batch is larger than what is left, it waits for the next fetch, unless it is alone. */
  #account(): void {
    for (let index = 0; index < this.#cursor; index++) {
      const slot = this.#slots[index] as FetchSlot
      if (slot.isCounted) continue
      slot.isCounted = true
      if (slot.hasFailed) this.#hasError = true
      if (this.#totalBytes > 0 && slot.byteLength > this.#bytesLeft) slot.dropBytes()
      this.#totalBytes += slot.byteLength
      this.#bytesLeft -= slot.byteLength
    }
    if (this.#cursor < this.#slots.length && this.#bytesLeft > 0) this.#readSome()
    else this.#settle()
  }

  #settle(): void {
    this.#describeRest()
    const isEnough = this.#totalBytes >= this.#request.minBytes || this.#hasError
    const canWait = this.#mayWait && this.#slots.length > 0 && this.#waitMsLeft() > 0
    if (isEnough || !canWait) this.#finish()
    else this.#wait()
  }

  /** Partitions that the byte limit left out still say where they end. */
  #describeRest(): void {
    const { broker, caller } = this.#surroundings
    for (let index = this.#cursor; index < this.#slots.length; index++) {
      const slot = this.#slots[index] as FetchSlot
      if (!slot.isReadable) continue
      try {
        slot.describe(broker.describeTopic(caller, slot.topic))
      } catch (error) {
        slot.fail(isBrokerError(error) ? error : new BrokerError('ERR_INTERNAL'))
      }
    }
  }

  /**
   * What is missing in all can only be there when one partition has gained its share of it: each
   * waits for that.
   */
  #wait(): void {
    const missing = this.#request.minBytes - this.#totalBytes
    const share = Math.max(1, Math.ceil(missing / this.#slots.length))
    const waitMs = this.#waitMsLeft()
    for (const slot of this.#slots) {
      const bytesMin = slot.byteLength + share
      slot.dropBytes()
      slot.read(this.#surroundings.engine, bytesMin, bytesMin, waitMs, (result) => {
        result.lease?.release()
        this.#readAll()
      })
      slot.isWaiting = true
    }
  }

  #waitMsLeft(): number {
    return Math.max(0, this.#deadlineMs - this.#surroundings.environment.clock.monotonic())
  }

  #finish(): void {
    this.#isReady = true
    this.#surroundings.onReady()
  }

  #responses(): readonly FetchedTopic[] {
    let next = 0
    return this.#request.topics.map(({ topic, partitions }) => {
      const from = next
      next += partitions.length
      return { topic, partitions: this.#slots.slice(from, next).map((slot) => slot.answer) }
    })
  }
}

const notFound = (topic: string): BrokerError => new BrokerError('ERR_TOPIC_NOT_FOUND', [topic])

const NO_FAILURES: ReadonlyMap<string, BrokerError> = new Map()

/** A client may ask for nothing or less: a batch is answered all the same. */
const clamp = (asked: number, bytesMax: number): number => Math.max(1, Math.min(asked, bytesMax))
