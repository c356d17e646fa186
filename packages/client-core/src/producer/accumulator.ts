/**
 * Messages in, batches out: chooses the partition, counts what is buffered, and lets the pipelines
 * send once per turn of the event loop. It makes no promise; `Producer` does.
 */
import { deflateBatch, type BrokerError } from '@millrace/codec'
import { PRODUCE_HEAD_BYTES, type TopicOpened, WantedDurability } from '@millrace/protocol'
import { Opcode, writeProduceHead } from '@millrace/protocol'
import { asBrokerError } from '../errors.ts'
import { TURN_BYTES_MAX } from '../limits.ts'
import type { Platform } from '../platform.ts'
import type { BrokerSession, LiveConnection } from '../session/broker-session.ts'
import type { TurnTask } from '../session/connection.ts'
import type { MessageFields } from './message-fields.ts'
import type { FlushToken, OutgoingBatch, SendWaiter } from './outgoing-batch.ts'
import { type PipelineHost, PartitionPipeline, estimateRecordBytes } from './partition-pipeline.ts'
import { StickyPartition, checkPartition, keyedPartition } from './partitioner.ts'
import type { IdentitySource, ProducerIdentity } from './producer-identity.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'

export interface AccumulatorListener {
  /** There may be room again. */
  onRoom(): void
  /** Messages that came through `write` are lost, or may be. */
  onUnheard(error: BrokerError, partition: number, messageCount: number): void
  /** The handle is no longer good: open the topic again, then call `open`. */
  onStaleHandle(stale: TopicOpened): void
  /** The number is not to be used any more: ask for another, then call `onIdentity`. */
  onIdentityNeeded(): void
}

export class Accumulator<T> implements PipelineHost, TurnTask {
  readonly topic: string
  readonly platform: Platform
  readonly inFlightBatchesMax: number
  readonly deliveryTimeoutMs: number
  readonly wantsAnswers: boolean
  readonly isIdempotent: boolean
  readonly #identities: IdentitySource
  readonly #session: BrokerSession
  readonly #options: ResolvedProducerOptions<T>
  readonly #listener: AccumulatorListener
  readonly #pipelines: (PartitionPipeline | undefined)[] = []
  #live: LiveConnection | undefined
  #opened: TopicOpened | undefined
  #topicId: number | undefined
  #partitionCount = 0
  #sticky: StickyPartition | undefined
  #scheduled: PartitionPipeline[] = []
  #isTurnTask = false
  #cancelLinger: (() => void) | undefined
  #batchBytesTarget = 0
  #batchBytesMax = 0
  #bufferedBytes = 0
  #turnBytes = 0
  #isOverfull = false

  constructor(
    session: BrokerSession,
    topic: string,
    options: ResolvedProducerOptions<T>,
    identities: IdentitySource,
    listener: AccumulatorListener,
  ) {
    this.#identities = identities
    this.isIdempotent = options.isIdempotent
    this.#session = session
    this.#options = options
    this.#listener = listener
    this.topic = topic
    this.platform = session.platform
    this.inFlightBatchesMax = options.inFlightBatchesMax
    this.deliveryTimeoutMs = options.deliveryTimeoutMs
    this.wantsAnswers = options.durability !== WantedDurability.NO_ANSWER
  }

  get batchBytesTarget(): number {
    return this.#batchBytesTarget
  }

  get batchBytesMax(): number {
    return this.#batchBytesMax
  }

  /** The partitions are known: messages may come, also while there is no connection. */
  get isOpen(): boolean {
    return this.#partitionCount > 0
  }

  /** What there is may go out. */
  get isSendable(): boolean {
    return this.#opened !== undefined
  }

  get mayResume(): boolean {
    return this.#session.mayResume
  }

  /** Bytes accepted and not settled. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** From the limit down to its half, so that a waiting program does not wake for every batch. */
  get isOverfull(): boolean {
    return this.#isOverfull
  }

  /** Enough for one turn: let what is there leave first. */
  get isTurnFull(): boolean {
    return this.#turnBytes >= TURN_BYTES_MAX
  }

  /** Also after a stale handle, and on every new connection; the partitions may be others then. */
  open(opened: TopicOpened, live: LiveConnection): void {
    this.#noteTopic(opened)
    this.#live = live
    this.#opened = opened
    this.#partitionCount = opened.partitions
    this.#sticky ??= new StickyPartition(this.platform.random(), opened.partitions)
    if (this.#sticky.current >= opened.partitions) this.#sticky.advance(opened.partitions)
    this.#batchBytesMax = Math.min(
      opened.batchBytesMax,
      live.connected.batchBytesMax,
      live.connection.limits.bodyBytesMax - PRODUCE_HEAD_BYTES,
    )
    this.#batchBytesTarget = Math.min(this.#options.batchBytesMax, this.#batchBytesMax)
    for (const pipeline of this.#pipelines) if (pipeline !== undefined) this.schedule(pipeline)
  }

  /** The connection takes nothing new. What comes now waits for the next one. */
  onDown(): void {
    this.#live = undefined
    this.#opened = undefined
    this.#isTurnTask = false
    for (const pipeline of this.#pipelines) pipeline?.onDown()
  }

  onIdentity(): void {
    for (const pipeline of this.#pipelines) if (pipeline !== undefined) this.schedule(pipeline)
  }

  identityOtherThan(old: ProducerIdentity | undefined): ProducerIdentity | undefined {
    if (old !== undefined) this.#identities.discard(old)
    const { current } = this.#identities
    if (current === undefined) this.#listener.onIdentityNeeded()
    return current
  }

  /** While nothing can be sent: fails what waited too long. The earliest deadline of the rest. */
  expire(nowMs: number): number {
    let earliestMs = Infinity
    for (const pipeline of this.#pipelines) {
      if (pipeline !== undefined) earliestMs = Math.min(earliestMs, pipeline.expire(nowMs))
    }
    return earliestMs
  }

  /** Throws when the message cannot be sent; nothing of it is kept then. */
  append(fields: MessageFields<T>, waiter: SendWaiter | undefined): void {
    const estimate = estimateRecordBytes(fields.key, fields.value, fields.headers)
    const pipeline = this.#choose(fields, estimate)
    if (!this.isSendable) pipeline.sealIfOld()
    if (!pipeline.fits(estimate)) pipeline.seal()
    const { timestamp, key, value, headers } = fields
    pipeline.append(timestamp, key, value, headers, waiter)
    if (this.#options.lingerMs === 0) {
      pipeline.mayCloseOpen = true
      if (!pipeline.isScheduled) this.schedule(pipeline)
    } else {
      this.#linger(pipeline)
    }
  }

  addFlushToken(token: FlushToken): void {
    for (const pipeline of this.#pipelines) {
      if (pipeline === undefined) continue
      pipeline.addFlushToken(token)
      this.schedule(pipeline)
    }
  }

  failUnsent(error: BrokerError): void {
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
    for (const pipeline of this.#pipelines) pipeline?.failUnsent(error)
  }

  failInFlight(error: BrokerError): void {
    for (const pipeline of this.#pipelines) pipeline?.failInFlight(error)
  }

  /** The batch as it goes out. */
  compress(batch: Uint8Array): Uint8Array {
    const { compressionCodec } = this.#options
    const { compression } = this.platform
    if (compressionCodec === 0 || compression === undefined) return batch
    return deflateBatch(batch, compression, compressionCodec)
  }

  transmit(partition: number, batch: OutgoingBatch): void {
    const opened = this.#opened as TopicOpened
    const { connection } = this.#live as LiveConnection
    const head = new Uint8Array(PRODUCE_HEAD_BYTES)
    const { options } = this.#session
    try {
      checkPartition(partition, this.#partitionCount)
      writeProduceHead(head, 0, opened.handle, partition, this.#options.durability)
      const parts = [head, batch.bytes]
      if (this.wantsAnswers) {
        connection.request(Opcode.PRODUCE, 0, parts, batch, options.requestTimeoutMs)
      } else {
        connection.send(Opcode.PRODUCE, connection.nextCorrelation(), parts)
      }
    } catch (error) {
      throw asBrokerError(error)
    }
  }

  schedule(pipeline: PartitionPipeline): void {
    if (pipeline.isScheduled) return
    pipeline.isScheduled = true
    this.#scheduled.push(pipeline)
    if (this.#isTurnTask) return
    this.#isTurnTask = true
    // Without a connection the turn ends all the same: there may be room for more.
    if (this.#live?.connection.isOpen === true) this.#live.connection.atTurnEnd(this)
    else this.platform.defer(() => this.onTurnEnd())
  }

  onTurnEnd(): void {
    const pipelines = this.#scheduled
    this.#scheduled = []
    this.#isTurnTask = false
    this.#turnBytes = 0
    for (const pipeline of pipelines) {
      pipeline.isScheduled = false
      pipeline.pump()
    }
    this.#listener.onRoom()
  }

  onAccepted(bytes: number): void {
    this.#turnBytes += bytes
    this.#bufferedBytes += bytes
    if (this.#bufferedBytes >= this.#options.bufferedBytesMax) this.#isOverfull = true
  }

  onSealed(partition: number): void {
    const sticky = this.#sticky as StickyPartition
    if (sticky.current === partition) sticky.advance(this.#partitionCount)
  }

  onSettled(batch: OutgoingBatch, partition: number, error: BrokerError | undefined): void {
    this.#bufferedBytes -= batch.bufferedBytes
    if (error !== undefined) {
      const { unheardCount } = batch
      if (unheardCount > 0) this.#listener.onUnheard(error, partition, unheardCount)
    }
    for (const token of batch.flushTokens) {
      token.remaining -= 1
      if (token.remaining === 0) token.onDone()
    }
    if (!this.#isOverfull || this.#bufferedBytes * 2 > this.#options.bufferedBytesMax) return
    this.#isOverfull = false
    this.#listener.onRoom()
  }

  onRetriable(error: BrokerError): void {
    const stale = this.#opened
    if (error.code !== 'ERR_STALE_HANDLE' || stale === undefined) return
    this.#opened = undefined
    this.#listener.onStaleHandle(stale)
  }

  /** Created again under the old name, it holds nothing of what was sent. */
  #noteTopic({ id }: TopicOpened): void {
    const known = this.#topicId
    this.#topicId = id ?? known
    if (known === undefined || id === undefined || known === id) return
    for (const pipeline of this.#pipelines) pipeline?.onTopicNew()
  }

  #choose(fields: MessageFields<T>, estimate: number): PartitionPipeline {
    const count = this.#partitionCount
    const { partitioner } = this.#options
    if (fields.partition >= 0) return this.#pipeline(checkPartition(fields.partition, count))
    if (partitioner !== undefined && fields.envelope !== undefined) {
      return this.#pipeline(checkPartition(partitioner(fields.envelope, count), count))
    }
    if (fields.key !== null) return this.#pipeline(keyedPartition(fields.key, count))
    return this.#chooseSticky(estimate)
  }

  #chooseSticky(estimate: number): PartitionPipeline {
    const sticky = this.#sticky as StickyPartition
    const pipeline = this.#pipeline(sticky.current)
    if (pipeline.fits(estimate)) return pipeline
    pipeline.seal()
    this.schedule(pipeline)
    return this.#pipeline(sticky.current)
  }

  #pipeline(partition: number): PartitionPipeline {
    const known = this.#pipelines[partition]
    if (known !== undefined) return known
    const pipeline = new PartitionPipeline(this, partition)
    this.#pipelines[partition] = pipeline
    return pipeline
  }

  /** One timer for all partitions: a message waits at most `lingerMs`, often less. */
  #linger(pipeline: PartitionPipeline): void {
    if (pipeline.hasSealed) this.schedule(pipeline)
    this.#cancelLinger ??= this.platform.setTimer(() => this.#endLinger(), this.#options.lingerMs)
  }

  #endLinger(): void {
    this.#cancelLinger = undefined
    for (const pipeline of this.#pipelines) {
      if (pipeline === undefined) continue
      pipeline.mayCloseOpen = true
      this.schedule(pipeline)
    }
  }
}
