/**
 * A peer of AMQP 0-9-1 that sends whatever a test wants and keeps everything that comes, as methods
 * with their content. It answers what the broker closes, unless it was told not to.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { eventually } from '../eventually.ts'
import { decodeHeader, decodeMethod, encodeMessage, type Fields, FrameType } from './wire.ts'

export const PROTOCOL_HEADER: Buffer = Buffer.from('AMQP\0\0\x09\x01', 'latin1')
const FRAME_OVERHEAD = 8
const ANSWER_WITHIN_MS = 15_000

/** What came: a method, or `heartbeat`, `protocol-header` or `end`, which is the end of the socket. */
export interface Received {
  readonly channel: number
  readonly name: string
  readonly fields: Fields
  readonly content?: ReceivedContent
}

export interface ReceivedContent {
  readonly properties: Fields
  readonly body: Buffer
  /** Of the body's frames. */
  readonly sizes: readonly number[]
}

export interface Handshake {
  readonly user?: string
  readonly password?: string
  readonly virtualHost?: string
  readonly frameMax?: number
  readonly channelMax?: number
  readonly heartbeat?: number
  readonly capabilities?: Fields
}

const capabilities: Fields = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  authentication_failure_close: true,
}

interface Partial {
  readonly name: string
  readonly fields: Fields
  readonly bodySize?: number
  readonly properties?: Fields
  readonly parts: Buffer[]
}

export class RawClient {
  readonly socket: Socket
  /** Everything that came and was not taken. */
  readonly received: Received[] = []
  /** Answers `close` with `close-ok`, as a client must. */
  isPolite = true
  frameMax = 131_072
  /** `performance.now()` of the last thing that came. */
  lastAt = 0
  isEnded = false
  #bytes: Buffer = Buffer.alloc(0)
  readonly #partial = new Map<number, Partial>()

  private constructor(socket: Socket) {
    this.socket = socket
    // A reset is one of the ways in which a broker may end it.
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.once('close', () => {
      this.isEnded = true
      this.#note({ channel: 0, name: 'end', fields: {} })
    })
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** Opened, logged in, and with channel 1. */
  static async ready(port: number, handshake: Handshake = {}): Promise<RawClient> {
    const client = await RawClient.open(port)
    await client.login(handshake)
    await client.call(1, 'channel.open')
    return client
  }

  async login(handshake: Handshake = {}): Promise<void> {
    this.send(PROTOCOL_HEADER)
    await this.expect('connection.start')
    const { user = 'guest', password = 'guest', virtualHost = '/', heartbeat = 0 } = handshake
    this.method(0, 'connection.start-ok', {
      clientProperties: { capabilities: handshake.capabilities ?? capabilities },
      mechanism: 'PLAIN',
      response: `\0${user}\0${password}`,
      locale: 'en_US',
    })
    const { fields } = await this.expect('connection.tune')
    this.frameMax = handshake.frameMax ?? (fields['frameMax'] as number)
    const channelMax = handshake.channelMax ?? (fields['channelMax'] as number)
    this.method(0, 'connection.tune-ok', { channelMax, frameMax: this.frameMax, heartbeat })
    this.method(0, 'connection.open', { virtualHost })
    await this.expect('connection.open-ok')
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  method(
    channel: number,
    name: string,
    fields: Fields = {},
    content?: { readonly properties?: Fields; readonly body: Buffer },
  ): void {
    const framed = content === undefined ? undefined : { ...content, frameMax: this.frameMax }
    this.send(encodeMessage(channel, name, fields, framed))
  }

  publish(channel: number, fields: Fields, body: Buffer | string, properties: Fields = {}): void {
    this.method(channel, 'basic.publish', fields, { properties, body: Buffer.from(body as string) })
  }

  /** Sends a method and waits for the answer to it, which must be the good one. */
  async call(channel: number, name: string, fields: Fields = {}): Promise<Received> {
    this.method(channel, name, fields)
    return this.expect(name === 'basic.get' ? 'basic.get-ok' : `${name}-ok`, channel)
  }

  /** Takes the next of this name; fails when the broker closes the connection or the channel first. */
  async expect(name: string, on?: number): Promise<Received> {
    const isOurs = ({ channel }: Received): boolean => on === undefined || on === channel
    const isIt = (one: Received): boolean => one.name === name && isOurs(one)
    const isFatal = (one: Received): boolean =>
      /^connection\.close$|^end$/.test(one.name) || (one.name === 'channel.close' && isOurs(one))
    const found = await eventually(
      `${name} comes`,
      () => this.received.find((one) => isIt(one) || isFatal(one)),
      ANSWER_WITHIN_MS,
    )
    if (!isIt(found)) throw new Error(`${name} was expected, not ${JSON.stringify(found)}`)
    this.received.splice(this.received.indexOf(found), 1)
    return found
  }

  /** With what the broker closed the channel, or with 0 the connection. */
  async closing(channel: number): Promise<Fields> {
    const name = channel === 0 ? 'connection.close' : 'channel.close'
    const isIt = (one: Received): boolean => one.name === name && one.channel === channel
    const found = await eventually(`${name} of ${channel}`, () => this.received.find(isIt))
    return found.fields
  }

  async ended(): Promise<void> {
    await eventually('the broker hangs up', () => this.isEnded, ANSWER_WITHIN_MS)
  }

  destroy(): void {
    this.socket.destroy()
  }

  #note(one: Received): void {
    this.lastAt = performance.now()
    this.received.push(one)
    if (!this.isPolite) return
    if (one.name === 'channel.close') this.method(one.channel, 'channel.close-ok')
    if (one.name === 'connection.close') this.method(0, 'connection.close-ok')
  }

  #take(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    for (;;) {
      const bytes = this.#bytes
      if (bytes.subarray(0, 4).toString() === 'AMQP') {
        if (bytes.length < 8) return
        const header = bytes.subarray(0, 8).toString('hex')
        this.#bytes = bytes.subarray(8)
        this.#note({ channel: 0, name: 'protocol-header', fields: { header } })
        continue
      }
      if (bytes.length < FRAME_OVERHEAD) return
      const end = FRAME_OVERHEAD + bytes.readUInt32BE(3)
      if (bytes.length < end) return
      this.#bytes = bytes.subarray(end)
      this.#frame(bytes.readUInt8(0), bytes.readUInt16BE(1), bytes.subarray(7, end - 1))
    }
  }

  #frame(type: number, channel: number, payload: Buffer): void {
    if (type === FrameType.HEARTBEAT) {
      this.#note({ channel, name: 'heartbeat', fields: {} })
      return
    }
    if (type === FrameType.METHOD) {
      const { name, fields, hasContent } = decodeMethod(payload)
      if (hasContent) this.#partial.set(channel, { name, fields, parts: [] })
      else this.#note({ channel, name, fields })
      return
    }
    const partial = this.#partial.get(channel)
    if (partial === undefined) throw new Error(`content on channel ${channel} without a method`)
    if (type === FrameType.HEADER)
      this.#partial.set(channel, { ...partial, ...decodeHeader(payload) })
    else partial.parts.push(payload)
    this.#complete(channel)
  }

  #complete(channel: number): void {
    const { name, fields, bodySize, properties, parts } = this.#partial.get(channel) as Partial
    const body = Buffer.concat(parts)
    if (bodySize === undefined || properties === undefined || body.length < bodySize) return
    this.#partial.delete(channel)
    const sizes = parts.map(({ length }) => length)
    this.#note({ channel, name, fields, content: { properties, body, sizes } })
  }
}
