/**
 * Bytes to frames. The first eight bytes of a connection are the protocol header, everything after
 * them is frames as `frame.ts` draws them.
 *
 * A frame that lies whole in a chunk is handed on where it lies; one that spans chunks is put together
 * in a buffer of its own. Invariants: type and size are checked as soon as they are there, before
 * anything is kept for them; memory grows with what has come, not with what was claimed; what is
 * handed on is borrowed for the call.
 */
import { BrokerError, readUint16, readUint32 } from '@millrace/codec'
import { ASSEMBLY_BYTES_MIN } from '../limits.ts'
import {
  FRAME_END,
  FRAME_HEADER_BYTES,
  FRAME_OVERHEAD_BYTES,
  FrameType,
  PROTOCOL_HEADER,
} from './frame.ts'
import { allocateUnsafe } from './short-bytes.ts'

const GROWTH = 4
const NOTHING = new Uint8Array(0)
const CHANNEL_AT = 1
const SIZE_AT = 3

export interface FrameSink {
  /** Called once, before any frame, with the eight bytes that came in its place. */
  onProtocolHeader(isServed: boolean, header: Uint8Array): void
  /** `bytes[from..to)` is the payload. */
  onFrame(type: FrameType, channel: number, bytes: Uint8Array, from: number, to: number): void
}

export class FrameDecoder {
  readonly #sink: FrameSink
  #frameBytesMax: number
  #isPastHeader: boolean
  /** What has come of something that is not complete: `#filled` bytes. */
  #partial: Uint8Array
  #filled: number
  /** What came while nothing may be handed on. */
  #rest: Uint8Array
  #isSuspended: boolean

  constructor(sink: FrameSink, frameBytesMax: number) {
    this.#sink = sink
    this.#frameBytesMax = frameBytesMax
    this.#isPastHeader = false
    this.#partial = NOTHING
    this.#filled = 0
    this.#rest = NOTHING
    this.#isSuspended = false
  }

  /** Bytes of something that is not complete. */
  get filledBytes(): number {
    return this.#filled
  }

  get heldBytes(): number {
    return this.#partial.length + this.#rest.length
  }

  setFrameBytesMax(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax
  }

  /** Takes effect at once: what is left of the chunk in hand waits too. */
  suspend(): void {
    this.#isSuspended = true
  }

  resume(): void {
    this.#isSuspended = false
    const rest = this.#rest
    if (rest.length === 0) return
    this.#rest = NOTHING
    const at = this.#run(rest)
    // Ours already: a peer that has us stop at each frame does not have us copy each time.
    if (at < rest.length) this.#rest = rest.subarray(at)
  }

  /** Throws ERR_MALFORMED_FRAME and ERR_FRAME_TOO_LARGE; nothing can be pushed after that. */
  push(chunk: Uint8Array): void {
    const at = this.#run(chunk)
    if (at < chunk.length) this.#keep(chunk.subarray(at))
  }

  /** Nothing comes any more. */
  close(): void {
    this.#isSuspended = true
    this.#partial = NOTHING
    this.#filled = 0
    this.#rest = NOTHING
  }

  /** Answers where it stopped. */
  #run(chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length && !this.#isSuspended) {
      at = this.#filled === 0 ? this.#pass(chunk, at) : this.#assemble(chunk, at)
    }
    return at
  }

  /** One whole frame in place, or the beginning of one that is not. */
  #pass(chunk: Uint8Array, at: number): number {
    if (!this.#isPastHeader || chunk.length - at < FRAME_HEADER_BYTES) {
      return this.#assemble(chunk, at)
    }
    const end = at + FRAME_OVERHEAD_BYTES + this.#checkSize(chunk, at)
    if (end > chunk.length) return this.#assemble(chunk, at)
    this.#handOn(chunk, at, end)
    return end
  }

  #assemble(chunk: Uint8Array, at: number): number {
    const wanted = this.#wantedBytes()
    const taken = Math.min(wanted - this.#filled, chunk.length - at)
    this.#fill(chunk.subarray(at, at + taken), wanted)
    if (this.#filled === this.#wantedBytes()) this.#handOnPartial()
    return at + taken
  }

  /** How much there has to be before it is known what more has to come. */
  #wantedBytes(): number {
    if (!this.#isPastHeader) return PROTOCOL_HEADER.length
    if (this.#filled < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES
    return FRAME_OVERHEAD_BYTES + this.#checkSize(this.#partial, 0)
  }

  #handOnPartial(): void {
    const bytes = this.#partial
    const end = this.#filled
    this.#partial = NOTHING
    this.#filled = 0
    if (this.#isPastHeader) {
      this.#handOn(bytes, 0, end)
      return
    }
    this.#isPastHeader = true
    const header = bytes.subarray(0, end)
    this.#sink.onProtocolHeader(
      PROTOCOL_HEADER.every((byte, at) => header[at] === byte),
      header,
    )
  }

  #handOn(bytes: Uint8Array, at: number, end: number): void {
    if (bytes[end - 1] !== FRAME_END) {
      throw new BrokerError('ERR_MALFORMED_FRAME', ['it does not end with 206'])
    }
    const type = bytes[at] as FrameType
    const channel = readUint16(bytes, at + CHANNEL_AT)
    this.#sink.onFrame(type, channel, bytes, at + FRAME_HEADER_BYTES, end - 1)
  }

  #checkSize(bytes: Uint8Array, at: number): number {
    const type = bytes[at] as number
    if (type !== FrameType.HEARTBEAT && (type < FrameType.METHOD || type > FrameType.BODY)) {
      throw new BrokerError('ERR_MALFORMED_FRAME', [`there is no type ${type}`])
    }
    const size = readUint32(bytes, at + SIZE_AT)
    const frameBytes = size + FRAME_OVERHEAD_BYTES
    if (frameBytes > this.#frameBytesMax) {
      throw new BrokerError('ERR_FRAME_TOO_LARGE', [frameBytes, this.#frameBytesMax])
    }
    return size
  }

  #fill(bytes: Uint8Array, wanted: number): void {
    const filled = this.#filled + bytes.length
    if (filled > this.#partial.length) {
      const larger = Math.max(filled, ASSEMBLY_BYTES_MIN, this.#partial.length * GROWTH)
      // Before the size is known nothing is known of what will be wanted.
      const most = filled <= FRAME_HEADER_BYTES ? ASSEMBLY_BYTES_MIN : wanted
      const grown = allocateUnsafe(Math.max(filled, Math.min(most, larger)))
      grown.set(this.#partial.subarray(0, this.#filled))
      this.#partial = grown
    }
    this.#partial.set(bytes, this.#filled)
    this.#filled = filled
  }

  #keep(bytes: Uint8Array): void {
    const rest = new Uint8Array(this.#rest.length + bytes.length)
    rest.set(this.#rest)
    rest.set(bytes, this.#rest.length)
    this.#rest = rest
  }
}
