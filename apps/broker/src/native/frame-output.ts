/**
 * Frames out of a session. Small frames go straight to the connection; bodies with batches stand in
 * line and are cut into frames while the peer takes them, so that a PONG waits for half a megabyte at
 * most and never for a whole body.
 *
 * Invariants: at most one body is unfinished at a time; every lease is released exactly once; what
 * waits in line counts against the connection's outbound limit.
 */
import { type BrokerError, RingQueue } from '@millrace/codec'
import type { Connection, ReadLease } from '@millrace/core'
import {
  encodeError,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameChannel,
  frameCorrelation,
  frameOpcode,
  writeFrameHeader,
} from '@millrace/protocol'
import { OUTBOUND_HIGH_WATER_BYTES } from '../limits.ts'
import type { MemoryBudget } from '../net/memory-budget.ts'
import { OutgoingBody } from './outgoing-body.ts'

const NO_HEAD = new Uint8Array(0)
const nothingToRelease = (): void => undefined

export interface FrameOutputOptions {
  readonly outboundBytesMax: number
  readonly memory: MemoryBudget
  /** More waits for the peer than the limit allows. */
  onOverflow(waitingBytes: number): void
  /** The connection does not take more, or takes more again. */
  onBlocked(isBlocked: boolean): void
  /** A body is on its way: true to keep the next ones until `release`. */
  onBodySent(bytes: number): boolean
}

export class FrameOutput {
  readonly #connection: Connection
  readonly #options: FrameOutputOptions
  readonly #bodies: RingQueue<OutgoingBody>
  #current: OutgoingBody | undefined
  #frameBytesMax: number
  #waitingBytes: number
  /** The connection takes nothing more for now. */
  #isBlocked: boolean
  /** The next bodies have to wait, whatever the connection takes. */
  #isHeld: boolean
  #isClosed: boolean
  #isEnding: boolean
  #endCause: BrokerError | undefined
  /** Set by every frame, cleared by the heartbeat. */
  hasSent: boolean

  constructor(connection: Connection, frameBytesMax: number, options: FrameOutputOptions) {
    this.#connection = connection
    this.#options = options
    this.#bodies = new RingQueue<OutgoingBody>()
    this.#current = undefined
    this.#frameBytesMax = frameBytesMax
    this.#waitingBytes = 0
    this.#isBlocked = false
    this.#isHeld = false
    this.#isClosed = false
    this.#isEnding = false
    this.#endCause = undefined
    this.hasSent = false
  }

  get isBlocked(): boolean {
    return this.#isBlocked || this.#isHeld
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  setFrameBytesMax(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax
  }

  /** Whole frames made elsewhere; the buffer is given away. */
  write(frames: Uint8Array): void {
    if (this.#isClosed) return
    this.hasSent = true
    if (!this.#connection.write(frames)) this.#block()
  }

  send(opcode: number, channel: number, correlation: number, body?: Uint8Array): void {
    this.write(encodeFrame(opcode, channel, correlation, body))
  }

  sendError(error: BrokerError, channel: number, correlation: number): void {
    this.write(encodeError(error, correlation, channel))
  }

  /** A body without batches that must not overtake those in line. It may be longer than a frame. */
  sendInLine(opcode: number, channel: number, correlation: number, body: Uint8Array): void {
    if (FRAME_HEADER_BYTES + body.length <= this.#frameBytesMax) {
      this.sendBody(opcode, channel, correlation, body, undefined)
      return
    }
    const whole = { parts: [body], byteLength: body.length, release: nothingToRelease }
    this.sendBody(opcode, channel, correlation, NO_HEAD, whole)
  }

  /** A whole frame made elsewhere, that must not overtake the bodies in line; it is given away. */
  sendFrame(frame: Uint8Array): void {
    const body = frame.subarray(FRAME_HEADER_BYTES)
    if (this.#current === undefined && !this.isBlocked && frame.length <= this.#frameBytesMax) {
      this.write(frame)
      this.#noteSent(body.length)
      return
    }
    this.sendInLine(frameOpcode(frame, 0), frameChannel(frame, 0), frameCorrelation(frame, 0), body)
  }

  /** `head` is a fresh buffer; the lease is released once its bytes are written or the peer is gone. */
  sendBody(
    opcode: number,
    channel: number,
    correlation: number,
    head: Uint8Array,
    lease: ReadLease | undefined,
  ): void {
    if (this.#isClosed) {
      lease?.release()
      return
    }
    const bodyBytes = head.length + (lease?.byteLength ?? 0)
    const isOneFrame = FRAME_HEADER_BYTES + bodyBytes <= this.#frameBytesMax
    if (isOneFrame && this.#current === undefined && !this.isBlocked) {
      this.#sendWhole(opcode, channel, correlation, head, lease)
    } else {
      this.#enqueue(new OutgoingBody(opcode, channel, correlation, head, lease))
    }
  }

  /** The connection takes more again. */
  onDrain(): void {
    this.#isBlocked = false
    this.#goOn()
  }

  /** What was held may go. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#goOn()
  }

  /** Ends the connection after everything that stands in line. */
  end(cause?: BrokerError): void {
    this.#isEnding = true
    this.#endCause = cause
    this.release()
    if (this.#current === undefined) this.#connection.end(cause)
  }

  /** Sends nothing more, and gives the leases back. */
  close(): void {
    this.#isClosed = true
    this.#current?.release()
    this.#current = undefined
    for (let body = this.#bodies.shift(); body !== undefined; body = this.#bodies.shift()) {
      body.release()
    }
    this.#options.memory.remove(this.#waitingBytes)
    this.#waitingBytes = 0
  }

  #sendWhole(
    opcode: number,
    channel: number,
    correlation: number,
    head: Uint8Array,
    lease: ReadLease | undefined,
  ): void {
    const bodyBytes = head.length + (lease?.byteLength ?? 0)
    const first = new Uint8Array(FRAME_HEADER_BYTES + head.length)
    writeFrameHeader(first, 0, bodyBytes, opcode, 0, channel, correlation)
    first.set(head, FRAME_HEADER_BYTES)
    this.write(first)
    if (lease !== undefined && !this.#connection.sendRange(lease)) this.#block()
    this.#noteSent(bodyBytes)
  }

  #enqueue(body: OutgoingBody): void {
    const { outboundBytesMax, memory } = this.#options
    this.#waitingBytes += body.byteLength
    memory.add(body.byteLength)
    if (this.#current === undefined) this.#current = body
    else this.#bodies.push(body)
    const isTooMuch = memory.isExceeded && this.#waitingBytes > OUTBOUND_HIGH_WATER_BYTES
    if (this.#waitingBytes > outboundBytesMax || isTooMuch) {
      this.#options.onOverflow(this.#waitingBytes)
      return
    }
    this.#pump()
  }

  #pump(): void {
    while (this.#current !== undefined && !this.isBlocked && !this.#isClosed) {
      const body = this.#current
      this.hasSent = true
      if (!body.sendFrame(this.#connection, this.#frameBytesMax)) this.#block()
      if (!body.isSent) continue
      this.#waitingBytes -= body.byteLength
      this.#options.memory.remove(body.byteLength)
      this.#current = this.#bodies.shift()
      this.#noteSent(body.byteLength)
    }
    if (this.#isEnding && this.#current === undefined) this.#connection.end(this.#endCause)
  }

  #goOn(): void {
    this.#pump()
    if (!this.isBlocked) this.#options.onBlocked(false)
  }

  #block(): void {
    if (this.#isBlocked) return
    const wasBlocked = this.isBlocked
    this.#isBlocked = true
    if (!wasBlocked) this.#options.onBlocked(true)
  }

  #noteSent(bytes: number): void {
    if (!this.#options.onBodySent(bytes) || this.#isEnding || this.#isHeld) return
    const wasBlocked = this.isBlocked
    this.#isHeld = true
    if (!wasBlocked) this.#options.onBlocked(true)
  }
}
