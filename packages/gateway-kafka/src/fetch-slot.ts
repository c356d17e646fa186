/** One partition of a Fetch: its read under way, and its part of the answer. */
import { BrokerError } from '@millrace/codec'
import type {
  Cancellable,
  EngineSession,
  ReadLease,
  ReadResult,
  TopicDescription,
  TopicHandle,
} from '@millrace/core'
import { KafkaError, kafkaErrorOf } from './errors.ts'
import type { FetchedPartition, FetchPartition } from './schema/apis/fetch.ts'

const NOTHING = new Uint8Array(0)
const NO_TRANSACTIONS: readonly never[] = []

export interface FetchSlotOptions {
  /** Only what is committed may be read. */
  readonly isCommitted: boolean
  /** Its bytes may be a range of a file. */
  readonly mayStayInFile: boolean
  readonly onFailure: (error: BrokerError) => void
}

export class FetchSlot {
  readonly topic: string
  readonly request: FetchPartition
  readonly answer: FetchedPartition
  /** The read does not look once, it waits for something to come. */
  isWaiting: boolean
  /** Its bytes are in the fetch's sum. */
  isCounted: boolean
  readonly #handle: TopicHandle | undefined
  readonly #options: FetchSlotOptions
  #offset: number
  #read: Cancellable | undefined
  #lease: ReadLease | undefined

  constructor(
    topic: string,
    handle: TopicHandle | undefined,
    request: FetchPartition,
    options: FetchSlotOptions,
  ) {
    this.topic = topic
    this.request = request
    this.answer = {
      partitionIndex: request.partition,
      errorCode: KafkaError.NONE,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      divergingEpoch: null,
      currentLeader: null,
      snapshotId: null,
      // Transactions are not served, so nobody ever aborted one.
      abortedTransactions: options.isCommitted ? NO_TRANSACTIONS : null,
      preferredReadReplica: -1,
      records: NOTHING,
    }
    this.isWaiting = false
    this.isCounted = false
    this.#handle = handle
    this.#options = options
    this.#offset = request.fetchOffset
    this.#read = undefined
    this.#lease = undefined
    if (request.fetchOffset < 0) this.answer.errorCode = KafkaError.OFFSET_OUT_OF_RANGE
  }

  get isReadable(): boolean {
    return this.#handle !== undefined && !this.hasFailed
  }

  get hasFailed(): boolean {
    return this.answer.errorCode !== KafkaError.NONE
  }

  get byteLength(): number {
    return this.#lease?.byteLength ?? 0
  }

  fail(error: BrokerError): void {
    this.answer.errorCode = kafkaErrorOf(error)
    this.#options.onFailure(error)
  }

  read(
    engine: EngineSession,
    bytesMax: number,
    bytesMin: number,
    waitMsMax: number,
    done: (result: ReadResult) => void,
  ): void {
    const handle = this.#handle
    if (handle === undefined) throw new BrokerError('ERR_INTERNAL')
    const { partition } = this.request
    const offset = this.#offset
    const { mayStayInFile } = this.#options
    this.#read = engine.fetch(
      { handle, partition, offset, bytesMax, bytesMin, waitMsMax, mayStayInFile },
      (result) => {
        this.#read = undefined
        this.isWaiting = false
        done(result)
      },
    )
  }

  /** False: there is nothing at the offset, but past a gap there is: read again. */
  take(result: ReadResult): boolean {
    const { answer, request } = this
    this.#note(result.highWatermark, result.earliestOffset)
    if (result.error !== undefined) {
      result.lease?.release()
      this.fail(result.error)
      return true
    }
    const epochError = checkEpoch(request.currentLeaderEpoch, result.epoch)
    if (epochError !== KafkaError.NONE) {
      result.lease?.release()
      answer.errorCode = epochError
      return true
    }
    if (result.lease === undefined) {
      const isGap = result.nextOffset > this.#offset
      this.#offset = Math.max(this.#offset, result.nextOffset)
      return !isGap || result.nextOffset >= result.highWatermark
    }
    this.#lease = result.lease
    answer.records = result.lease
    return true
  }

  describe({ partitions }: TopicDescription): void {
    const found = partitions[this.request.partition]
    if (found !== undefined) this.#note(found.highWatermark, found.earliest)
    else this.answer.errorCode = KafkaError.UNKNOWN_TOPIC_OR_PARTITION
  }

  dropBytes(): void {
    this.#lease?.release()
    this.#lease = undefined
    this.answer.records = NOTHING
  }

  /** Ready for another look. */
  restart(): void {
    this.release()
    this.isCounted = false
  }

  /** Stops reading and gives back what was read. */
  release(): void {
    this.#read?.cancel()
    this.#read = undefined
    this.isWaiting = false
    this.dropBytes()
  }

  #note(highWatermark: number, earliestOffset: number): void {
    const { answer } = this
    answer.highWatermark = highWatermark
    answer.lastStableOffset = highWatermark
    answer.logStartOffset = earliestOffset
  }
}

/** A client that knows a newer leader than this one, or an older one, shall ask for metadata. */
const checkEpoch = (asked: number, epoch: number): KafkaError => {
  if (asked < 0 || asked === epoch) return KafkaError.NONE
  return asked < epoch ? KafkaError.FENCED_LEADER_EPOCH : KafkaError.UNKNOWN_LEADER_EPOCH
}
