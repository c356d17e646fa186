/**
 * An AMQP connection with one channel and without a client library: the handshake, methods that are
 * answered, and every other frame to a listener as it lies in the read buffer.
 */
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { readUint16, readUint32 } from '@millrace/codec'
import { AmqpFrameBuffer } from './amqp-frame-buffer.ts'
import {
  EMPTY_TABLE,
  FRAME_BYTES_MAX,
  FRAME_EXTRA_BYTES,
  FRAME_HEAD_BYTES,
  type Method,
  PROTOCOL_HEADER,
  frameTypes,
  longBytes,
  methodFrame,
  methods,
  shortText,
  uint16,
  uint32,
  uint8,
} from './amqp-frames.ts'

const CHANNELS_MAX = 2047
const NO_HEARTBEAT = 0
const CONNECTION = 0
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface FrameListener {
  /** `method` is 0 for headers and bodies. The bytes are borrowed. */
  onFrame(bytes: Uint8Array, at: number, type: number, method: number): void
  /** Behind the last whole frame of a read. */
  onReadEnd(): void
  /** There is room to write again. */
  onDrain(): void
}

interface Waiting {
  readonly method: Method
  readonly resolve: (frame: Uint8Array) => void
}

const nobody: FrameListener = {
  onFrame: () => undefined,
  onReadEnd: () => undefined,
  onDrain: () => undefined,
}

/** Why the peer closed a channel or the connection. */
const closeReason = (bytes: Uint8Array, at: number): string => {
  const textAt = at + FRAME_HEAD_BYTES + 7
  const length = bytes[textAt - 1] ?? 0
  const text = decoder.decode(bytes.subarray(textAt, textAt + length))
  return `the peer closed with ${readUint16(bytes, at + FRAME_HEAD_BYTES + 4)}: ${text}`
}

export class AmqpConnection {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #listener: FrameListener = nobody
  #reject!: (error: Error) => void
  /** Rejects when the connection ends before `close`. */
  readonly failed: Promise<never>

  private constructor(port: number) {
    this.failed = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.failed.catch(() => undefined)
    const frames = new AmqpFrameBuffer((bytes, at) => this.#accept(bytes, at))
    const callback = (count: number): boolean => {
      frames.accept(count)
      this.#listener.onReadEnd()
      return true
    }
    const onread = { buffer: () => frames.free(), callback }
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
    this.#socket.on('error', (error) => this.#reject(error))
    this.#socket.on('close', () => this.#reject(new Error('the connection ended')))
    this.#socket.on('drain', () => this.#listener.onDrain())
  }

  static async open(port: number): Promise<AmqpConnection> {
    const connection = new AmqpConnection(port)
    try {
      await Promise.race([once(connection.#socket, 'connect'), connection.failed])
      await connection.#shakeHands()
    } catch (error) {
      connection.destroy()
      throw error
    }
    return connection
  }

  listen(listener: FrameListener): void {
    this.#listener = listener
  }

  /** False when the peer is slow to read: `onDrain` says when it went on. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes)
  }

  /** Answers come in the order of the calls. The frame that comes is a copy. */
  call(bytes: Uint8Array, answer: Method): Promise<Uint8Array> {
    const answered = new Promise<Uint8Array>((resolve) => {
      this.#waiting.push({ method: answer, resolve })
    })
    this.write(bytes)
    return Promise.race([answered, this.failed])
  }

  /** Waits until the peer has dealt with everything that was sent. */
  async close(): Promise<void> {
    const place = [uint16(200), shortText(''), uint16(0), uint16(0)]
    const bytes = methodFrame(methods.connectionClose, place, CONNECTION)
    await this.call(bytes, methods.connectionCloseOk)
    this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  fail(error: Error): void {
    this.#reject(error)
  }

  #accept(bytes: Uint8Array, at: number): void {
    const type = bytes[at] ?? 0
    const method = type === frameTypes.method ? readUint32(bytes, at + FRAME_HEAD_BYTES) : 0
    if (this.#waiting.length > 0 && this.#waiting[0]?.method === method) {
      const end = at + FRAME_EXTRA_BYTES + readUint32(bytes, at + 3)
      this.#waiting.shift()?.resolve(bytes.slice(at, end))
    } else if (method === methods.channelClose || method === methods.connectionClose) {
      this.#reject(new Error(closeReason(bytes, at)))
    } else {
      this.#listener.onFrame(bytes, at, type, method)
    }
  }

  async #shakeHands(): Promise<void> {
    await this.call(PROTOCOL_HEADER, methods.connectionStart)
    const login = longBytes(encoder.encode('\0guest\0guest'))
    const startOk = [EMPTY_TABLE, shortText('PLAIN'), login, shortText('en_US')]
    await this.call(
      methodFrame(methods.connectionStartOk, startOk, CONNECTION),
      methods.connectionTune,
    )
    const tuneOk = [uint16(CHANNELS_MAX), uint32(FRAME_BYTES_MAX), uint16(NO_HEARTBEAT)]
    this.write(methodFrame(methods.connectionTuneOk, tuneOk, CONNECTION))
    const open = [shortText('/'), shortText(''), uint8(0)]
    await this.call(methodFrame(methods.connectionOpen, open, CONNECTION), methods.connectionOpenOk)
    await this.call(methodFrame(methods.channelOpen, [shortText('')]), methods.channelOpenOk)
  }
}
