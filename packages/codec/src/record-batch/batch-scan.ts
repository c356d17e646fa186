/**
 * Finds where the batch at a position ends, for recovery and for readers that step from batch to
 * batch. It is not a validation: a plausible header over a damaged body passes.
 */
import { readInt32 } from '../integers.ts'
import * as layout from './layout.ts'

/**
 * The total bytes of the batch at `at` (which may reach beyond `end`: compare); 0 when its header is
 * not complete before `end`; -1 when what is there is not a batch. Zeros that a preallocated file
 * ends with are -1, because their length is too small.
 */
export const scanBatch = (bytes: Uint8Array, at: number, end: number): number => {
  const available = end - at
  if (available < layout.BATCH_LENGTH_END) return 0
  const length = readInt32(bytes, at + layout.BATCH_LENGTH_AT)
  if (length < layout.BATCH_LENGTH_MIN) return -1
  if (available <= layout.BATCH_MAGIC_AT) return 0
  if (bytes[at + layout.BATCH_MAGIC_AT] !== layout.BATCH_MAGIC) return -1
  return available < layout.BATCH_HEADER_BYTES ? 0 : layout.BATCH_LENGTH_END + length
}
