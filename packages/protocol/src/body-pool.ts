/**
 * Buffers for bodies that span chunks, used again for the next body instead of being left to the
 * garbage collector: a quarter of a megabyte for each batch is its main cause of pauses.
 *
 * One pool serves every decoder of a process. Invariant: it keeps at most `FREE_BUFFERS_MAX` buffers,
 * whatever peers begin and never finish; a buffer that leaves and is not given back is only garbage.
 */
export const POOLED_BODY_BYTES = 262_144

const FREE_BUFFERS_MAX = 16

export class BodyPool {
  readonly #free: Uint8Array[] = []

  get freeCount(): number {
    return this.#free.length
  }

  /** A buffer of POOLED_BODY_BYTES, or `undefined` when none is free. */
  take(): Uint8Array | undefined {
    return this.#free.pop()
  }

  /** Takes back any buffer; those of another size are left to the collector. */
  give(buffer: Uint8Array): void {
    if (buffer.length !== POOLED_BODY_BYTES || this.#free.length >= FREE_BUFFERS_MAX) return
    this.#free.push(buffer)
  }
}
