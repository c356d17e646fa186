/**
 * Builds one record batch after the other. `layout.ts` draws the header, `record-scanner.ts` a
 * record.
 *
 * The producer's hot path: a record is sized first and then written once, straight into the batch's
 * buffer, with no object, array or view in between. The buffer is kept from batch to batch; `build`
 * hands out a copy.
 */
import { crc32c } from '../crc32c.ts'
import { BrokerError } from '../errors.ts'
import { writeInt32, writeInt64, writeUint16, writeUint32 } from '../integers.ts'
import { utf8Length, writeUtf8 } from '../utf8.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../varint.ts'
import { writeBatchPrefix } from './batch-header.ts'
import * as layout from './layout.ts'
import type { TimestampType } from './layout.ts'
import { type ProducerStamp, writeProducerStamp } from './producer-stamp.ts'
import type { RecordHeader, RecordInput } from './record.ts'

export interface RecordBatchOptions {
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  readonly timestampType?: TimestampType
  readonly leaderEpoch?: number
  readonly baseOffset?: number
}

const CAPACITY_BYTES = 1024
/** One huge batch must not pin its buffer for the life of a producer. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const BATCH_BYTES_MAX = 0x7fff_ffff
/** Up to this size a loop beats the call of `TypedArray.set`. */
const LOOP_BYTES_MAX = 24

const copy = (target: Uint8Array, at: number, source: Uint8Array): number => {
  const count = source.length
  if (count > LOOP_BYTES_MAX) target.set(source, at)
  else for (let index = 0; index < count; index++) target[at + index] = source[index]!
  return at + count
}

const nullableSize = (bytes: Uint8Array | null): number =>
  bytes === null ? 1 : varintSize(bytes.length) + bytes.length

const writeNullable = (target: Uint8Array, at: number, bytes: Uint8Array | null): number =>
  bytes === null
    ? writeVarint(target, at, -1)
    : copy(target, writeVarint(target, at, bytes.length), bytes)

const headersSize = (headers: readonly RecordHeader[]): number => {
  let size = varintSize(headers.length)
  for (let index = 0; index < headers.length; index++) {
    const { key, value } = headers[index]!
    const keyBytes = utf8Length(key)
    size += varintSize(keyBytes) + keyBytes + nullableSize(value)
  }
  return size
}

const writeHeaders = (
  target: Uint8Array,
  start: number,
  headers: readonly RecordHeader[],
): number => {
  let at = writeVarint(target, start, headers.length)
  for (let index = 0; index < headers.length; index++) {
    const { key, value } = headers[index]!
    at = writeVarint(target, at, utf8Length(key))
    at = writeUtf8(target, at, key)
    at = writeNullable(target, at, value)
  }
  return at
}

const attributesOf = (options: RecordBatchOptions): number =>
  (options.timestampType === layout.timestampTypes.append ? layout.TIMESTAMP_TYPE_BIT : 0) |
  (options.isTransactional === true ? layout.TRANSACTIONAL_BIT : 0) |
  (options.isControl === true ? layout.CONTROL_BIT : 0)

/** Batches up to this size share a chunk: memory of its own costs more than the copy. */
const SHARED_BATCH_BYTES_MAX = 2_048
const CHUNK_BYTES = 16 * 1024

let chunk = new Uint8Array(0)
let chunkUsed = 0

const roomFor = (bytes: number): Uint8Array => {
  if (bytes > SHARED_BATCH_BYTES_MAX) return new Uint8Array(bytes)
  if (chunkUsed + bytes > chunk.length) {
    chunk = new Uint8Array(CHUNK_BYTES)
    chunkUsed = 0
  }
  chunkUsed += bytes
  return chunk.subarray(chunkUsed - bytes, chunkUsed)
}

export class RecordBatchBuilder {
  readonly #options: RecordBatchOptions
  #bytes = new Uint8Array(CAPACITY_BYTES)
  #position = layout.BATCH_HEADER_BYTES
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0

  constructor(options: RecordBatchOptions = {}) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  /** What `build` would return now, header included. */
  get sizeBytes(): number {
    return this.#position
  }

  /** What it holds on to from batch to batch. */
  get capacityBytes(): number {
    return this.#bytes.length
  }

  append(record: RecordInput): void {
    this.appendFields(record.timestamp, record.key, record.value, record.headers)
  }

  appendFields(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[],
  ): void {
    const index = this.#count
    const delta = index === 0 ? 0 : timestamp - this.#baseTimestamp
    // A fraction would be sized as one thing and written as another.
    if (!Number.isSafeInteger(timestamp) || !Number.isSafeInteger(delta)) {
      throw new BrokerError('ERR_INVALID_ARGUMENT', ['timestamp', 'not a whole number of ms'])
    }
    const size =
      1 +
      varlongSize(delta) +
      varintSize(index) +
      nullableSize(key) +
      nullableSize(value) +
      (headers.length === 0 ? 1 : headersSize(headers))
    const start = this.#position
    const end = start + varintSize(size) + size
    if (end > this.#bytes.length) this.#grow(end)
    const target = this.#bytes
    let at = writeVarint(target, start, size)
    target[at++] = 0
    at = writeVarlong(target, at, delta)
    at = writeVarint(target, at, index)
    at = writeNullable(target, at, key)
    at = writeNullable(target, at, value)
    if (headers.length === 0) target[at] = 0
    else writeHeaders(target, at, headers)
    this.#position = end
    this.#count = index + 1
    if (index === 0) this.#baseTimestamp = timestamp
    if (index === 0 || timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
  }

  /**
   * A batch that the caller owns, stamped as given or as the options say; its buffer may hold other
   * batches too. The builder goes on: `reset` starts the next batch.
   */
  build(stamp: ProducerStamp | undefined = undefined): Uint8Array {
    if (this.#count === 0) throw new BrokerError('ERR_INVALID_BATCH', ['it holds no record'])
    const batch = roomFor(this.#position)
    batch.set(this.#bytes.subarray(0, this.#position))
    this.#writeHeader(batch)
    if (stamp !== undefined) writeProducerStamp(batch, stamp)
    const covered = batch.subarray(layout.BATCH_ATTRIBUTES_AT)
    writeUint32(batch, layout.BATCH_CRC_AT, crc32c(covered))
    return batch
  }

  reset(): void {
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(CAPACITY_BYTES)
    this.#position = layout.BATCH_HEADER_BYTES
    this.#count = 0
  }

  #writeHeader(batch: Uint8Array): void {
    const options = this.#options
    const { baseOffset = 0, leaderEpoch = layout.NO_LEADER_EPOCH } = options
    const { producerId = layout.NO_PRODUCER, producerEpoch = layout.NO_PRODUCER } = options
    writeBatchPrefix(batch, 0, baseOffset, batch.length, leaderEpoch)
    writeUint16(batch, layout.BATCH_ATTRIBUTES_AT, attributesOf(options))
    writeInt32(batch, layout.BATCH_LAST_OFFSET_DELTA_AT, this.#count - 1)
    writeInt64(batch, layout.BATCH_BASE_TIMESTAMP_AT, this.#baseTimestamp)
    writeInt64(batch, layout.BATCH_MAX_TIMESTAMP_AT, this.#maxTimestamp)
    writeInt64(batch, layout.BATCH_PRODUCER_ID_AT, producerId)
    writeUint16(batch, layout.BATCH_PRODUCER_EPOCH_AT, producerEpoch)
    writeInt32(batch, layout.BATCH_BASE_SEQUENCE_AT, options.baseSequence ?? layout.NO_PRODUCER)
    writeInt32(batch, layout.BATCH_RECORD_COUNT_AT, this.#count)
  }

  #grow(needed: number): void {
    if (needed > BATCH_BYTES_MAX) {
      throw new BrokerError('ERR_BATCH_TOO_LARGE', [needed, BATCH_BYTES_MAX])
    }
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#position))
    this.#bytes = grown
  }
}
