/**
 * The channel of a connection over a WebSocket, whose frames the `ws` library reads and writes. What is
 * written in one turn is one binary message, its parts sent as fragments so that nothing is copied
 * together; since sessions write whole frames in one go, a message holds whole frames.
 *
 * Threats answered here: text (closed, 1003), floods of pings and pongs (counted, 1008), pongs for a
 * peer that does not read (skipped), messages that are collected for a peer nobody knows (1009), a
 * message that grows while all memory is spent (the same). The library bounds messages and fragments.
 *
 * ```
 *   socket bytes → library collects a message → onMessage → connection
 *        └ held: received since the last message, counted against the budget of the process
 * ```
 */
import type { Duplex } from 'node:stream'
import type { BrokerError, ErrorCode } from '@millrace/codec'
import type { TlsPeer } from '@millrace/core'
import type { WebSocket } from 'ws'
import {
  INBOUND_HELD_BYTES_TOLERATED,
  LINGER_MS_MAX,
  WEBSOCKET_MESSAGE_BYTES_MAX,
  WEBSOCKET_CONTROLS_PER_SECOND_MAX,
  WEBSOCKET_PONG_QUEUE_BYTES_MAX,
} from '../limits.ts'
import type { Entry } from './acceptor.ts'
import { type Channel, formatAddress, type OnWritten } from './channel.ts'
import type { CoarseTimers } from './coarse-timers.ts'
import type { MemoryBudget } from './memory-budget.ts'

/** RFC 6455, 7.4.1. */
export const CloseCode = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  UNSUPPORTED_DATA: 1003,
  POLICY: 1008,
  TOO_BIG: 1009,
  INTERNAL: 1011,
} as const

const closeCodes: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_GOING_AWAY: CloseCode.GOING_AWAY,
  ERR_FRAME_TOO_LARGE: CloseCode.TOO_BIG,
  ERR_BODY_TOO_LARGE: CloseCode.TOO_BIG,
  ERR_INTERNAL: CloseCode.INTERNAL,
}

export const closeCodeOf = (cause: BrokerError | undefined): number =>
  cause === undefined ? CloseCode.NORMAL : (closeCodes[cause.code] ?? CloseCode.POLICY)

/** A message that is sent in fragments; compression is off for all of them. */
const PART = { binary: true, compress: false, fin: false } as const
const LAST_PART = { binary: true, compress: false, fin: true } as const

/** The least a frame adds to its payload when it comes from a client: two bytes and the mask. */
const FRAME_OVERHEAD_BYTES = 6
/** One read of the operating system: what of it belongs to the next message is not known here. */
const READ_BYTES = 64 * 1024

export interface WebSocketSurroundings {
  readonly timers: CoarseTimers
  readonly memory: MemoryBudget
  /** The peer did what it may not; the reason is for the log. */
  readonly onRefused: (remoteAddress: string, code: number, reason: string) => void
}

export class WebSocketChannel implements Channel {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly tlsPeer: TlsPeer | undefined
  readonly subprotocol: string
  /** Only the end of a turn is sure to be the end of a frame. */
  readonly flushBytes: number
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #surroundings: WebSocketSurroundings
  readonly #onMessage: (bytes: Uint8Array) => void
  #messageBytesMax: number
  #heldBytes: number
  #controlCount: number
  #controlsSinceMs: number
  #isRefused: boolean

  constructor(
    webSocket: WebSocket,
    { socket, isTls, tlsPeer }: Pick<Entry, 'socket' | 'isTls' | 'tlsPeer'>,
    surroundings: WebSocketSurroundings,
    onMessage: (bytes: Uint8Array) => void,
  ) {
    this.localAddress = formatAddress(socket.localAddress, socket.localPort)
    this.remoteAddress = formatAddress(socket.remoteAddress, socket.remotePort)
    this.isTls = isTls
    this.tlsPeer = tlsPeer
    this.subprotocol = webSocket.protocol
    this.flushBytes = Infinity
    this.#webSocket = webSocket
    this.#socket = socket
    this.#surroundings = surroundings
    this.#onMessage = onMessage
    this.#messageBytesMax = WEBSOCKET_MESSAGE_BYTES_MAX
    this.#heldBytes = 0
    this.#controlCount = 0
    this.#controlsSinceMs = surroundings.timers.nowMs
    this.#isRefused = false
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed
  }

  write(parts: readonly Uint8Array[], onWritten: OnWritten): void {
    const webSocket = this.#webSocket
    const last = parts.length - 1
    // One hand-over to the operating system, however many fragments.
    this.#socket.cork()
    for (let index = 0; index < last; index++) webSocket.send(parts[index] as Uint8Array, PART)
    webSocket.send(parts[last] as Uint8Array, LAST_PART, onWritten)
    this.#socket.uncork()
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  end(cause: BrokerError | undefined): void {
    this.#webSocket.close(closeCodeOf(cause), cause?.code)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }

  limitMessages(bytesMax: number): void {
    this.#messageBytesMax = Math.min(bytesMax, WEBSOCKET_MESSAGE_BYTES_MAX)
  }

  start(onClosed: () => void): void {
    const webSocket = this.#webSocket
    const socket = this.#socket
    webSocket.on('message', (data, isBinary) => this.#handleMessage(data as Buffer, isBinary))
    webSocket.on('ping', (data) => this.#handlePing(data))
    webSocket.on('pong', (data) => this.#countControl(data.length))
    // The library closes by itself after its errors; the close code is in them.
    webSocket.on('error', (error) => this.#note(CloseCode.POLICY, error.message))
    // Behind the library's own listener: what it made of these bytes is known by now.
    socket.on('data', (chunk: Buffer) => this.#hold(chunk.length))
    socket.once('close', () => {
      this.#release()
      onClosed()
    })
    if (socket.destroyed) onClosed()
  }

  #handleMessage(data: Buffer, isBinary: boolean): void {
    this.#release()
    if (this.#isRefused) return
    if (!isBinary) this.#refuse(CloseCode.UNSUPPORTED_DATA, 'messages are binary')
    else if (data.length > this.#messageBytesMax) this.#refuse(CloseCode.TOO_BIG, this.#tooBig())
    else if (data.length > 0) this.#onMessage(data)
  }

  #handlePing(data: Buffer): void {
    this.#countControl(data.length)
    // A peer that does not read its pongs gets none.
    const isTaken = this.#socket.writableLength < WEBSOCKET_PONG_QUEUE_BYTES_MAX
    if (!this.#isRefused && isTaken) this.#webSocket.pong(data, false, ignoreFailure)
  }

  #countControl(byteLength: number): void {
    // Not part of a message that is being collected.
    this.#addHeld(-Math.min(this.#heldBytes, byteLength + FRAME_OVERHEAD_BYTES))
    const { nowMs } = this.#surroundings.timers
    if (nowMs - this.#controlsSinceMs >= 1_000) {
      this.#controlsSinceMs = nowMs
      this.#controlCount = 0
    }
    this.#controlCount += 1
    if (this.#controlCount <= WEBSOCKET_CONTROLS_PER_SECOND_MAX) return
    this.#refuse(CloseCode.POLICY, 'too many pings or pongs')
  }

  #hold(byteLength: number): void {
    this.#addHeld(byteLength)
    const held = this.#heldBytes
    const { memory } = this.#surroundings
    if (held > this.#messageBytesMax + READ_BYTES) this.#stop(CloseCode.TOO_BIG, this.#tooBig())
    else if (memory.isExceeded && held > INBOUND_HELD_BYTES_TOLERATED) {
      this.#stop(CloseCode.POLICY, 'all connections together hold too much of unfinished messages')
    }
  }

  /** As a refusal, and nothing more is collected while the peer takes its time to close. */
  #stop(code: number, reason: string): void {
    this.#refuse(code, reason)
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
  }

  #tooBig(): string {
    return `a message may hold ${this.#messageBytesMax} bytes`
  }

  #addHeld(byteLength: number): void {
    this.#heldBytes += byteLength
    this.#surroundings.memory.add(byteLength)
  }

  #release(): void {
    this.#addHeld(-this.#heldBytes)
  }

  /** Said once; nothing of the peer is heard after it. */
  #refuse(code: number, reason: string): void {
    if (this.#isRefused) return
    this.#isRefused = true
    this.#note(code, reason)
    this.#webSocket.close(code, reason)
    this.#surroundings.timers.after(LINGER_MS_MAX, () => this.destroy())
  }

  #note(code: number, reason: string): void {
    this.#surroundings.onRefused(this.remoteAddress, code, reason)
  }
}

/** What follows is 'close'. */
const ignoreFailure = (): void => undefined
