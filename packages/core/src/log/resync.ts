/**
 * Finds the next whole batch behind damaged bytes. The crash story: one flipped bit in a length
 * field would otherwise hide every batch that follows it in the segment.
 */
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBaseOffset,
  batchNextOffset,
  scanBatch,
} from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import { isIntact } from './batch-walk.ts'

const WINDOW_BYTES = 1_048_576
const MAGIC_AT = 16
const OVERLAP_BYTES = 80

export interface FoundBatch {
  readonly position: number
  readonly baseOffset: number
}

/** Offsets that a batch may begin with. */
export interface OffsetBounds {
  readonly from: number
  readonly to: number
}

/**
 * The first intact batch in [position, end) that begins within the bounds. No checksum covers the
 * offset in its header, so a batch is believed only when the one behind it begins where it ends, and
 * the last one of the file only when it ends where the bounds do.
 */
export const findNextBatch = async (
  file: DiskFile,
  from: number,
  end: number,
  bounds: OffsetBounds,
): Promise<FoundBatch | undefined> => {
  const window = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(0, end - from)))
  for (let position = from; position < end;) {
    const count = await file.read(
      window.subarray(0, Math.min(window.length, end - position)),
      position,
    )
    if (count === 0) return undefined
    for (let at = 0; at < count; at++) {
      if (window[at + MAGIC_AT] !== BATCH_MAGIC) continue
      const length = scanBatch(window, at, count)
      if (length <= 0 || position + at + length > end) continue
      if (!isWithin(batchBaseOffset(window, at), bounds)) continue
      const found = await candidate(file, position + at, length, end, bounds)
      if (found !== undefined) return found
    }
    // The next window begins where a header may still straddle the end of this one.
    position += count > OVERLAP_BYTES ? count - OVERLAP_BYTES : count
  }
  return undefined
}

const isWithin = (offset: number, { from, to }: OffsetBounds): boolean =>
  offset >= from && offset < to

/** The batch at a position with the header behind it, read anew: it may reach past any window. */
const candidate = async (
  file: DiskFile,
  position: number,
  length: number,
  end: number,
  bounds: OffsetBounds,
): Promise<FoundBatch | undefined> => {
  const bytes = new Uint8Array(Math.min(length + BATCH_HEADER_BYTES, end - position))
  const count = await file.read(bytes, position)
  if (count < length || !isIntact(bytes, 0, length)) return undefined
  const isFollowed = scanBatch(bytes, length, count) > 0
  if (isFollowed && batchBaseOffset(bytes, length) !== batchNextOffset(bytes, 0)) return undefined
  if (position + length === end && batchNextOffset(bytes, 0) !== bounds.to) return undefined
  return { position, baseOffset: batchBaseOffset(bytes, 0) }
}
