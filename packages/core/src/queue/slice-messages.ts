/** The messages in what was read of a log, compressed or not. */
import {
  batchAttributes,
  batchNextOffset,
  batchRecordCount,
  batchTotalBytes,
  compressionCodecs,
  compressionOf,
  RecordCursor,
  type BatchCompression,
} from '@millrace/codec'
import { readableBatch } from '../compaction/segment-rewrite.ts'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { LogSlice } from '../log/log-slice.ts'
import type { ReadRecord } from './lane.ts'

export interface SliceReading {
  readonly from: number
  readonly read: ReadRecord
  readonly compression: BatchCompression | undefined
}

export type VisitMessage = (position: number, message: QueuedMessage) => void

/** Bytes that are read are copied once, so that messages may outlive the log's buffers. */
export const visitMessages = (
  slice: LogSlice,
  { from, read, compression }: SliceReading,
  visit: VisitMessage,
): void => {
  const parts = slice.parts.map((part) => part.slice())
  slice.release()
  for (const part of parts)
    for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) {
      if (batchNextOffset(part, at) <= from || batchRecordCount(part, at) === 0) continue
      const cursor = cursorAt(part, at, compression)
      if (cursor === undefined) continue
      while (cursor.next()) if (cursor.offset >= from) visit(cursor.offset, read(cursor))
    }
}

/** Batches of topics may be compressed; what cannot be inflated cannot be delivered. */
const cursorAt = (
  part: Uint8Array,
  at: number,
  compression: BatchCompression | undefined,
): RecordCursor | undefined => {
  if (compressionOf(batchAttributes(part, at)) === compressionCodecs.none)
    return new RecordCursor(part, at)
  const batch = part.subarray(at, at + batchTotalBytes(part, at))
  const readable = readableBatch(batch, compression)
  return readable === undefined ? undefined : new RecordCursor(readable)
}
