/**
 * Every batch of a sealed segment in order, each verified: its CRC, and that it follows the one
 * before it. Compaction must not bless damage by writing it down anew.
 */
import { batchBaseOffset, batchNextOffset, scanBatch } from '@millrace/codec'
import { isIntact } from '../log/batch-walk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import type { FileCache } from '../log/file-cache.ts'
import type { Segment } from '../log/segment.ts'

const WINDOW_BYTES = 262_144

export interface ScanRequest {
  readonly segment: Segment
  /** Where the next segment begins. */
  readonly endOffset: number
  /** A view that is valid during the call. Returns false to stop. */
  visit(batch: Uint8Array): boolean
  /** Called after every portion that was read. */
  pace(bytes: number): Promise<void>
}

export type ScanEnd = 'whole' | 'stopped' | 'damaged'

export const scanSegment = async (files: FileCache, request: ScanRequest): Promise<ScanEnd> => {
  const { segment } = request
  let window = new Uint8Array(WINDOW_BYTES)
  let position = 0
  let expected = segment.baseOffset
  while (position < segment.sizeBytes) {
    const wanted = Math.min(window.length, segment.sizeBytes - position)
    const count = await readAt(files, segment, window.subarray(0, wanted), position)
    let at = 0
    for (;;) {
      const length = scanBatch(window, at, count)
      if (length < 0) return 'damaged'
      if (length === 0 || at + length > count) {
        if (at > 0) break
        if (length <= window.length || length > segment.sizeBytes - position) return 'damaged'
        window = new Uint8Array(length)
        break
      }
      const batch = window.subarray(at, at + length)
      if (!isIntact(window, at, length) || batchBaseOffset(batch) !== expected) return 'damaged'
      if (!request.visit(batch)) return 'stopped'
      expected = batchNextOffset(batch)
      at += length
    }
    position += at
    await request.pace(Math.max(at, 1))
  }
  return expected === request.endOffset ? 'whole' : 'damaged'
}

/** 0 when the file is gone: lost, or taken by retention. */
const readAt = async (
  files: FileCache,
  segment: Segment,
  target: Uint8Array,
  position: number,
): Promise<number> => {
  try {
    const file = await files.acquire(segment.path)
    try {
      return await file.read(target, position)
    } finally {
      files.release(segment.path)
    }
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
    return 0
  }
}
