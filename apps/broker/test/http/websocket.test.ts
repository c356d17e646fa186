/** `/ws` of the real server: the door, by requests of any kind, and the frames behind it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import {
  type Connect,
  encodeConnect,
  encodeFetch,
  encodeFrame,
  encodeProduce,
  encodeTopicOpen,
  FrameDecoder,
  HANDSHAKE_FRAME_BYTES_MAX,
  Opcode,
} from '@millrace/protocol'
import { WebSocket } from 'ws'
import {
  LINGER_MS_MAX,
  WEBSOCKET_CONTROLS_PER_SECOND_MAX,
  WEBSOCKET_FRAGMENTS_MAX,
  WEBSOCKET_MESSAGE_BYTES_MAX,
  WEBSOCKET_PONG_QUEUE_BYTES_MAX,
} from '../../src/limits.ts'
import { CloseCode } from '../../src/net/websocket-channel.ts'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { batchOf, connectBody, RawPeer } from '../support/raw-peer.ts'

let fake: FakeServer

const start = async (...given: Parameters<typeof startFakeServer>): Promise<void> => {
  fake = await startFakeServer(...given)
}

afterEach(() => fake.stop())

const url = (): string => `ws://127.0.0.1:${fake.httpPort}/ws`

interface Closing {
  readonly code: number
  readonly reason: string
}

/** A client of the library, with what it received message by message. */
class Client {
  readonly webSocket: WebSocket
  readonly messages: Buffer[] = []
  readonly closed: Promise<Closing>
  #wake: () => void = () => undefined

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket
    webSocket.on('message', (data) => {
      this.messages.push(data as Buffer)
      this.#wake()
    })
    webSocket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      webSocket.once('close', (code, reason) => {
        this.#wake()
        resolve({ code, reason: reason.toString() })
      })
    })
  }

  static async dial(options: object = {}): Promise<Client> {
    const client = new Client(new WebSocket(url(), 'millrace.v1', options))
    await once(client.webSocket, 'open')
    return client
  }

  static async open(changes: Partial<Connect> = {}): Promise<Client> {
    const client = await Client.dial()
    const body = encodeConnect({ ...connectBody, ...changes })
    client.webSocket.send(encodeFrame(Opcode.CONNECT, 0, 1, body))
    await client.take()
    return client
  }

  async take(): Promise<Buffer> {
    while (this.messages.length === 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
      if (this.webSocket.readyState === WebSocket.CLOSED) throw new Error('closed')
    }
    return this.messages.shift() as Buffer
  }

  async ping(): Promise<void> {
    this.webSocket.send(encodeFrame(Opcode.PING, 0, 77))
    await this.take()
  }
}

/** The opcodes of a message; fails when it does not end with a frame. */
const opcodesOf = (message: Uint8Array): number[] => {
  const opcodes: number[] = []
  const decoder = new FrameDecoder({
    ...{ frameBytesMax: 1 << 20, bodyBytesMax: 17 << 20 },
    onFrame: ({ opcode }) => opcodes.push(opcode),
  })
  decoder.push(message)
  expect(frameEnd(message)).toBe(message.length)
  return opcodes
}

const frameEnd = (message: Uint8Array): number => {
  const view = new DataView(message.buffer, message.byteOffset, message.length)
  let at = 0
  while (at < message.length) at += 4 + view.getUint32(at)
  return at
}

const headers: Readonly<Record<string, string>> = {
  host: '127.0.0.1',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'millrace.v1',
}

const upgradeText = (
  changes: Readonly<Record<string, string | undefined>> = {},
  first = 'GET /ws HTTP/1.1',
): string => {
  const lines = Object.entries({ ...headers, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  )
  return `${first}\r\n${lines.join('')}\r\n`
}

const dial = async (): Promise<Socket> => {
  const socket = connect(fake.httpPort, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Bytes in, everything that comes back until the broker hangs up. */
const exchange = async (bytes: Uint8Array | string): Promise<string> => {
  const socket = await dial()
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(bytes)
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return Buffer.concat(chunks).toString('latin1')
}

/** A WebSocket by hand: whatever frames a test wants. */
const openByHand = async (): Promise<{ socket: Socket; closing: Promise<Closing> }> => {
  const socket = await dial()
  socket.write(upgradeText())
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  while (!Buffer.concat(chunks).includes('\r\n\r\n')) await once(socket, 'data')
  const closing = new Promise<Closing>((resolve) => {
    socket.once('close', () => resolve(closingOf(Buffer.concat(chunks))))
  })
  return { socket, closing }
}

/** The close frame at the end of what the broker sent. */
const closingOf = (bytes: Buffer): Closing => {
  let at = bytes.indexOf('\r\n\r\n') + 4
  while (at < bytes.length) {
    const opcode = (bytes[at] as number) & 15
    const length = (bytes[at + 1] as number) & 127
    if (opcode === 8) {
      return {
        code: bytes.readUInt16BE(at + 2),
        reason: bytes.toString('utf8', at + 4, at + 2 + length),
      }
    }
    at += length === 126 ? 4 + bytes.readUInt16BE(at + 2) : 2 + length
  }
  return { code: 0, reason: 'no close frame' }
}

/** A frame of a client, masked with zeros unless told otherwise. */
const clientFrame = (first: number, payload: Uint8Array, isMasked = true): Buffer => {
  const head = [first]
  const mask = isMasked ? 0x80 : 0
  if (payload.length < 126) head.push(mask | payload.length)
  else head.push(mask | 126, payload.length >> 8, payload.length & 255)
  if (isMasked) head.push(0, 0, 0, 0)
  return Buffer.concat([Buffer.from(head), payload])
}

const warned = (event: string): readonly Record<string, unknown>[] =>
  fake.environment.lines.filter((line) => line.event === event).map(({ fields }) => fields)

describe('the door', () => {
  beforeEach(() => start())

  it('lets in who asks for the subprotocol, and says which it is', async () => {
    const client = await Client.open()
    expect(client.webSocket.protocol).toBe('millrace.v1')
    expect(fake.server.connectionCount()).toBe(1)
    client.webSocket.terminate()
    while (fake.server.connectionCount() > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('never agrees to compression', async () => {
    const client = await Client.dial({ perMessageDeflate: true })
    expect(client.webSocket.extensions).toBe('')
    client.webSocket.terminate()
  })

  it.each([
    ['no subprotocol', { 'sec-websocket-protocol': undefined }, 400],
    ['another subprotocol', { 'sec-websocket-protocol': 'mqtt, millrace.v2' }, 400],
    ['a subprotocol that only begins so', { 'sec-websocket-protocol': 'millrace.v11' }, 400],
    ['no key', { 'sec-websocket-key': undefined }, 400],
    ['a bad key', { 'sec-websocket-key': 'short' }, 400],
    ['an old version', { 'sec-websocket-version': '8' }, 426],
    ['no version', { 'sec-websocket-version': undefined }, 426],
    ['a body', { 'content-length': '5' }, 400],
    ['a chunked body', { 'transfer-encoding': 'chunked' }, 400],
    ['another upgrade', { upgrade: 'h2c' }, 426],
    ['no upgrade', { upgrade: undefined, connection: 'close' }, 426],
    ['another page', { origin: 'https://evil.example' }, 403],
    ['a sandboxed page', { origin: 'null' }, 403],
    ['another host', { host: 'evil.example' }, 421],
    ['two origins in one', { origin: 'http://127.0.0.1, https://evil.example' }, 403],
  ] as const)('is closed to %s', async (_what, changes, status) => {
    const answer = await exchange(upgradeText(changes))
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/\r\n\r\n\{"error":".*"\}\n$/)
    expect(fake.server.connectionCount()).toBe(0)
  })

  it.each([
    ['another method', 'POST /ws HTTP/1.1', 405],
    ['another path', 'GET /wss HTTP/1.1', 404],
    ['a path of health', 'GET /livez HTTP/1.1', 200],
    ['a query', 'GET /ws?x=1 HTTP/1.1', 101],
  ])('answers an upgrade with %s', async (_what, first, status) => {
    const socket = await dial()
    socket.write(upgradeText({}, first))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    socket.destroy()
  })

  it('is open to the own page', async () => {
    const client = await Client.dial({ origin: `http://127.0.0.1:${fake.httpPort}` })
    client.webSocket.terminate()
  })

  it('ignores an upgrade that it does not want', async () => {
    const offer = {
      upgrade: 'h2c',
      connection: 'Upgrade, HTTP2-Settings',
      'http2-settings': 'AAMA',
    }
    expect(await exchange(upgradeText(offer, 'GET /livez HTTP/1.1'))).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*"live"/,
    )
  })

  it('refuses two requests in one, told apart differently by others', async () => {
    const both = { 'content-length': '4', 'transfer-encoding': 'chunked' }
    expect(await exchange(upgradeText(both))).toMatch(/^HTTP\/1\.1 400 /)
    const twice = `GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n`
    expect(await exchange(twice)).toMatch(/^HTTP\/1\.1 400 /)
    const bare = 'GET /livez HTTP/1.1\nhost: localhost\n\n'
    expect(await exchange(bare)).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('refuses headers that are too many or too long', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `x${index}: y\r\n`).join('')
    expect(await exchange(`GET /ws HTTP/1.1\r\nhost: localhost\r\n${many}\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
    const long = upgradeText({ 'sec-websocket-protocol': 'a,'.repeat(5_000) })
    expect(await exchange(long)).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('cuts off an upgrade that does not end', async () => {
    const socket = await dial()
    socket.write(upgradeText().slice(0, -2))
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    fake.environment.advance(10_500)
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('cuts off a WebSocket that never says who it is', async () => {
    const client = await Client.dial()
    fake.environment.advance(10_500)
    expect(opcodesOf(await client.take())).toEqual([Opcode.ERROR])
    expect(await client.closed).toEqual({ code: 1008, reason: 'ERR_HANDSHAKE_TIMEOUT' })
  })
})

describe('settings of the door', () => {
  it('is open to pages that are configured', async () => {
    await start({ 'websocket.origins': 'https://app.example, http://localhost:8080' })
    const client = await Client.dial({ origin: 'https://app.example' })
    client.webSocket.terminate()
    expect(await exchange(upgradeText({ origin: 'http://app.example' }))).toMatch(
      /^HTTP\/1\.1 403 /,
    )
    expect(warned('websocket.origin-refused')).toEqual([{ origin: 'http://app.example' }])
  })

  it('counts WebSockets with all other connections, and health apart', async () => {
    await start({ 'limits.connections': 2 })
    const peers = [await RawPeer.open(fake.port), await Client.open()]
    expect(await exchange(upgradeText())).toMatch(/^HTTP\/1\.1 503 [\s\S]*limit of 2 connections/)
    expect((await fetch(`http://127.0.0.1:${fake.httpPort}/livez`)).status).toBe(200)
    ;(peers[0] as RawPeer).close()
    while (fake.server.connectionCount() > 1) await new Promise((resolve) => setImmediate(resolve))
    const again = await Client.open()
    again.webSocket.terminate()
  })

  it('lets nobody in while it stops', async () => {
    await start()
    const client = await Client.open()
    const handle = await openTopic(client)
    fake.broker.isHoldingAppends = true
    client.webSocket.send(produceFrame(handle, 'held'))
    await client.ping()
    const stopped = fake.server.stop(1_000)
    expect(opcodesOf(await client.take())).toEqual([Opcode.GO_AWAY])
    expect(await exchange(upgradeText())).toMatch(/^HTTP\/1\.1 503 [\s\S]*shutting down/)
    fake.broker.releaseAppends()
    expect(opcodesOf(await client.take())).toEqual([Opcode.PRODUCED])
    expect(await client.closed).toEqual({ code: 1001, reason: 'ERR_GOING_AWAY' })
    await stopped
  })
})

const openTopic = async (client: Client): Promise<number> => {
  const body = encodeTopicOpen({ topic: 'orders', create: true })
  client.webSocket.send(encodeFrame(Opcode.TOPIC_OPEN, 0, 2, body))
  expect(opcodesOf(await client.take())).toEqual([Opcode.TOPIC_OPENED])
  return 1
}

const produceFrame = (handle: number, payload: string, correlation = 9): Uint8Array => {
  const batch = batchOf([payload])
  const body = encodeProduce({ handle, partition: 0, durability: 0, batch })
  return encodeFrame(Opcode.PRODUCE, 0, correlation, body)
}

describe('frames', () => {
  beforeEach(() => start())

  it('takes many frames in a message, and a frame in many fragments', async () => {
    const client = await Client.open()
    const handle = await openTopic(client)
    const frames = Array.from({ length: 50 }, (_, index) => produceFrame(handle, 'x', index + 10))
    client.webSocket.send(Buffer.concat(frames))
    let produced = 0
    while (produced < 50) produced += opcodesOf(await client.take()).length
    for (const [index, byte] of [...produceFrame(handle, 'y')].entries()) {
      client.webSocket.send(Buffer.of(byte), { fin: false })
      if (index === 0) client.webSocket.ping()
    }
    client.webSocket.send(new Uint8Array(0), { fin: true })
    expect(opcodesOf(await client.take())).toEqual([Opcode.PRODUCED])
    client.webSocket.terminate()
  })

  it('sends whole frames in each message, however large the answer', async () => {
    // So that what gathers in a turn passes any round number in the middle of a frame.
    const client = await Client.open({ frameBytesMax: 99_999 })
    const handle = await openTopic(client)
    for (let index = 0; index < 45; index++) {
      client.webSocket.send(produceFrame(handle, 'z'.repeat(90_000)))
      await client.take()
    }
    const fetch = encodeFetch({
      ...{ handle, partition: 0, offset: 0, flags: 0 },
      ...{ maxBytes: 4 << 20, minBytes: 0, maxWaitMs: 0 },
    })
    client.webSocket.send(encodeFrame(Opcode.FETCH, 0, 3, fetch))
    let bytes = 0
    while (bytes < 4_000_000) {
      const message = await client.take()
      opcodesOf(message)
      bytes += message.length
    }
    client.webSocket.terminate()
  })

  it('takes a message in as many fragments as are allowed', async () => {
    const client = await Client.open()
    const ping = encodeFrame(Opcode.PING, 0, 3)
    for (const byte of ping) client.webSocket.send(Buffer.of(byte), { fin: false })
    const others = WEBSOCKET_FRAGMENTS_MAX - ping.length
    for (let count = 1; count <= others; count++) {
      client.webSocket.send(new Uint8Array(0), { fin: count === others })
    }
    expect(opcodesOf(await client.take())).toEqual([Opcode.PONG])
    client.webSocket.terminate()
  })

  it('closes with the normal code after CLOSE', async () => {
    const client = await Client.open()
    client.webSocket.send(encodeFrame(Opcode.CLOSE, 0, 5))
    expect(opcodesOf(await client.take())).toEqual([Opcode.CLOSED])
    expect(await client.closed).toEqual({ code: 1000, reason: '' })
  })

  it('closes with the code of the error, after the ERROR frame', async () => {
    const client = await Client.open()
    client.webSocket.send(Buffer.from('fffffff0010000000000000181', 'hex'))
    expect(opcodesOf(await client.take())).toEqual([Opcode.ERROR])
    expect(await client.closed).toEqual({ code: 1009, reason: 'ERR_FRAME_TOO_LARGE' })
  })

  it('takes no text', async () => {
    const client = await Client.open()
    client.webSocket.send('hello')
    expect(await client.closed).toEqual({ code: 1003, reason: 'messages are binary' })
    expect(warned('websocket.refused')).toHaveLength(1)
  })

  it('answers pings, as many a second as are allowed', async () => {
    const client = await Client.open()
    let pongs = 0
    client.webSocket.on('pong', () => (pongs += 1))
    for (let index = 0; index < WEBSOCKET_CONTROLS_PER_SECOND_MAX; index++)
      client.webSocket.ping('x')
    await client.ping()
    expect(pongs).toBe(WEBSOCKET_CONTROLS_PER_SECOND_MAX)
    fake.environment.advance(1_000)
    for (let index = 0; index < WEBSOCKET_CONTROLS_PER_SECOND_MAX; index++)
      client.webSocket.pong('x')
    await client.ping()
    client.webSocket.ping()
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many pings or pongs' })
  })

  it('collects no more than a handshake frame for a peer that it does not know', async () => {
    const client = await Client.dial()
    client.webSocket.send(new Uint8Array(8 * 1024 + 1))
    expect(await client.closed).toEqual({ code: 1009, reason: 'a message may hold 8192 bytes' })
    const other = await openByHand()
    // The beginning of a message of 4 MiB, in fragments that never end.
    const fragment = clientFrame(0x00, new Uint8Array(16 * 1024))
    other.socket.write(clientFrame(0x02, new Uint8Array(1)))
    for (let index = 0; index < 20; index++) other.socket.write(fragment)
    while (warned('websocket.refused').length < 2) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    fake.environment.advance(LINGER_MS_MAX + 200)
    expect((await other.closing).code).toBe(1009)
  })

  it('takes a message of the limit and not one byte more', async () => {
    const client = await Client.open()
    const handle = await openTopic(client)
    const count = 20
    const batchBytes = produceFrame(handle, '').length
    // Twenty frames that fill the message to its last byte; longer varints take what they take.
    const payloadBytes = Math.floor(WEBSOCKET_MESSAGE_BYTES_MAX / count) - batchBytes - 20
    const frames = Array.from({ length: count }, () =>
      produceFrame(handle, 'x'.repeat(payloadBytes)),
    )
    const rest = WEBSOCKET_MESSAGE_BYTES_MAX - Buffer.concat(frames).length
    const message = Buffer.concat([
      ...frames,
      encodeFrame(Opcode.PONG, 0, 0, new Uint8Array(rest - 12)),
    ])
    expect(message.length).toBe(WEBSOCKET_MESSAGE_BYTES_MAX)
    client.webSocket.send(message)
    let produced = 0
    while (produced < count) produced += opcodesOf(await client.take()).length
    client.webSocket.send(new Uint8Array(WEBSOCKET_MESSAGE_BYTES_MAX + 1))
    expect((await client.closed).code).toBe(1009)
  })

  it.each([
    ['frames without a mask', [clientFrame(0x82, Buffer.from('x'), false)], 1002],
    ['a ping of more than 125 bytes', [clientFrame(0x89, new Uint8Array(126))], 1002],
    ['a ping in fragments', [clientFrame(0x09, Buffer.from('x'))], 1002],
    ['a reserved opcode', [clientFrame(0x83, Buffer.from('x'))], 1002],
    ['a reserved bit', [clientFrame(0xc2, Buffer.from('x'))], 1002],
    ['a continuation of nothing', [clientFrame(0x80, Buffer.from('x'))], 1002],
    [
      'a message within a message',
      [clientFrame(0x02, Buffer.from('x')), clientFrame(0x82, Buffer.from('y'))],
      1002,
    ],
    ['a length of 2^63', [Buffer.from('82ff8000000000000000', 'hex')], 1009],
    ['a length of 2^32', [Buffer.from('82ff0000000100000000', 'hex')], 1009],
    ['a close code that nobody may send', [clientFrame(0x88, Buffer.from('03ed', 'hex'))], 1002],
    [
      'more fragments than a message may have',
      [
        clientFrame(0x02, new Uint8Array(0)),
        ...Array.from({ length: WEBSOCKET_FRAGMENTS_MAX }, () =>
          clientFrame(0x00, new Uint8Array(0)),
        ),
      ],
      1008,
    ],
  ] as const)('closes for %s', async (_what, frames, code) => {
    const { socket, closing } = await openByHand()
    for (const frame of frames) socket.write(frame)
    expect((await closing).code).toBe(code)
    expect((await fetch(`http://127.0.0.1:${fake.httpPort}/livez`)).status).toBe(200)
  })

  it('hangs up on a peer that does not close after it was told to', async () => {
    const { socket, closing } = await openByHand()
    socket.write(clientFrame(0x81, Buffer.from('text')))
    while (warned('websocket.refused').length === 0)
      await new Promise((resolve) => setImmediate(resolve))
    fake.environment.advance(LINGER_MS_MAX + 200)
    expect((await closing).code).toBe(1003)
  })

  const bufferedBytes = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${fake.httpPort}/metrics`)
    return Number(/^millrace_buffered_bytes (\d+)$/m.exec(await response.text())?.[1])
  }

  it('counts what it collects of a message, and forgets a peer that is gone in the middle', async () => {
    const { socket } = await openByHand()
    socket.write(clientFrame(0x02, new Uint8Array(1_000)))
    while ((await bufferedBytes()) === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await bufferedBytes()).toBe(1_008)
    socket.resetAndDestroy()
    while (fake.server.connectionCount() > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await bufferedBytes()).toBe(0)
  })

  it('holds nothing of messages that were handed on, whatever stood between them', async () => {
    const client = await Client.open()
    const handle = await openTopic(client)
    for (let index = 0; index < 20; index++) {
      client.webSocket.send(produceFrame(handle, 'x'.repeat(50_000)))
      if (index % 5 === 0) client.webSocket.ping('y')
      await client.take()
    }
    // Bytes of one read that belong to the next message are not told apart, and counted for none.
    expect(await bufferedBytes()).toBeLessThanOrEqual(64 * 1024)
    client.webSocket.terminate()
    while (fake.server.connectionCount() > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(await bufferedBytes()).toBe(0)
  })
})

describe('docs/protocol.md', () => {
  const document = readFileSync(join(__dirname, '../../../../docs/protocol.md'), 'utf8')
  const section = document.slice(document.indexOf('\n## 18. WebSocket'))

  it('states the limits of the code', () => {
    const english = (value: number): string => value.toLocaleString('en-US')
    expect(section).toContain(`${english(HANDSHAKE_FRAME_BYTES_MAX)} bytes before the connection`)
    expect(section).toContain(`${english(WEBSOCKET_MESSAGE_BYTES_MAX)} bytes afterwards`)
    expect(section).toContain(`${english(WEBSOCKET_FRAGMENTS_MAX)} fragments`)
    expect(section).toContain(`${english(WEBSOCKET_PONG_QUEUE_BYTES_MAX)} bytes wait`)
    expect(section).toContain(`than ${WEBSOCKET_CONTROLS_PER_SECOND_MAX} pings`)
  })

  it('lists every close code of the code', () => {
    const listed = [...section.matchAll(/^\| (1\d{3}) /gm)].map(([, code]) => Number(code))
    // 1002 is the library's, for what breaks the protocol of WebSocket itself.
    expect(listed).toEqual([...Object.values(CloseCode), 1002].sort())
  })
})
