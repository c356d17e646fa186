/** Reads a log from front to end, as a start does: what is damaged is told and passed over. */
import { batchTotalBytes, isBrokerError } from '@millrace/codec'
import type { Log, OffsetRange } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { READ_BYTES } from './limits.ts'

export interface BatchVisitor {
  /** The batch at `bytes[at]`, borrowed for the call. */
  batch(bytes: Uint8Array, at: number): void
  damaged(gap: OffsetRange): void
}

/** Visits some batches from `offset` on and answers where to go on. Rejects for any other trouble. */
export const readOn = async (
  store: LogStore,
  log: Log,
  offset: number,
  visitor: BatchVisitor,
): Promise<number> => {
  try {
    const slice = await store.reader.read(log, offset, READ_BYTES)
    try {
      for (const part of slice.parts)
        for (let at = 0; at < part.length; at += batchTotalBytes(part, at)) visitor.batch(part, at)
      return Math.max(slice.nextOffset, offset + 1)
    } finally {
      slice.release()
    }
  } catch (error) {
    const gap = log.gapAt(offset)
    if (!isBrokerError(error) || gap === undefined) throw error
    visitor.damaged(gap)
    return gap.to
  }
}
