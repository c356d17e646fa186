import type { FileRange } from '../engine/operations.ts'

/** Whole batches read from a log, and where to go on. The holder calls `release` once. */
export interface LogSlice {
  readonly parts: readonly Uint8Array[]
  /** Instead of parts: they were not read. Only for who asked for it. */
  readonly range?: FileRange | undefined
  readonly byteLength: number
  readonly nextOffset: number
  release(): void
}

export const emptySlice = (nextOffset: number): LogSlice => ({
  parts: [],
  byteLength: 0,
  nextOffset,
  release: () => undefined,
})
