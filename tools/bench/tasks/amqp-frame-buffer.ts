/**
 * Whole AMQP frames out of reads that end anywhere. Reads go into one buffer behind what the last one
 * left unfinished, so that nothing is joined but the start of one frame.
 */
import { readUint32 } from '@millrace/codec'
import { FRAME_BYTES_MAX, FRAME_EXTRA_BYTES } from './amqp-frames.ts'

const READ_BYTES = 256 * 1024

export class AmqpFrameBuffer {
  readonly #bytes = new Uint8Array(READ_BYTES + FRAME_BYTES_MAX)
  readonly #onFrame: (bytes: Uint8Array, at: number) => void
  #length = 0

  /** Told of every frame where it begins; the bytes are borrowed. */
  constructor(onFrame: (bytes: Uint8Array, at: number) => void) {
    this.#onFrame = onFrame
  }

  /** Where the next read goes. */
  free(): Uint8Array {
    return this.#bytes.subarray(this.#length)
  }

  /** So many bytes were read to where `free` is. */
  accept(count: number): void {
    const bytes = this.#bytes
    const length = this.#length + count
    let at = 0
    while (at + FRAME_EXTRA_BYTES <= length) {
      const end = at + FRAME_EXTRA_BYTES + readUint32(bytes, at + 3)
      if (end > length) break
      this.#onFrame(bytes, at)
      at = end
    }
    bytes.copyWithin(0, at, length)
    this.#length = length - at
  }

  /** A read that went somewhere else. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const free = this.free()
      const part = chunk.subarray(at, at + free.length)
      free.set(part)
      this.accept(part.length)
      at += part.length
    }
  }
}
