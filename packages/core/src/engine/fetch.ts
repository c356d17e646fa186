/**
 * One fetch: answered at once when enough is there, else when enough has come or its time is up.
 * It looks at the log again each time the high watermark moved; it holds no bytes while it waits.
 */
import { BrokerError } from '@millrace/codec'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import type { SessionAccess } from '../identity/session-access.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { Log } from '../log/log.ts'
import type { LogReader } from '../log/log-reader.ts'
import type { Topic } from '../topic/topic.ts'
import type { Cancellable, FetchOperation, ReadResult } from './operations.ts'
import { asBrokerError, failedResult, resultOf } from './read-results.ts'
import { readableSlice, type Readability } from './readable-slice.ts'
import type { TrafficCounters } from './traffic.ts'

export interface FetchTarget {
  readonly topic: Topic
  readonly log: Log
  /** `undefined`: the peer reads every codec. */
  readonly readability?: Readability | undefined
  /** Of the protocol; the topic counts for itself. */
  readonly traffic?: TrafficCounters | undefined
  /** `undefined`: everybody may read. */
  readonly access?: SessionAccess | undefined
}

/** Asked before each answer and delivery: a right may have been taken away while it was waited for. */
export const readRefusal = ({ topic, access }: FetchTarget): BrokerError | undefined =>
  access === undefined || access.mayRead(topic.definition)
    ? undefined
    : access.refusal('read', topic.definition)

/** Bytes that nobody looks into cannot be made readable either. */
export const mayStay = (
  { mayStayInFile }: { readonly mayStayInFile?: boolean | undefined },
  { readability }: FetchTarget,
): boolean => mayStayInFile === true && readability === undefined

export const countRead = ({ topic, traffic }: FetchTarget, from: number, slice: LogSlice): void => {
  if (slice.byteLength === 0) return
  const records = slice.nextOffset - from
  topic.traffic.read(records, slice.byteLength)
  traffic?.read(records, slice.byteLength)
}

export class PendingFetch implements Cancellable {
  readonly #environment: Environment
  readonly #reader: LogReader
  readonly #target: FetchTarget
  readonly #operation: FetchOperation
  readonly #done: (result: ReadResult) => void
  readonly #onOver: (fetch: PendingFetch) => void
  readonly #onChange = (): void => this.#look()
  #timer: TimerHandle | undefined
  #isOver = false
  #isReading = false

  constructor(
    environment: Environment,
    reader: LogReader,
    target: FetchTarget,
    operation: FetchOperation,
    done: (result: ReadResult) => void,
    onOver: (fetch: PendingFetch) => void,
  ) {
    this.#environment = environment
    this.#reader = reader
    this.#target = target
    this.#operation = operation
    this.#done = done
    this.#onOver = onOver
  }

  /** The callback never runs inside this call. */
  start(): void {
    const { bytesMin, waitMsMax, offset } = this.#operation
    const mayWait = bytesMin > 0 && waitMsMax > 0 && offset <= this.#target.log.highWatermark
    if (!mayWait || this.#hasEnough()) {
      this.#environment.timers.defer(() => void this.#answer())
      return
    }
    this.#target.log.watch(this.#onChange)
    this.#timer = this.#environment.timers.after(waitMsMax, () => void this.#answer())
  }

  cancel(): void {
    this.#isOver = true
    this.#stopWaiting()
    this.#onOver(this)
  }

  #look(): void {
    const isGone = this.#target.topic.isDeleted || this.#target.log.isDeleted
    if (isGone || this.#hasEnough()) void this.#answer()
  }

  #hasEnough(): boolean {
    const { log } = this.#target
    const { offset, bytesMin } = this.#operation
    return offset < log.highWatermark && log.visibleBytesFrom(offset, bytesMin) >= bytesMin
  }

  async #answer(): Promise<void> {
    if (this.#isOver || this.#isReading) return
    this.#isReading = true
    this.#stopWaiting()
    const result = await this.#read()
    if (this.#isOver) result.lease?.release()
    else {
      this.#isOver = true
      this.#onOver(this)
      this.#done(result)
    }
  }

  async #read(): Promise<ReadResult> {
    const { log, topic } = this.#target
    const { offset, bytesMax } = this.#operation
    const mayStayInFile = mayStay(this.#operation, this.#target)
    const refusal = readRefusal(this.#target)
    if (refusal !== undefined) return failedResult(undefined, offset, refusal)
    if (topic.isDeleted)
      return failedResult(
        log,
        offset,
        new BrokerError('ERR_TOPIC_DELETED', [topic.definition.name]),
      )
    try {
      const slice =
        this.#reader.readTail(log, offset, bytesMax) ??
        (await this.#reader.read(log, offset, bytesMax, mayStayInFile))
      countRead(this.#target, offset, slice)
      return resultOf(log, readableSlice(slice, this.#target.readability))
    } catch (error) {
      // Behind a damaged range there may be more: the answer says where to go on.
      return failedResult(log, log.gapAt(offset)?.to ?? offset, asBrokerError(error))
    }
  }

  #stopWaiting(): void {
    this.#target.log.unwatch(this.#onChange)
    this.#timer?.cancel()
  }
}
