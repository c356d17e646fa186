/** A peer that speaks the native protocol frame by frame, or sends whatever bytes a test wants. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { RecordBatchBuilder, utf8Encode } from '@millrace/codec'
import {
  type Connect,
  decodeError,
  decodeTopicOpened,
  encodeConnect,
  encodeFrame,
  encodeProduce,
  encodeTopicOpen,
  type Frame,
  FrameDecoder,
  Opcode,
  splitBody,
} from '@millrace/protocol'

export interface ReceivedFrame {
  readonly opcode: number
  readonly channel: number
  readonly correlation: number
  readonly body: Uint8Array
}

export const connectBody: Connect = {
  versions: [1],
  namespace: '/',
  mechanism: 'ANONYMOUS',
  client: { name: 'raw-peer', version: '0' },
  features: [],
  codecs: ['none'],
  heartbeatMs: 0,
  frameBytesMax: 256 * 1024,
}

export class RawPeer {
  readonly socket: Socket
  readonly frames: ReceivedFrame[] = []
  readonly #waiters: (() => void)[] = []
  isClosed = false
  #correlation = 0

  private constructor(socket: Socket) {
    this.socket = socket
    const limits = { frameBytesMax: 1 << 20, bodyBytesMax: 17 << 20 }
    const decoder = new FrameDecoder({ ...limits, onFrame: (frame) => this.#keep(frame) })
    socket.on('data', (chunk) => decoder.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static async dial(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const peer = new RawPeer(socket)
    await once(socket, 'connect')
    return peer
  }

  /** On whatever carries bytes. */
  static over(stream: Duplex): RawPeer {
    // Not every stream closes itself when the other side has ended it.
    stream.once('end', () => stream.destroy())
    return new RawPeer(stream as Socket)
  }

  /** Through the handshake of TLS; fails when that fails. */
  static async dialTls(port: number, options: ConnectionOptions): Promise<RawPeer> {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options })
    const peer = new RawPeer(socket)
    await once(socket, 'secureConnect')
    return peer
  }

  /** Opens a session on a connection that is there. */
  async handshake(options: Partial<Connect> = {}): Promise<void> {
    this.send(Opcode.CONNECT, encodeConnect({ ...connectBody, ...options }))
    await this.take(Opcode.CONNECTED)
  }

  /** Dials and opens a session. */
  static async open(port: number, options: Partial<Connect> = {}): Promise<RawPeer> {
    const peer = await RawPeer.dial(port)
    await peer.handshake(options)
    return peer
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes)
  }

  /** Sends one frame and says under which correlation. */
  send(opcode: number, body?: Uint8Array, correlation = ++this.#correlation, channel = 0): number {
    this.write(encodeFrame(opcode, channel, correlation, body))
    return correlation
  }

  /** A body of any length, in frames of the size that was agreed on. */
  sendLong(opcode: number, body: Uint8Array): number {
    const correlation = ++this.#correlation
    const { frameBytesMax } = connectBody
    splitBody(opcode, 0, correlation, [body], frameBytesMax, (chunk) => this.write(chunk))
    return correlation
  }

  async openTopic(topic: string): Promise<number> {
    this.send(Opcode.TOPIC_OPEN, encodeTopicOpen({ topic, create: true }))
    const { body } = await this.take(Opcode.TOPIC_OPENED)
    return decodeTopicOpened(body).handle
  }

  produce(handle: number, payload: string, durability: 0 | 1 | 255 = 0): number {
    const batch = batchOf([payload])
    return this.send(Opcode.PRODUCE, encodeProduce({ handle, partition: 0, durability, batch }))
  }

  /** The next frame with this opcode; those before it are dropped. */
  async take(opcode: number): Promise<ReceivedFrame> {
    for (;;) {
      const frame = await this.next()
      if (frame === undefined) throw new Error(`closed while waiting for opcode ${opcode}`)
      if (frame.opcode === opcode) return frame
    }
  }

  /** The next frame, or `undefined` once the connection is closed. */
  async next(): Promise<ReceivedFrame | undefined> {
    while (this.frames.length === 0 && !this.isClosed) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
    return this.frames.shift()
  }

  async takeError(): Promise<{ code: string; message: string; correlation: number }> {
    const { body, correlation } = await this.take(Opcode.ERROR)
    const { code, message } = decodeError(body)
    return { code, message, correlation }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** A round trip: everything sent before it has been handled. */
  async ping(): Promise<void> {
    this.send(Opcode.PING)
    await this.take(Opcode.PONG)
  }

  close(): void {
    this.socket.destroy()
  }

  #keep({ opcode, channel, correlation, body }: Frame): void {
    this.frames.push({ opcode, channel, correlation, body: new Uint8Array(body) })
    this.#wake()
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}

export const batchOf = (payloads: readonly string[]): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (const payload of payloads) {
    builder.append({ key: null, value: utf8Encode(payload), headers: [], timestamp: 1 })
  }
  return builder.build()
}
