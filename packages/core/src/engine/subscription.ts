/**
 * Pushes a partition's batches to a sink while there is credit, from memory at the tail and from
 * segments before it. It stops for credit, never for a slow disk, and gives the loop back after each
 * turn's share, so that one subscription cannot hold it.
 */
import { BrokerError } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import type { Log } from '../log/log.ts'
import type { LogReader } from '../log/log-reader.ts'
import type { LogSlice } from '../log/log-slice.ts'
import { countRead, type FetchTarget, mayStay, readRefusal } from './fetch.ts'
import type { PartitionSubscription, SubscribeOperation, SubscriptionSink } from './operations.ts'
import { asBrokerError, resultOf } from './read-results.ts'
import { readableSlice } from './readable-slice.ts'

const BYTES_PER_TURN_MAX = 1_048_576

export class PushSubscription implements PartitionSubscription {
  readonly #environment: Environment
  readonly #reader: LogReader
  readonly #target: FetchTarget
  readonly #sink: SubscriptionSink
  readonly #onOver: (subscription: PushSubscription) => void
  readonly #bytesMax: number
  readonly #mayStayInFile: boolean
  readonly #onChange = (): void => this.#schedule()
  readonly partition: number
  #offset: number
  #creditBytes: number
  #isScheduled = false
  #isReading = false
  #isOver = false

  constructor(
    environment: Environment,
    reader: LogReader,
    target: FetchTarget,
    operation: SubscribeOperation,
    sink: SubscriptionSink,
    onOver: (subscription: PushSubscription) => void,
  ) {
    this.#environment = environment
    this.#reader = reader
    this.#target = target
    this.#sink = sink
    this.#onOver = onOver
    this.#bytesMax = operation.bytesPerDeliveryMax
    this.#mayStayInFile = mayStay(operation, target)
    this.partition = operation.partition
    this.#offset = operation.offset
    this.#creditBytes = operation.creditBytes
  }

  start(): void {
    this.#target.log.watch(this.#onChange)
    this.#schedule()
  }

  addCredit(bytes: number): void {
    this.#creditBytes += bytes
    this.#schedule()
  }

  cancel(): void {
    this.#isOver = true
    this.#target.log.unwatch(this.#onChange)
    this.#onOver(this)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isReading || this.#isOver) return
    this.#isScheduled = true
    this.#environment.timers.defer(() => {
      this.#isScheduled = false
      void this.#pump()
    })
  }

  async #pump(): Promise<void> {
    if (this.#isReading || this.#isOver) return
    this.#isReading = true
    let isMore = false
    try {
      isMore = await this.#deliverSome()
    } catch (error) {
      this.#end(asBrokerError(error))
    }
    this.#isReading = false
    if (isMore) this.#schedule()
  }

  /** Returns whether there is, or may be, more to deliver now. */
  async #deliverSome(): Promise<boolean> {
    const { log, topic } = this.#target
    let bytes = 0
    const refusal = readRefusal(this.#target)
    if (refusal !== undefined) throw refusal
    while (!this.#isOver && this.#creditBytes > 0 && bytes < BYTES_PER_TURN_MAX) {
      if (topic.isDeleted || log.isDeleted)
        throw new BrokerError('ERR_TOPIC_DELETED', [topic.definition.name])
      if (this.#offset === log.highWatermark) return false
      const slice = await this.#next(log)
      if (slice.byteLength === 0) {
        slice.release()
        return false
      }
      bytes += slice.byteLength
      this.#deliver(log, slice)
    }
    return this.#creditBytes > 0
  }

  #next(log: Log): LogSlice | Promise<LogSlice> {
    const fromMemory = this.#reader.readTail(log, this.#offset, this.#bytesMax)
    return fromMemory ?? this.#reader.read(log, this.#offset, this.#bytesMax, this.#mayStayInFile)
  }

  #deliver(log: Log, slice: LogSlice): void {
    if (this.#isOver || slice.byteLength === 0) {
      slice.release()
      return
    }
    const readable = readableSlice(slice, this.#target.readability)
    countRead(this.#target, this.#offset, readable)
    this.#offset = readable.nextOffset
    this.#creditBytes -= readable.byteLength
    this.#sink.deliver(this.partition, resultOf(log, readable))
  }

  #end(error: BrokerError): void {
    if (this.#isOver) return
    this.cancel()
    this.#sink.end(this.partition, error)
  }
}
