/** The checksums of a segment's blocks while its bytes pass by, in order and without a hole. */
import { crc32c } from '@millrace/codec'
import { SIDECAR_BLOCK_BYTES } from './limits.ts'
import { blockCountOf } from './sidecar.ts'

export class BlockSums {
  readonly #sums: Uint32Array
  /** Bytes before it are summed. */
  position = 0

  constructor(bytesMax: number) {
    this.#sums = new Uint32Array(blockCountOf(bytesMax))
  }

  /** Takes what is new of the bytes that stand at `at`; there must be no hole before them. */
  feed(bytes: Uint8Array, at: number): void {
    if (at > this.position) throw new RangeError('a hole before the bytes to sum')
    const end = at + bytes.length
    while (this.position < end) {
      const block = Math.floor(this.position / SIDECAR_BLOCK_BYTES)
      const until = Math.min(end, (block + 1) * SIDECAR_BLOCK_BYTES)
      const part = bytes.subarray(this.position - at, until - at)
      this.#sums[block] = crc32c(part, this.#sums[block] ?? 0)
      this.position = until
    }
  }

  /** The sums of the blocks that end at or before `bytes`, the last of which may be a part. */
  take(bytes: number): Uint32Array {
    return this.#sums.slice(0, blockCountOf(bytes))
  }
}
