/**
 * Buffers for requests that span reads, used again and again by all connections: giving each large
 * request memory of its own costs more than everything else that is done with it.
 */
import { FREE_FRAMES_COUNT_MAX, POOLED_FRAME_BYTES } from './limits.ts'

export class FramePool {
  readonly #free: Uint8Array[] = []

  get freeCount(): number {
    return this.#free.length
  }

  /** POOLED_FRAME_BYTES with whatever was in them before. */
  take(): Uint8Array {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(POOLED_FRAME_BYTES)
  }

  /** Takes back any buffer; those of another size are left to the collector. */
  give(buffer: Uint8Array): void {
    if (buffer.length !== POOLED_FRAME_BYTES || this.#free.length >= FREE_FRAMES_COUNT_MAX) return
    this.#free.push(buffer)
  }
}
