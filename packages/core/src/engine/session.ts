/**
 * One peer's access to the hot path. Appends complete in the order they were submitted, whatever
 * their outcome and durability; reads complete when they are ready.
 */
import {
  BrokerError,
  RingQueue,
  batchBaseTimestamp,
  batchMaxTimestamp,
  batchRecordCount,
  compressionCodecs,
  validateBatch,
  type BatchCompression,
} from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import type { Log } from '../log/log.ts'
import type { ProducerBatch } from '../log/producer-states.ts'
import type { LogStore } from '../log/store.ts'
import type { TopicRegistry } from '../topic/topic-registry.ts'
import { effectiveBatchBytesMax } from '../topic/topic-settings.ts'
import { PendingAppend } from './append-ticket.ts'
import { withAppendTime } from './append-time.ts'
import { PendingFetch, readRefusal, type FetchTarget } from './fetch.ts'
import type {
  AppendOperation,
  Cancellable,
  EngineSession,
  FetchOperation,
  PartitionSubscription,
  Principal,
  ReadResult,
  SessionOptions,
  SubscribeOperation,
  SubscriptionSink,
  TopicHandle,
} from './operations.ts'
import { checkProducerRules } from './producer-rules.ts'
import { asBrokerError, failedResult } from './read-results.ts'
import type { Readability } from './readable-slice.ts'
import { PushSubscription } from './subscription.ts'

const everyCodec: readonly number[] = Object.values(compressionCodecs)
const RECORDS_PER_BATCH_MAX = 1_000_000
const TICKETS_KEPT_MAX = 1_024

const stale = (): BrokerError => new BrokerError('ERR_STALE_HANDLE')

export class Session implements EngineSession {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #registry: TopicRegistry
  readonly #options: SessionOptions
  readonly #onClosed: (session: Session) => void
  readonly #pending = new RingQueue<PendingAppend>()
  readonly #tickets: PendingAppend[] = []
  readonly #completed: PendingAppend[] = []
  readonly #reads = new Set<Cancellable>()
  readonly #complete = (): void => this.#deliverCompletions()
  readonly #forget = (read: Cancellable): void => void this.#reads.delete(read)
  readonly #acceptedCodecs: readonly number[]
  readonly #readability: Readability | undefined
  #inFlightBytes = 0
  #isDeliveryScheduled = false
  #isRefusing = false
  #isClosed = false

  constructor(
    environment: Environment,
    store: LogStore,
    registry: TopicRegistry,
    options: SessionOptions,
    compression: BatchCompression | undefined,
    onClosed: (session: Session) => void,
  ) {
    this.#environment = environment
    this.#store = store
    this.#registry = registry
    this.#options = options
    this.#onClosed = onClosed
    this.#acceptedCodecs = compression === undefined ? [compressionCodecs.none] : everyCodec
    const { codecs } = options
    const readsAll = codecs === undefined || everyCodec.every((codec) => codecs.includes(codec))
    this.#readability = compression === undefined || readsAll ? undefined : { compression, codecs }
  }

  append(operation: AppendOperation): boolean {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the session'])
    const bytes = operation.bytes.length
    if (!this.#hasCredit(bytes)) {
      this.#isRefusing = true
      return false
    }
    const ticket = this.#tickets.pop() ?? new PendingAppend(this)
    ticket.begin(operation.sequence, bytes)
    this.#pending.push(ticket)
    this.#inFlightBytes += bytes
    if (this.#options.traffic !== undefined) this.#options.traffic.appendRequests += 1
    try {
      this.#accept(operation, ticket)
    } catch (error) {
      ticket.refused(asBrokerError(error))
    }
    return true
  }

  fetch(operation: FetchOperation, done: (result: ReadResult) => void): Cancellable {
    const target = this.#readableTargetOf(operation.handle, operation.partition)
    if (target instanceof Failure) {
      const result = failedResult(undefined, operation.offset, target.error)
      let isCancelled = false
      this.#environment.timers.defer(() => {
        if (!isCancelled) done(result)
      })
      return { cancel: () => (isCancelled = true) }
    }
    const { reader } = this.#store
    const fetch = new PendingFetch(this.#environment, reader, target, operation, done, this.#forget)
    this.#reads.add(fetch)
    fetch.start()
    return fetch
  }

  subscribe(operation: SubscribeOperation, sink: SubscriptionSink): PartitionSubscription {
    const target = this.#readableTargetOf(operation.handle, operation.partition)
    if (target instanceof Failure) throw target.error
    const { reader } = this.#store
    const subscription = new PushSubscription(
      this.#environment,
      reader,
      target,
      operation,
      sink,
      this.#forget,
    )
    this.#reads.add(subscription)
    subscription.start()
    return subscription
  }

  renew(principal: Principal): void {
    this.#options.access?.renew(principal)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const read of [...this.#reads]) read.cancel()
    this.#reads.clear()
    this.#onClosed(this)
  }

  /** A ticket has its outcome: the caller is told at the end of the turn, with all others. */
  settled(): void {
    if (this.#isDeliveryScheduled) return
    this.#isDeliveryScheduled = true
    this.#environment.timers.defer(this.#complete)
  }

  /** The store has room again. */
  resume(): void {
    if (!this.#isRefusing || this.#isClosed || !this.#hasCredit(0)) return
    this.#isRefusing = false
    this.#options.onWritable()
  }

  #hasCredit(bytes: number): boolean {
    if (this.#store.isCongested) return false
    if (this.#pending.length === 0) return true
    const { inFlightCountMax, inFlightBytesMax } = this.#options
    return (
      this.#pending.length < inFlightCountMax && this.#inFlightBytes + bytes <= inFlightBytesMax
    )
  }

  #accept(operation: AppendOperation, ticket: PendingAppend): void {
    const refusal = this.#store.refusal()
    if (refusal !== undefined) throw refusal
    const target = this.#targetOf(operation.handle, operation.partition)
    if (target instanceof Failure) throw target.error
    const { access } = this.#options
    if (access !== undefined && !access.mayWrite(target.topic.definition))
      throw access.refusal('write', target.topic.definition)
    const { settings } = target.topic.definition
    validateBatch(operation.bytes, {
      batchBytesMax: effectiveBatchBytesMax(settings),
      recordsPerBatchMax: RECORDS_PER_BATCH_MAX,
      codecs: this.#acceptedCodecs,
    })
    checkProducerRules(operation.bytes)
    const isStamped = settings.timestampType === 'append'
    const now = this.#environment.clock.now()
    const bytes = isStamped ? withAppendTime(operation.bytes, now) : operation.bytes
    if (isStamped) ticket.appendTimestamp = now
    const accepted = {
      bytes,
      recordCount: batchRecordCount(bytes),
      maxTimestamp: Math.max(batchMaxTimestamp(bytes), batchBaseTimestamp(bytes)),
    }
    const original = this.#store.originalOf(target.log, bytes)
    if (original !== undefined) {
      if (isStamped) ticket.appendTimestamp = original.maxTimestamp
      return this.#repeat(operation, ticket, target.log, original)
    }
    // An unsynced log is as early as it may be: its offsets wait for their ceiling.
    const isEarly = operation.durability === 'memory' && !target.log.isVolatile
    const isOwned = operation.isOwned || isStamped
    const batch = this.#store.append(target.log, accepted, isOwned, isEarly ? undefined : ticket)
    target.topic.traffic.appended(accepted.recordCount, bytes.length)
    target.traffic?.appended(accepted.recordCount, bytes.length)
    if (isEarly) ticket.accepted(batch, 'memory')
  }

  #readableTargetOf(handle: TopicHandle, partition: number): FetchTarget | Failure {
    const target = this.#targetOf(handle, partition)
    if (target instanceof Failure) return target
    const refusal = readRefusal(target)
    return refusal === undefined ? target : new Failure(refusal)
  }

  /** A duplicate is answered when its original is: not before that is durable. */
  #repeat(
    operation: AppendOperation,
    ticket: PendingAppend,
    log: Log,
    original: ProducerBatch,
  ): void {
    const isVisible = original.nextOffset <= log.highWatermark
    const settled = log.isVolatile ? 'memory' : 'persisted'
    if (isVisible) return ticket.repeated(original, settled)
    if (operation.durability === 'memory' && !log.isVolatile)
      return ticket.repeated(original, 'memory')
    ticket.isDuplicate = true
    this.#store.awaitStored(log, original.baseOffset, ticket)
  }

  #targetOf(handle: TopicHandle, partition: number): FetchTarget | Failure {
    const topic = this.#registry.byId(handle.topicId)
    if (topic === undefined || topic.definition.id !== handle.generation)
      return new Failure(stale())
    const log = topic.logs[partition]
    const { traffic, access } = this.#options
    if (log !== undefined) return { topic, log, readability: this.#readability, traffic, access }
    const { name, logIds } = topic.definition
    const isKnown = logIds[partition] !== undefined
    return new Failure(
      isKnown
        ? new BrokerError('ERR_DATA_CORRUPT', [0, 0, `${name}/${partition}`])
        : new BrokerError('ERR_PARTITION_NOT_FOUND', [name, partition]),
    )
  }

  #deliverCompletions(): void {
    this.#isDeliveryScheduled = false
    // The broker has failed since: nothing completes any more, not even what was settled before.
    if (this.#store.failure !== undefined) return
    const completed = this.#completed
    let count = 0
    for (;;) {
      const ticket = this.#pending.peek()
      if (ticket === undefined || !ticket.isSettled) break
      this.#pending.shift()
      this.#inFlightBytes -= ticket.bytes
      completed[count++] = ticket
    }
    if (count === 0) return
    if (!this.#isClosed) this.#options.onCompletions(completed, count)
    for (let index = 0; index < count; index++) {
      const ticket = completed[index]
      if (ticket !== undefined && this.#tickets.length < TICKETS_KEPT_MAX)
        this.#tickets.push(ticket)
    }
    this.resume()
  }
}

/** A value instead of an exception: refusals are common on the hot path. */
class Failure {
  readonly error: BrokerError

  constructor(error: BrokerError) {
    this.error = error
  }
}
