/**
 * Bytes to requests. Each begins with its size, four bytes, big endian, which does not count itself:
 *
 * ```
 *    0            4        6
 *   +------------+--------+-------- … --+
 *   | size       | api key| …           |
 *   +------------+--------+-------- … --+
 * ```
 * A request that lies whole in a chunk is handed on where it lies; one that spans chunks is put
 * together in a buffer of the pool, or in one of its own that is then given away. The size is checked
 * before anything is kept for it, and memory grows with what has come, not with what was claimed.
 */
import { BrokerError, readInt16, readInt32 } from '@millrace/codec'
import type { FramePool } from './frame-pool.ts'
import { ASSEMBLY_BYTES_MIN, CONTROL_FRAME_BYTES_MAX, POOLED_FRAME_BYTES } from './limits.ts'
import { PRODUCE_KEY } from './schema/apis/produce.ts'

const SIZE_BYTES = 4
/** Size and API key: what it takes to know whether a large request may be that large. */
const HEAD_BYTES = 6
const GROWTH = 4
const NOTHING = new Uint8Array(0)

export interface FrameDecoderOptions {
  readonly bytesMax: number
  readonly pool: FramePool
  /** `bytes[from..to)` without the size. Owned: nobody else has the buffer. */
  onFrame(bytes: Uint8Array, from: number, to: number, isOwned: boolean): void
}

export class FrameDecoder {
  readonly #options: FrameDecoderOptions
  #bytesMax: number
  /** The request under way with its size in front, of which `#filled` bytes have come. */
  #frame: Uint8Array
  #filled: number
  /** What came while nothing may be handed on. */
  #rest: Uint8Array
  #isSuspended: boolean

  constructor(options: FrameDecoderOptions) {
    this.#options = options
    this.#bytesMax = options.bytesMax
    this.#frame = NOTHING
    this.#filled = 0
    this.#rest = NOTHING
    this.#isSuspended = false
  }

  /** Bytes of a request that is not complete. */
  get filledBytes(): number {
    return this.#filled
  }

  get heldBytes(): number {
    return this.#frame.length + this.#rest.length
  }

  setBytesMax(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /** Takes effect at once: what is left of the chunk in hand waits too. */
  suspend(): void {
    this.#isSuspended = true
  }

  resume(): void {
    this.#isSuspended = false
    const rest = this.#rest
    this.#rest = NOTHING
    if (rest.length > 0) this.push(rest)
  }

  /** Throws ERR_FRAME_TOO_LARGE or what `onFrame` throws; nothing can be pushed after that. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && !this.#isSuspended) {
      at = this.#filled === 0 ? this.#pass(chunk, at) : this.#assemble(chunk, at)
    }
    if (at < chunk.length) this.#keep(chunk.subarray(at))
  }

  /** One whole request in place, or the beginning of one that is not. */
  #pass(chunk: Uint8Array, at: number): number {
    const left = chunk.length - at
    if (left < HEAD_BYTES) return this.#assemble(chunk, at)
    const end = at + SIZE_BYTES + this.#checkSize(chunk, at)
    if (end > chunk.length) return this.#assemble(chunk, at)
    this.#options.onFrame(chunk, at + SIZE_BYTES, end, false)
    return end
  }

  #assemble(chunk: Uint8Array, at: number): number {
    const wanted = this.#filled < HEAD_BYTES ? HEAD_BYTES : this.#totalBytes()
    const taken = Math.min(wanted - this.#filled, chunk.length - at)
    this.#fill(chunk.subarray(at, at + taken), wanted)
    this.#handOn()
    return at + taken
  }

  #totalBytes(): number {
    return SIZE_BYTES + this.#checkSize(this.#frame, 0)
  }

  #handOn(): void {
    if (this.#filled < HEAD_BYTES) return
    const totalBytes = this.#totalBytes()
    if (this.#filled < totalBytes) return
    const frame = this.#frame
    this.#frame = NOTHING
    this.#filled = 0
    const isPooled = frame.length === POOLED_FRAME_BYTES
    this.#options.onFrame(frame, SIZE_BYTES, totalBytes, !isPooled)
    if (isPooled) this.#options.pool.give(frame)
  }

  #fill(bytes: Uint8Array, wanted: number): void {
    const filled = this.#filled + bytes.length
    if (filled > this.#frame.length) {
      const grown = this.#grow(filled, wanted)
      grown.set(this.#frame.subarray(0, this.#filled))
      this.#frame = grown
    }
    this.#frame.set(bytes, this.#filled)
    this.#filled = filled
  }

  /** A small buffer first: who sends only the beginning of a request shall not hold a large one. */
  #grow(filled: number, wanted: number): Uint8Array {
    if (filled <= ASSEMBLY_BYTES_MIN) return new Uint8Array(Math.min(wanted, ASSEMBLY_BYTES_MIN))
    if (wanted <= POOLED_FRAME_BYTES) return this.#options.pool.take()
    const larger = Math.max(filled, this.#frame.length * GROWTH)
    return Buffer.allocUnsafeSlow(Math.min(wanted, larger))
  }

  /** The smallest request is its API key and its version, so the key may be looked at. */
  #checkSize(bytes: Uint8Array, at: number): number {
    const size = readInt32(bytes, at)
    const isLargeAllowed = readInt16(bytes, at + SIZE_BYTES) === PRODUCE_KEY
    const bytesMax = isLargeAllowed
      ? this.#bytesMax
      : Math.min(this.#bytesMax, CONTROL_FRAME_BYTES_MAX)
    if (size < HEAD_BYTES - SIZE_BYTES || size > bytesMax) {
      throw new BrokerError('ERR_FRAME_TOO_LARGE', [size, bytesMax])
    }
    return size
  }

  /** Nothing comes any more: gives back what is held. */
  close(): void {
    this.#isSuspended = true
    this.#options.pool.give(this.#frame)
    this.#frame = NOTHING
    this.#filled = 0
    this.#rest = NOTHING
  }

  #keep(bytes: Uint8Array): void {
    const rest = new Uint8Array(this.#rest.length + bytes.length)
    rest.set(this.#rest)
    rest.set(bytes, this.#rest.length)
    this.#rest = rest
  }
}
