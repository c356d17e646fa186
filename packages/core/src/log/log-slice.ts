/** Whole batches read from a log, and where to go on. The holder calls `release` once. */
export interface LogSlice {
  readonly parts: readonly Uint8Array[]
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
