/**
 * Frames on their way out. All frames of a turn gather in one slab and leave together; a payload that
 * is not small leaves as it lies, between them.
 *
 * ```
 *   slab:     | given away | deliver | header | body head | … | ← position
 *   writes:   [ frames of this turn ][ large payload, a view ][ frames … ]
 * ```
 * A connection that copies leaves the slab to be used again; with one that does not the slab goes on
 * behind what was given away. Invariants: bytes that a connection may still have are never written
 * over; nothing is encoded twice; after `close` nothing is written.
 */
import { ByteWriter, writeUint16, writeUint64 } from '@millrace/codec'
import type { Connection, Timers } from '@millrace/core'
import {
  FRAME_END,
  FRAME_HEADER_BYTES,
  FRAME_OVERHEAD_BYTES,
  FrameType,
  HEARTBEAT_FRAME,
  writeFrameHeader,
} from './codec/frame.ts'
import type { MethodName } from './codec/method-table.ts'
import { type MethodFields, writeMethod } from './codec/methods.ts'
import { allocateUnsafe, copyBytes } from './codec/short-bytes.ts'
import {
  COPIED_PAYLOAD_BYTES_MAX,
  GATHERED_BYTES_MAX,
  GATHERED_BYTES_MIN,
  HANDSHAKE_FRAME_BYTES_MAX,
} from './limits.ts'

const NOTHING = new Uint8Array(0)
const BASIC_CLASS = 60
const ACK_METHOD = 80
const NACK_METHOD = 120
const MULTIPLE = 1
const REQUEUE = 2
/** Class, weight and body size. */
const CONTENT_HEADER_BYTES = 12
/** Class, method, tag, bits. */
const ACK_BYTES = 13
/** So many small writes in a row make a connection a quiet one. */
const QUIET_FLUSHES_COUNT = 8

export interface FrameOutputOptions {
  readonly timers: Timers
  /** The connection takes no more for now. */
  readonly onBlocked: () => void
  /** So much went to the connection. */
  readonly onSent: (bytes: number) => void
}

export class FrameOutput {
  readonly #connection: Connection
  readonly #options: FrameOutputOptions
  readonly #flushLater: () => void
  readonly #method: ByteWriter
  #frameBytesMax: number
  #slab: Uint8Array
  /** What was handed on ends, what is gathered ends. */
  #from: number
  #to: number
  #isFlushDue: boolean
  #isBlocked: boolean
  #isClosed: boolean
  #bytesSinceBlocked: number
  #quietCount: number
  /** Set by every frame, cleared by the heartbeat. */
  hasSent: boolean

  constructor(connection: Connection, options: FrameOutputOptions) {
    this.#connection = connection
    this.#options = options
    this.#flushLater = () => {
      this.#isFlushDue = false
      this.flush()
    }
    this.#method = new ByteWriter()
    this.#frameBytesMax = HANDSHAKE_FRAME_BYTES_MAX
    this.#slab = NOTHING
    this.#from = 0
    this.#to = 0
    this.#isFlushDue = false
    this.#isBlocked = false
    this.#isClosed = false
    this.#bytesSinceBlocked = 0
    this.#quietCount = 0
    this.hasSent = false
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** What was written although the peer takes nothing. */
  get bytesSinceBlocked(): number {
    return this.#bytesSinceBlocked
  }

  setFrameBytesMax(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax
  }

  /** The connection takes more again. */
  onDrain(): void {
    this.#isBlocked = false
    this.#bytesSinceBlocked = 0
  }

  method<Name extends MethodName>(channel: number, name: Name, fields: MethodFields<Name>): void {
    const writer = this.#method
    writer.reset()
    writeMethod(writer, name, fields)
    const bytes = writer.bytesWritten()
    const at = this.begin(FrameType.METHOD, channel, bytes.length)
    this.#slab.set(bytes, at)
    this.end(at + bytes.length)
  }

  ack(channel: number, tag: number, isMultiple: boolean): void {
    this.#settlement(channel, ACK_METHOD, tag, isMultiple ? MULTIPLE : 0)
  }

  /** `requeue` means nothing from a broker: RabbitMQ sets it, as the default of the method. */
  nack(channel: number, tag: number, isMultiple: boolean): void {
    this.#settlement(channel, NACK_METHOD, tag, isMultiple ? MULTIPLE | REQUEUE : REQUEUE)
  }

  heartbeat(): void {
    this.raw(HEARTBEAT_FRAME)
  }

  /** Bytes that are no frame of ours. */
  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#slab.set(bytes, at)
    this.#advance(at + bytes.length)
  }

  /**
   * Begins a frame whose payload has this many bytes, and answers where the payload goes in `slab`.
   * `end` follows at once, with the position behind the payload.
   */
  begin(type: FrameType, channel: number, payloadBytes: number): number {
    const at = this.#room(FRAME_OVERHEAD_BYTES + payloadBytes)
    return writeFrameHeader(this.#slab, at, type, channel, payloadBytes)
  }

  get slab(): Uint8Array {
    return this.#slab
  }

  end(at: number): void {
    this.#slab[at] = FRAME_END
    this.#advance(at + 1)
  }

  /**
   * The content of the method that was written last. A header that does not fit a frame of this peer
   * leaves as it is: the protocol has no way to cut it.
   */
  content(channel: number, properties: Uint8Array, payload: Uint8Array): void {
    const headerBytes = CONTENT_HEADER_BYTES + properties.length
    const at = this.begin(FrameType.HEADER, channel, headerBytes)
    const slab = this.#slab
    writeUint16(slab, at, BASIC_CLASS)
    writeUint16(slab, at + 2, 0)
    writeUint64(slab, at + 4, payload.length)
    copyBytes(slab, at + CONTENT_HEADER_BYTES, properties)
    this.end(at + headerBytes)
    const bodyBytesMax = this.#frameBytesMax - FRAME_OVERHEAD_BYTES
    if (payload.length > COPIED_PAYLOAD_BYTES_MAX) this.#bodyAsItLies(channel, payload)
    else if (payload.length > bodyBytesMax) this.#bodyInPieces(channel, payload)
    else if (payload.length > 0) this.#body(channel, payload)
  }

  /** Hands what is gathered to the connection. */
  flush(): void {
    const bytes = this.#to - this.#from
    if (bytes === 0 || this.#isClosed) return
    const gathered = this.#slab.subarray(this.#from, this.#to)
    const isCopied = this.#connection.writeCopy !== undefined
    this.#to = isCopied ? 0 : this.#to
    this.#from = this.#to
    if (this.#slab.length > GATHERED_BYTES_MIN) this.#noteQuiet(bytes < GATHERED_BYTES_MIN)
    this.#write(gathered, isCopied)
  }

  /** Writes what is there, and nothing after it. */
  close(): void {
    this.flush()
    this.#isClosed = true
    this.#dropSlab()
  }

  #settlement(channel: number, method: number, tag: number, bits: number): void {
    const at = this.begin(FrameType.METHOD, channel, ACK_BYTES)
    const slab = this.#slab
    writeUint16(slab, at, BASIC_CLASS)
    writeUint16(slab, at + 2, method)
    writeUint64(slab, at + 4, tag)
    slab[at + 12] = bits
    this.end(at + ACK_BYTES)
  }

  #body(channel: number, payload: Uint8Array): void {
    const at = this.begin(FrameType.BODY, channel, payload.length)
    copyBytes(this.#slab, at, payload)
    this.end(at + payload.length)
  }

  #bodyInPieces(channel: number, payload: Uint8Array): void {
    const bodyBytesMax = this.#frameBytesMax - FRAME_OVERHEAD_BYTES
    for (let from = 0; from < payload.length; from += bodyBytesMax) {
      this.#body(channel, payload.subarray(from, from + bodyBytesMax))
    }
  }

  #bodyAsItLies(channel: number, payload: Uint8Array): void {
    const bodyBytesMax = this.#frameBytesMax - FRAME_OVERHEAD_BYTES
    for (let from = 0; from < payload.length; from += bodyBytesMax) {
      const piece = payload.subarray(from, from + bodyBytesMax)
      const at = this.#room(FRAME_HEADER_BYTES)
      this.#advance(writeFrameHeader(this.#slab, at, FrameType.BODY, channel, piece.length))
      this.flush()
      this.#write(piece, false)
      this.end(this.#room(1))
    }
  }

  /** Room for so many bytes in one piece, and where they go. */
  #room(bytes: number): number {
    if (this.#slab.length - this.#to < bytes) this.#nextSlab(bytes)
    return this.#to
  }

  #nextSlab(bytes: number): void {
    const isBusy = this.#to > this.#from
    this.flush()
    const usual = isBusy ? GATHERED_BYTES_MAX : GATHERED_BYTES_MIN
    const isRoomEnough = this.#slab.length - this.#to >= Math.max(bytes, usual)
    if (isRoomEnough) return
    this.#slab = allocateUnsafe(Math.max(bytes, usual))
    this.#from = 0
    this.#to = 0
  }

  /** A connection that fell quiet gives its large slab back. */
  #noteQuiet(isQuiet: boolean): void {
    this.#quietCount = isQuiet ? this.#quietCount + 1 : 0
    if (this.#quietCount < QUIET_FLUSHES_COUNT) return
    this.#quietCount = 0
    this.#dropSlab()
  }

  #dropSlab(): void {
    this.#slab = NOTHING
    this.#from = 0
    this.#to = 0
  }

  #advance(to: number): void {
    this.#to = to
    this.hasSent = true
    if (to - this.#from >= GATHERED_BYTES_MAX) this.flush()
    else if (!this.#isFlushDue && !this.#isClosed) this.#schedule()
  }

  #schedule(): void {
    this.#isFlushDue = true
    this.#options.timers.defer(this.#flushLater)
  }

  #write(bytes: Uint8Array, isCopied: boolean): void {
    if (this.#isClosed) return
    const connection = this.#connection
    const isTaken = isCopied ? connection.writeCopy?.(bytes) === true : connection.write(bytes)
    this.#options.onSent(bytes.length)
    if (isTaken) return
    this.#bytesSinceBlocked += bytes.length
    if (this.#isBlocked) return
    this.#isBlocked = true
    this.#options.onBlocked()
  }
}
