/** Buffers for reads from segments, in two sizes, used again after the lease's release. */
import { INDEX_INTERVAL_BYTES, READ_CHUNK_BYTES_MAX } from './limits.ts'

const SMALL_BYTES = 65_536
const LARGE_BYTES = READ_CHUNK_BYTES_MAX + INDEX_INTERVAL_BYTES
const SMALL_FREE_MAX = 64
const LARGE_FREE_MAX = 16
const POISON = 0xdb

export interface ReadBuffer {
  /** At least as many bytes as were asked for. */
  readonly bytes: Uint8Array
  release(): void
}

export class ReadBufferPool {
  readonly #poison: boolean
  readonly #small: Uint8Array[] = []
  readonly #large: Uint8Array[] = []

  constructor(options: { poison?: boolean } = {}) {
    this.#poison = options.poison ?? false
  }

  take(bytes: number): ReadBuffer {
    if (bytes <= SMALL_BYTES) return this.#from(this.#small, SMALL_BYTES, SMALL_FREE_MAX)
    if (bytes <= LARGE_BYTES) return this.#from(this.#large, LARGE_BYTES, LARGE_FREE_MAX)
    return { bytes: new Uint8Array(bytes), release: () => undefined }
  }

  #from(free: Uint8Array[], size: number, freeMax: number): ReadBuffer {
    const bytes = free.pop() ?? new Uint8Array(size)
    let isReleased = false
    const release = (): void => {
      if (isReleased) return
      isReleased = true
      if (this.#poison) bytes.fill(POISON)
      if (free.length < freeMax) free.push(bytes)
    }
    return { bytes, release }
  }
}
