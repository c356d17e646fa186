import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { connect } from '../src/index.ts'
import { connectedFrame, frame } from './support/scripted-broker.ts'

let server: WebSocketServer
let url: string

beforeEach(async () => {
  server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    path: '/ws',
    maxPayload: 64 * 1024 * 1024,
    handleProtocols: (offered) => (offered.has('millrace.v1') ? 'millrace.v1' : false),
  })
  await once(server, 'listening')
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  for (const peer of server.clients) peer.terminate()
  await new Promise((resolve) => server.close(resolve))
})

interface Frame {
  readonly opcode: number
  readonly correlation: number
}

/** The frames of a message; throws when it holds anything but whole ones. */
const framesOf = (message: Buffer): Frame[] => {
  const frames: Frame[] = []
  for (let at = 0; at < message.length;) {
    const end = at + 4 + message.readUInt32BE(at)
    if (end > message.length) throw new Error('a message ends inside a frame')
    frames.push({ opcode: message[at + 4] as number, correlation: message.readUInt32BE(at + 8) })
    at = end
  }
  return frames
}

/** {handle: 1, topic: "t", partitions: 1, durability: "memory", batchBytesMax: 16000000}. */
const opened = Buffer.from(
  '85a668616e646c6501a5746f706963a174aa706172746974696f6e7301aa6475726162696c697479a66d656d6f7279' +
    'ad62617463684279746573' +
    '4d6178ce00f42400',
  'hex',
)

const produced = (): Buffer => {
  const body = Buffer.alloc(32)
  body[28] = 2
  return body
}

const answerTo = ({ opcode, correlation }: Frame): Buffer | undefined => {
  if (opcode === 0x01) return connectedFrame(correlation)
  if (opcode === 0x05) return frame(0x85, correlation, Buffer.alloc(0))
  if (opcode === 0x15) return frame(0x95, correlation, opened)
  return opcode === 0x20 ? frame(0xa0, correlation, produced()) : undefined
}

/** Answers what these tests ask, each request once however many frames it has. */
const serve = (messages: Buffer[]): void => {
  server.on('connection', (peer: WebSocket) => {
    const answered = new Set<number>()
    peer.on('message', (data, isBinary) => {
      if (!isBinary) throw new Error('a text message')
      messages.push(data as Buffer)
      for (const one of framesOf(data as Buffer)) {
        if (answered.has(one.correlation)) continue
        answered.add(one.correlation)
        const answer = answerTo(one)
        if (answer !== undefined) peer.send(answer)
      }
    })
  })
}

it('offers the subprotocol and no compression, and speaks in whole frames', async () => {
  const messages: Buffer[] = []
  serve(messages)
  const upgrade = new Promise<string | undefined>((resolve) => {
    server.on('headers', (_headers, request) => {
      resolve(request.headers['sec-websocket-extensions'])
    })
  })
  const client = await connect(url, { reconnect: false })
  expect(await upgrade).toBeUndefined()
  const producer = client.producer<Uint8Array>('t', { codec: 'bytes', idempotent: false })
  const batches = [3_000_000, 10, 200_000, 900_000].map((size) => Buffer.alloc(size, 'x'))
  await Promise.all(batches.map((value) => producer.send(value)))
  await client.close()
  const sizes = messages.map(({ length }) => length)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(4_100_000)
  // A mebibyte, and the frame that takes it beyond.
  expect(Math.max(...sizes)).toBeLessThan(2 * 1024 * 1024)
})

it('says so when the other side does not speak the protocol', async () => {
  server.removeAllListeners('connection')
  await expect(connect(`${url}/elsewhere`)).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining('400') as string,
  })
})

it('does not take text for bytes', async () => {
  server.on('connection', (peer) => peer.send('hello'))
  await expect(connect(url)).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining('text message') as string,
  })
})

it('ends on abort, and gives up on who says nothing', async () => {
  const controller = new AbortController()
  const connecting = connect(url, { signal: controller.signal })
  controller.abort()
  await expect(connecting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await expect(connect(url, { connectTimeoutMs: 50 })).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
  })
})

it('tells of a connection that ends', async () => {
  serve([])
  const client = await connect(url, { reconnect: false })
  for (const peer of server.clients) peer.terminate()
  await expect(client.closed).resolves.toMatchObject({ code: 'ERR_CONNECTION_LOST' })
})
