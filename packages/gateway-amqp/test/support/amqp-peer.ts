/** A connection of the gateway and the client behind it, in one process and without a socket. */
import { ByteReader, ByteWriter } from '@millrace/codec'
import type { Connection, ReadLease, Session } from '@millrace/core'
import { PROTOCOL_HEADER } from '../../src/codec/frame.ts'
import { type MethodName, methodTable } from '../../src/codec/method-table.ts'
import { findMethod, type MethodFields, readMethod, writeMethod } from '../../src/codec/methods.ts'
import { textField } from '../../src/codec/field-table.ts'

const GONE = 0xdb

export class FakeConnection implements Connection {
  readonly id = 1
  readonly localAddress = '127.0.0.1:5672'
  remoteAddress = '127.0.0.1:50000'
  readonly isTls = false
  readonly subprotocol = undefined
  received = Buffer.alloc(0)
  isPaused = false
  isEnded = false
  writeCount = 0
  /** What `write` answers. */
  hasRoom = true

  write(bytes: Uint8Array): boolean {
    this.writeCount += 1
    if (!this.isEnded) this.received = Buffer.concat([this.received, bytes])
    return this.hasRoom
  }

  sendRange(lease: ReadLease): boolean {
    lease.release()
    return true
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isEnded = true
  }
}

export interface SeenMethod {
  readonly channel: number
  readonly name: MethodName
  readonly fields: Record<string, unknown>
}

export interface SeenContent {
  readonly properties: Uint8Array
  readonly body: Buffer
}

export type Seen = SeenMethod & Partial<SeenContent>

export interface SentContent {
  readonly properties?: Uint8Array
  readonly body?: Uint8Array | string
}

type Given<Name extends MethodName> = Partial<MethodFields<Name>>

const defaultOf: Readonly<Record<string, unknown>> = {
  octet: 0,
  short: 0,
  long: 0,
  longlong: 0,
  bit: false,
  shortstr: '',
  longstr: new Uint8Array(0),
  table: [],
}

const NO_PROPERTIES = new Uint8Array(2)

export const frameOf = (type: number, channel: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(7)
  head[0] = type
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

export const methodFrame = <Name extends MethodName>(
  channel: number,
  name: Name,
  given: Given<Name> = {},
): Buffer => {
  const info = findMethodByName(name)
  const defaults = Object.entries(info.fields).map(([field, kind]) => [field, defaultOf[kind]])
  const writer = new ByteWriter()
  writeMethod(writer, name, { ...Object.fromEntries(defaults), ...given } as MethodFields<Name>)
  return frameOf(1, channel, writer.finish())
}

export const headerFrame = (
  channel: number,
  size: number,
  properties: Uint8Array = NO_PROPERTIES,
): Buffer => {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(60, 0)
  head.writeBigUInt64BE(BigInt(size), 4)
  return frameOf(2, channel, Buffer.concat([head, properties]))
}

export class AmqpPeer {
  readonly connection = new FakeConnection()
  readonly session: Session
  readonly #turn: () => Promise<void>
  #unfinished: Seen[] = []
  #bodyBytes = 0

  constructor(accept: (connection: Connection) => Session, turn: () => Promise<void>) {
    this.session = accept(this.connection)
    this.#turn = turn
  }

  get isEnded(): boolean {
    return this.connection.isEnded
  }

  /** The bytes are borrowed for the call: what is kept of them afterwards is seen to be gone. */
  sendBytes(bytes: Uint8Array): void {
    const borrowed = new Uint8Array(bytes)
    this.session.onData(borrowed)
    borrowed.fill(GONE)
  }

  send<Name extends MethodName>(channel: number, name: Name, fields: Given<Name> = {}): void {
    this.sendBytes(methodFrame(channel, name, fields))
  }

  /** Method, header and body in one read. */
  publish(
    channel: number,
    fields: Given<'basic.publish'>,
    { properties = NO_PROPERTIES, body = '' }: SentContent = {},
  ): void {
    const bytes = Buffer.from(body)
    const frames = [
      methodFrame(channel, 'basic.publish', fields),
      headerFrame(channel, bytes.length, properties),
    ]
    if (bytes.length > 0) frames.push(frameOf(3, channel, bytes))
    this.sendBytes(Buffer.concat(frames))
  }

  /** Everything that was answered so far, once things have settled. */
  async take(): Promise<readonly Seen[]> {
    await this.#turn()
    const { connection } = this
    const seen = this.#unfinished
    while (connection.received.length >= 8) {
      const length = 7 + connection.received.readUInt32BE(3) + 1
      if (connection.received.length < length) break
      this.#collect(connection.received.subarray(0, length), seen)
      connection.received = connection.received.subarray(length)
    }
    const last = seen.at(-1)
    this.#unfinished = last !== undefined && this.#isCut(last) ? seen.splice(-1) : []
    return seen
  }

  /** The methods alone, by name. */
  async takeNames(): Promise<readonly string[]> {
    return (await this.take()).map(({ name }) => name)
  }

  async ask<Name extends MethodName>(
    channel: number,
    name: Name,
    fields: Given<Name> = {},
  ): Promise<Seen> {
    this.send(channel, name, fields)
    const seen = await this.take()
    const [only] = seen
    if (only === undefined || seen.length !== 1) {
      throw new Error(`${name} was answered by ${JSON.stringify(seen)}`)
    }
    return only
  }

  /** For tables of methods and fields. */
  askAs(channel: number, name: MethodName, fields: object): Promise<Seen> {
    return this.ask(channel, name, fields)
  }

  /** From the first byte to the open connection. */
  async open({
    vhost = '/',
    frameMax = 131_072,
    heartbeat = 0,
    capabilities = ['consumer_cancel_notify', 'connection.blocked', 'authentication_failure_close'],
    response = '\u0000guest\u0000guest',
  } = {}): Promise<void> {
    this.sendBytes(PROTOCOL_HEADER)
    await this.take()
    const table = capabilities.map((name) => ({ name, value: { type: 't', value: true } as const }))
    this.send(0, 'connection.start-ok', {
      clientProperties: [
        { name: 'product', value: textField('test') },
        { name: 'capabilities', value: { type: 'F', value: table } },
      ],
      mechanism: 'PLAIN',
      response: Buffer.from(response),
      locale: 'en_US',
    })
    await this.take()
    this.send(0, 'connection.tune-ok', { channelMax: 2_047, frameMax, heartbeat })
    const answer = await this.ask(0, 'connection.open', { virtualHost: vhost })
    if (answer.name !== 'connection.open-ok') throw new Error(`not opened: ${answer.name}`)
  }

  async openChannel(channel = 1): Promise<void> {
    await this.ask(channel, 'channel.open')
  }

  close(): void {
    this.session.onClosed()
  }

  /** Its content is still to come. */
  #isCut({ name, body }: Seen): boolean {
    const { hasContent = false } = (methodTable[name] as { hasContent?: boolean } | undefined) ?? {}
    return hasContent && (body === undefined || body.length < this.#bodyBytes)
  }

  #collect(frame: Buffer, seen: Seen[]): void {
    const type = frame[0]
    const channel = frame.readUInt16BE(1)
    const payload = Buffer.from(frame.subarray(7, -1))
    if (type === 1) {
      const name = findMethod(payload.readUInt16BE(0), payload.readUInt16BE(2))?.name
      if (name === undefined) throw new Error('an unknown method')
      const fields = readMethod(name, new ByteReader(payload, 4)) as Record<string, unknown>
      seen.push({ channel, name, fields })
      return
    }
    if (type === 8) {
      seen.push({ channel, name: 'heartbeat' as MethodName, fields: {} })
      return
    }
    const last = seen.at(-1)
    if (last === undefined || last.channel !== channel) throw new Error('content without a method')
    if (type === 2) {
      const properties = new Uint8Array(payload.subarray(12))
      this.#bodyBytes = Number(payload.readBigUInt64BE(4))
      seen[seen.length - 1] = { ...last, properties, body: Buffer.alloc(0) }
    } else {
      const body = Buffer.concat([last.body ?? Buffer.alloc(0), payload])
      seen[seen.length - 1] = { ...last, body }
    }
  }
}

const findMethodByName = (name: MethodName) => methodTable[name]
