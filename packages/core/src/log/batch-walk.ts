/**
 * Steps from batch to batch through bytes that came from a segment, believing nothing: each batch
 * must pass its CRC and follow the one before it. Pure.
 */
import {
  BATCH_CRC_AT,
  BATCH_PREFIX_BYTES,
  batchBaseOffset,
  batchNextOffset,
  crc32c,
  readUint32,
  scanBatch,
} from '@millrace/codec'
import type { Log } from './log.ts'

/** Whether the whole batch of `length` bytes at `at` passes its CRC-32C. */
export const isIntact = (bytes: Uint8Array, at: number, length: number): boolean =>
  crc32c(bytes.subarray(at + BATCH_PREFIX_BYTES, at + length)) ===
  readUint32(bytes, at + BATCH_CRC_AT)

export interface WalkRequest {
  readonly log: Log
  /** Batches that end at or before it are stepped over. */
  readonly offset: number
  readonly bytesMax: number
  /** The base offset the first batch must have. */
  readonly expected: number
  /**
   * Where the next segment begins. The crash story: the cut behind an append that was refused or
   * died was itself lost, and whole batches of it stand where the sealed file should have ended.
   */
  readonly end: number
}

/** `end`: the next segment goes on here. `cut`: the bytes end inside a batch. `full`: enough taken. */
export type WalkStop = 'cut' | 'damage' | 'end' | 'watermark' | 'full'

export interface Walk {
  /** The wanted batches are bytes `start` to `end`. */
  readonly start: number
  readonly end: number
  /** What the next batch must begin with. */
  readonly expected: number
  readonly stop: WalkStop
  /** With `cut`: the whole length of the batch at `end` if its header is there, else 0. */
  readonly cutLength: number
}

/** Whether a batch of the log may begin at `base` behind one that ends at `expected`. */
export const mayFollow = (log: Log, base: number, expected: number): boolean => {
  if (base === expected) return true
  return base > expected && log.gapAt(expected)?.to === base
}

const isPutAside = (log: Log, offset: number): boolean =>
  log.gaps.length > 0 && log.gapAt(offset) !== undefined

export const walkBatches = (view: Uint8Array, request: WalkRequest): Walk => {
  let at = 0
  let start = -1
  let expected = request.expected
  for (;;) {
    const length = scanBatch(view, at, view.length)
    const finish = (stop: WalkStop, cutLength = 0): Walk => ({
      start: start < 0 ? at : start,
      end: at,
      expected,
      stop,
      cutLength,
    })
    if (expected >= request.end) return finish('end')
    if (length === 0 || at + length > view.length) return finish('cut', Math.max(length, 0))
    if (length < 0 || !isIntact(view, at, length)) return finish('damage')
    const base = batchBaseOffset(view, at)
    // Behind a gap a batch is looked for, and held against the one behind it: a damaged base offset
    // may be all that the gap is for.
    if (base !== expected) return finish('damage')
    const next = batchNextOffset(view, at)
    if (next > request.log.highWatermark) return finish('watermark')
    if (start >= 0 && at + length - start > request.bytesMax) return finish('full')
    // Intact, and put aside all the same: bytes that no CRC covers are damaged.
    if (start >= 0 && isPutAside(request.log, base)) return finish('full')
    if (start < 0 && next > request.offset) start = at
    expected = next
    at += length
  }
}
