/**
 * Buffers for small writes. A slab belongs to one connection from `take` until the operating system
 * has its bytes; idle connections hold none.
 */
import { SLAB_BYTES, SLABS_KEPT_COUNT_MAX } from '../limits.ts'

export class SlabPool {
  readonly #free: Uint8Array[] = []
  readonly #isPoisoning: boolean
  #takenCount = 0

  /** `isPoisoning`: overwrite what is given back, so that a use after that shows in tests. */
  constructor(options: { isPoisoning?: boolean } = {}) {
    this.#isPoisoning = options.isPoisoning ?? false
  }

  get takenCount(): number {
    return this.#takenCount
  }

  take(): Uint8Array {
    this.#takenCount += 1
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  }

  give(slab: Uint8Array): void {
    this.#takenCount -= 1
    if (this.#isPoisoning) slab.fill(0xdb)
    if (this.#free.length < SLABS_KEPT_COUNT_MAX) this.#free.push(slab)
  }
}
