/**
 * A peer of the native protocol that sends whatever bytes a test wants, right or wrong. Written from
 * docs/protocol.md, without the product's codec.
 */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { within } from './eventually.ts'
import { pack, type Packable, unpack } from './message-pack.ts'

export const Op = {
  CONNECT: 0x01,
  AUTHENTICATE: 0x02,
  PING: 0x03,
  CLOSE: 0x05,
  TOPIC_CREATE: 0x10,
  TOPIC_LIST: 0x11,
  TOPIC_DESCRIBE: 0x12,
  TOPIC_ALTER: 0x13,
  TOPIC_DELETE: 0x14,
  TOPIC_OPEN: 0x15,
  PRODUCE: 0x20,
  FETCH: 0x21,
  LIST_OFFSETS: 0x22,
  SUBSCRIBE: 0x30,
  UNSUBSCRIBE: 0x31,
  CREDIT: 0x32,
  DELIVER: 0x33,
  SUBSCRIPTION_END: 0x34,
  ERROR: 0x7f,
} as const

export const ANSWER = 0x80
const ANSWER_WITHIN_MS = 15_000

export interface RawFrame {
  readonly op: number
  readonly channel: number
  readonly correlation: number
  readonly body: Buffer
}

export interface FrameFields {
  readonly channel?: number
  readonly correlation?: number
  readonly flags?: number
  /** Instead of the true one. */
  readonly length?: number
}

export const frame = (op: number, body: Uint8Array, fields: FrameFields = {}): Buffer => {
  const { channel = 0, correlation = 0, flags = 0, length = 8 + body.length } = fields
  const head = Buffer.alloc(12)
  head.writeUInt32BE(length, 0)
  head[4] = op
  head[5] = flags
  head.writeUInt16BE(channel, 6)
  head.writeUInt32BE(correlation, 8)
  return Buffer.concat([head, body])
}

export const connectBody = (changes: Record<string, Packable> = {}): Buffer =>
  pack({ magic: 'millrace', versions: [1], client: { name: 'raw' }, ...changes })

export interface BrokerComplaint {
  readonly code: number
  readonly message: string
  readonly retriable: boolean
  readonly correlation: number
}

export const complaintOf = ({ op, body, correlation }: RawFrame): BrokerComplaint => {
  if (op !== Op.ERROR) throw new Error(`not an ERROR but 0x${op.toString(16)}`)
  const { code, message = '', retriable = false } = unpack(body)
  return {
    code: code as number,
    message: message as string,
    retriable: retriable as boolean,
    correlation,
  }
}

export class RawPeer {
  readonly socket: Socket
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>
  #received: Buffer = Buffer.alloc(0)
  #isClosed = false
  #wake: (() => void) | undefined
  #correlation = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake?.()
    })
    // A reset is one of the ways in which a broker may end it.
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true
        this.#wake?.()
        resolve()
      })
    })
  }

  static async open(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawPeer(socket)
  }

  /** Opened and CONNECTED. */
  static async handshaken(port: number, changes: Record<string, Packable> = {}): Promise<RawPeer> {
    const peer = await RawPeer.open(port)
    const answer = await peer.request(Op.CONNECT, connectBody({ heartbeatMs: 0, ...changes }))
    if (answer.op !== (Op.CONNECT | ANSWER)) throw new Error(complaintOf(answer).message)
    return peer
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get localPort(): number {
    return this.socket.localPort as number
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Sends a frame of a fresh correlation and returns that. */
  sendRequest(op: number, body: Uint8Array, fields: FrameFields = {}): number {
    const correlation = ++this.#correlation
    this.send(frame(op, body, { correlation, ...fields }))
    return correlation
  }

  /** Sends a request and waits for the next frame, whatever it is. */
  request(op: number, body: Uint8Array, fields: FrameFields = {}): Promise<RawFrame> {
    this.sendRequest(op, body, fields)
    return this.next()
  }

  call(op: number, body: Packable): Promise<RawFrame> {
    return this.request(op, pack(body))
  }

  /** The answer of a request that must succeed. */
  async succeed(op: number, body: Packable): Promise<Record<string, unknown>> {
    const answer = await this.call(op, body)
    if (answer.op !== (op | ANSWER)) throw new Error(complaintOf(answer).message)
    return unpack(answer.body)
  }

  /** The next whole frame; fails when the connection ends before. */
  next(): Promise<RawFrame> {
    return within('a frame of the broker', ANSWER_WITHIN_MS, this.#next())
  }

  /** The error that the broker sent before it closed, or `undefined` when it said nothing. */
  async lastWords(): Promise<BrokerComplaint | undefined> {
    await within('the broker closes', ANSWER_WITHIN_MS, this.closed)
    let last: BrokerComplaint | undefined
    for (let one = this.#take(); one !== undefined; one = this.#take())
      if (one.op === Op.ERROR) last = complaintOf(one)
    return last
  }

  /** Everything received and not taken as frames. */
  rawBytes(): Buffer {
    return this.#received
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #next(): Promise<RawFrame> {
    for (;;) {
      const whole = this.#take()
      if (whole !== undefined) return whole
      if (this.#isClosed) throw new Error('the connection ended without a frame')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #take(): RawFrame | undefined {
    const bytes = this.#received
    if (bytes.length < 12 || bytes.length < 4 + bytes.readUInt32BE(0)) return undefined
    const end = 4 + bytes.readUInt32BE(0)
    this.#received = bytes.subarray(end)
    const { [4]: op = 0 } = bytes
    const [channel, correlation] = [bytes.readUInt16BE(6), bytes.readUInt32BE(8)]
    return { op, channel, correlation, body: bytes.subarray(12, end) }
  }
}
