/**
 * Batches back to back, as DELIVER and FETCHED carry them, into messages. The bytes come from a
 * broker and are checked like anybody's: lengths as they are met, the checksum when asked for.
 */
import {
  BATCH_ATTRIBUTES_AT,
  BrokerError,
  RecordCursor,
  batchAttributes,
  batchCrc,
  batchTotalBytes,
  crc32c,
  inflateBatch,
  isControl,
  scanBatch,
  type BatchCompression,
} from '@millrace/codec'
import { explain } from '../errors.ts'
import { INFLATED_BYTES_MAX } from '../limits.ts'
import { Message, type MessageSource } from './message.ts'

export interface ReadRange {
  /** What is below was seen before: the first batch may begin there. */
  readonly fromOffset: number
  /** What is here and above is not wanted; Infinity for all. */
  readonly endOffset: number
  readonly verifyChecksums: boolean
  /** `undefined`: a compressed batch is ERR_UNSUPPORTED_CODEC. */
  readonly compression: BatchCompression | undefined
}

const checkBatch = (bytes: Uint8Array, at: number, verifyChecksums: boolean): number => {
  const totalBytes = scanBatch(bytes, at, bytes.length)
  if (totalBytes <= 0 || totalBytes > bytes.length - at) {
    throw new BrokerError('ERR_INVALID_BATCH', ['it is cut short, or not a batch'])
  }
  if (!verifyChecksums) return totalBytes
  const covered = bytes.subarray(at + BATCH_ATTRIBUTES_AT, at + batchTotalBytes(bytes, at))
  if (crc32c(covered) === batchCrc(bytes, at)) return totalBytes
  throw explain(new BrokerError('ERR_BATCH_CHECKSUM'), 'it was damaged on the way or on the disk')
}

const readBatch = <T>(
  messages: Message<T>[],
  batch: Uint8Array,
  source: MessageSource<T>,
  range: ReadRange,
): void => {
  const { compression } = range
  const readable =
    compression === undefined ? batch : inflateBatch(batch, compression, INFLATED_BYTES_MAX)
  const cursor = new RecordCursor(readable)
  while (cursor.next()) {
    const { offset } = cursor
    if (offset < range.fromOffset) continue
    if (offset >= range.endOffset) return
    const headers = cursor.headerCount === 0 ? undefined : cursor.headers()
    const { timestamp, key, value } = cursor
    messages.push(new Message(source, offset, timestamp, key, value, headers))
  }
}

/** Throws ERR_INVALID_BATCH, ERR_BATCH_CHECKSUM or ERR_UNSUPPORTED_CODEC. */
export const readMessages = <T>(
  bytes: Uint8Array,
  source: MessageSource<T>,
  range: ReadRange,
): Message<T>[] => {
  const messages: Message<T>[] = []
  let at = 0
  while (at < bytes.length) {
    const totalBytes = checkBatch(bytes, at, range.verifyChecksums)
    // Markers of transactions are not messages.
    const batch = bytes.subarray(at, at + totalBytes)
    if (!isControl(batchAttributes(batch))) readBatch(messages, batch, source, range)
    at += totalBytes
  }
  return messages
}
