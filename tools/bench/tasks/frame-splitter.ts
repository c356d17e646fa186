/** Whole frames with a length of four bytes in front, out of chunks that end anywhere. */
import { readUint32 } from '@millrace/codec'
import { SIZE_BYTES } from './kafka-frames.ts'

export class FrameSplitter {
  readonly #onFrame: (bytes: Uint8Array, at: number) => void
  #rest: Uint8Array = new Uint8Array(0)

  /** Told of every frame where it begins; the bytes are borrowed. */
  constructor(onFrame: (bytes: Uint8Array, at: number) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at + SIZE_BYTES <= bytes.length) {
      const end = at + SIZE_BYTES + readUint32(bytes, at)
      if (end > bytes.length) break
      this.#onFrame(bytes, at)
      at = end
    }
    this.#rest = bytes.slice(at)
  }
}
