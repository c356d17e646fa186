/**
 * Finds the next whole batch behind damaged bytes. The crash story: one flipped bit in a length
 * field would otherwise hide every batch that follows it in the segment.
 */
import { batchBaseOffset, scanBatch } from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import { isIntact } from './batch-walk.ts'

const WINDOW_BYTES = 1_048_576
const MAGIC_AT = 16

export interface FoundBatch {
  readonly position: number
  readonly baseOffset: number
}

/** The first intact batch in [from, end) whose base offset is at least `offset`. */
export const findNextBatch = async (
  file: DiskFile,
  from: number,
  end: number,
  offset: number,
): Promise<FoundBatch | undefined> => {
  const window = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(0, end - from)))
  for (let position = from; position < end;) {
    const count = await file.read(
      window.subarray(0, Math.min(window.length, end - position)),
      position,
    )
    if (count === 0) return undefined
    for (let at = 0; at < count; at++) {
      if (window[at + MAGIC_AT] !== 2) continue
      const found = await candidate(file, window, at, count, position, end)
      if (found !== undefined && found.baseOffset >= offset) return found
    }
    // The next window begins where a header may still straddle the end of this one.
    position += count > MAGIC_AT + 64 ? count - MAGIC_AT - 64 : count
  }
  return undefined
}

const candidate = async (
  file: DiskFile,
  window: Uint8Array,
  at: number,
  count: number,
  position: number,
  end: number,
): Promise<FoundBatch | undefined> => {
  const length = scanBatch(window, at, count)
  if (length <= 0 || position + at + length > end) return undefined
  if (at + length <= count) {
    if (!isIntact(window, at, length)) return undefined
    return { position: position + at, baseOffset: batchBaseOffset(window, at) }
  }
  const whole = new Uint8Array(length)
  const read = await file.read(whole, position + at)
  if (read < length || !isIntact(whole, 0, length)) return undefined
  return { position: position + at, baseOffset: batchBaseOffset(whole, 0) }
}
