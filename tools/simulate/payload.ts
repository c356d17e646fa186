/**
 * The batches that simulated producers send, and how a reader knows them again: each record's key
 * names the log, producer, sequence and index, and the checker compares a hash over all records.
 */
import {
  BATCH_ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  RecordBatchBuilder,
  RecordCursor,
  batchBaseOffset,
  batchCrc,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchNextOffset,
  batchRecordCount,
  crc32c,
  readUint32,
  scanBatch,
  writeUint32,
} from '@millrace/codec'
import type { KeyedRecord, ObservedBatch, ObservedRecord } from '@millrace/testing'
import type { TopicState } from './metadata-model.ts'
import { logName } from './names.ts'

export interface BatchPlan {
  readonly topicId: number
  readonly partition: number
  readonly producer: number
  readonly sequence: number
  readonly recordCount: number
  readonly valueBytes: number
  readonly timestamp: number
  /** What an idempotent producer stamps the batch with. */
  readonly stamp?: BatchStamp
  /** Its records have keys that others have too, and some are tombstones. */
  readonly isKeyed?: boolean
}

export interface BatchStamp {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

export interface PlannedBatch {
  readonly bytes: Uint8Array
  readonly hash: number
  readonly records: readonly KeyedRecord[] | undefined
}

const IDENTITY_BYTES = 20
const IDENTITY_HEADER = 'id'
const KEY_COUNT = 6

const identityOf = (plan: BatchPlan, index: number): Uint8Array => {
  const key = new Uint8Array(IDENTITY_BYTES)
  writeUint32(key, 0, plan.producer)
  writeUint32(key, 4, plan.sequence)
  writeUint32(key, 8, plan.topicId)
  writeUint32(key, 12, plan.partition)
  writeUint32(key, 16, index)
  return key
}

/** Whether what is sent to a topic has keys that others have too. */
export const isKeyed = ({ settings }: Pick<TopicState, 'settings'>): boolean =>
  settings.cleanupPolicy !== 'delete'

/** When its records are old, unless the broker says it with a time of its own. */
export const timeOf = (
  { settings }: Pick<TopicState, 'settings'>,
  { timestamp, recordCount }: Pick<BatchPlan, 'timestamp' | 'recordCount'>,
): { timestamp?: number } =>
  settings.timestampType === 'append' ? {} : { timestamp: timestamp + recordCount - 1 }

/** Everything after the header: the broker may change the header, never the records. */
const recordsHash = (batch: Uint8Array): number => crc32c(batch.subarray(BATCH_HEADER_BYTES))

const hashOf = (key: number, value: Uint8Array | null): number =>
  value === null ? ~key : crc32c(value, key)

/** Few keys, in no order, and a tombstone now and then. */
const keyedRecordOf = (plan: BatchPlan, index: number, value: Uint8Array): KeyedRecord => {
  const chance = Math.imul(plan.producer * 7919 + plan.sequence * 104_729 + index, 0x9e3779b1) >>> 8
  const key = chance % KEY_COUNT
  const isTombstone = (chance >>> 8) % 4 === 0
  return { key, isTombstone, hash: hashOf(key, isTombstone ? null : value) }
}

const buildKeyed = (plan: BatchPlan): PlannedBatch => {
  const builder = new RecordBatchBuilder(plan.stamp)
  const records: KeyedRecord[] = []
  for (let index = 0; index < plan.recordCount; index++) {
    const value = new Uint8Array(plan.valueBytes).fill((plan.sequence + index) & 0xff)
    const record = keyedRecordOf(plan, index, value)
    records.push(record)
    const headers = [{ key: IDENTITY_HEADER, value: identityOf(plan, index) }]
    const { key, isTombstone } = record
    builder.appendFields(
      plan.timestamp + index,
      Uint8Array.of(key),
      isTombstone ? null : value,
      headers,
    )
  }
  const bytes = builder.build()
  return { bytes, hash: recordsHash(bytes), records }
}

export const buildBatch = (plan: BatchPlan): PlannedBatch => {
  if (plan.isKeyed === true) return buildKeyed(plan)
  const builder = new RecordBatchBuilder(plan.stamp)
  const value = new Uint8Array(plan.valueBytes).fill((plan.producer * 31 + plan.sequence) & 0xff)
  for (let index = 0; index < plan.recordCount; index++) {
    builder.appendFields(plan.timestamp + index, identityOf(plan, index), value, [])
  }
  const bytes = builder.build()
  return { bytes, hash: recordsHash(bytes), records: undefined }
}

/** A batch as it came from a reader or stands in a file. */
export interface FoundBatch extends ObservedBatch {
  /** Where its producer sent it. */
  readonly log: string
  readonly position: number
  readonly bytes: Uint8Array
  readonly epoch: number
  readonly maxTimestamp: number
}

/** Text that says why the bytes are not a good batch, or the batch. */
export const findBatch = (bytes: Uint8Array, at: number): FoundBatch | string => {
  const totalBytes = scanBatch(bytes, at, bytes.length)
  if (totalBytes <= 0 || at + totalBytes > bytes.length) return 'no whole batch'
  const batch = bytes.subarray(at, at + totalBytes)
  if (crc32c(batch.subarray(BATCH_ATTRIBUTES_AT)) !== batchCrc(batch)) return 'a wrong CRC'
  const identity = identityIn(batch)
  if (identity.length !== IDENTITY_BYTES) return 'records that no producer sent'
  return {
    log: logName(readUint32(identity, 8), readUint32(identity, 12)),
    position: at,
    bytes: batch,
    baseOffset: batchBaseOffset(batch),
    nextOffset: batchNextOffset(batch),
    producer: readUint32(identity, 0),
    sequence: readUint32(identity, 4),
    hash: recordsHash(batch),
    recordCount: batchRecordCount(batch),
    epoch: batchLeaderEpoch(batch),
    maxTimestamp: batchMaxTimestamp(batch),
    ...recordsIn(batch),
  }
}

/** Nobody's, where no record is left. */
const NO_IDENTITY = new Uint8Array(IDENTITY_BYTES).fill(0xff)

const identityIn = (batch: Uint8Array): Uint8Array => {
  const cursor = new RecordCursor(batch)
  if (!cursor.next()) return NO_IDENTITY
  const { key } = cursor
  if (key?.length === IDENTITY_BYTES) return key
  return cursor.headers()[0]?.value ?? new Uint8Array(0)
}

/** The records of a batch with keys. */
const recordsIn = (batch: Uint8Array): { records?: ObservedRecord[] } => {
  const cursor = new RecordCursor(batch)
  const records: ObservedRecord[] = []
  while (cursor.next()) {
    const { key, value, offset } = cursor
    if (key?.length !== 1) return {}
    records.push({ offset, hash: hashOf(key[0] as number, value) })
  }
  return { records }
}

/** The first record of the batch from an offset on whose timestamp is not before `timestamp`. */
export const firstRecordAt = (
  batch: Uint8Array,
  timestamp: number,
  from: number,
): { offset: number; timestamp: number } | undefined => {
  const cursor = new RecordCursor(batch)
  while (cursor.next()) {
    if (cursor.timestamp >= timestamp && cursor.offset >= from)
      return { offset: cursor.offset, timestamp: cursor.timestamp }
  }
  return undefined
}

export const recordCountOf = (batch: Uint8Array): number => batchRecordCount(batch)

export const joinParts = (parts: readonly Uint8Array[]): Uint8Array => {
  if (parts.length === 1) return parts[0] as Uint8Array
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
