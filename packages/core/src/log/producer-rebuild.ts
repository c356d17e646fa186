/**
 * The states of idempotent producers from the batch headers in the segments: for a directory whose
 * snapshot of them is lost or damaged. Reads every header once, which takes as long as reading the
 * directory; what retention has removed is forgotten.
 */
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchLeaderEpoch,
  batchNextOffset,
  scanBatch,
} from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import { isIntact } from './batch-walk.ts'
import { hasErrorCode } from './disk-errors.ts'
import type { Log } from './log.ts'
import type { Segment } from './segment.ts'
import type { StoreParts } from './store-parts.ts'

const SCAN_BYTES = 1_048_576

export const rebuildProducers = async (parts: StoreParts, log: Log): Promise<void> => {
  const window = new Uint8Array(SCAN_BYTES)
  for (const segment of log.segments) await rebuildFrom(parts, log, segment, window)
}

const rebuildFrom = async (
  parts: StoreParts,
  log: Log,
  segment: Segment,
  window: Uint8Array,
): Promise<void> => {
  if (!segment.isCreated || segment.flushedBytes === 0) return
  try {
    const file = await parts.files.acquire(segment.path)
    try {
      let position = 0
      while (position < segment.flushedBytes)
        position = await noteWindow(parts, log, segment, file, position, window)
    } finally {
      parts.files.release(segment.path)
    }
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
}

/** Returns where the next window begins: behind what is not a batch nothing of the segment counts. */
const noteWindow = async (
  parts: StoreParts,
  log: Log,
  segment: Segment,
  file: DiskFile,
  position: number,
  window: Uint8Array,
): Promise<number> => {
  const wanted = Math.min(SCAN_BYTES, segment.flushedBytes - position)
  const count = await file.read(window.subarray(0, wanted), position)
  let at = 0
  while (at + BATCH_HEADER_BYTES <= count) {
    const length = scanBatch(window, at, count)
    if (length <= 0) return segment.flushedBytes
    // One that reaches past the window is read again from its start, to see all of it.
    if (at > 0 && at + length > count) break
    if (at + length > count || isIntact(window, at, length))
      noteHeader(parts, log, segment, window, at)
    at += length
  }
  return at === 0 ? segment.flushedBytes : position + at
}

/** No checksum covers a base offset: one that cannot be in this log would be written down as it is. */
const noteHeader = (
  parts: StoreParts,
  log: Log,
  segment: Segment,
  window: Uint8Array,
  at: number,
): void => {
  const header = window.subarray(at, at + BATCH_HEADER_BYTES)
  const baseOffset = batchBaseOffset(header)
  const nextOffset = batchNextOffset(header)
  if (baseOffset < segment.baseOffset || nextOffset > log.nextOffset) return
  parts.producers.note(log, header, baseOffset, nextOffset, batchLeaderEpoch(header))
}
