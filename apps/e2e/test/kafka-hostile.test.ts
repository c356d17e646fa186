/** What no Kafka client sends, to the broker as people run it; a Kafka client beside it is unharmed. */
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { within } from './support/eventually.ts'
import { runProgram } from './support/kafka-clients.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

let scratch: Scratch
let broker: LaunchedBroker

beforeAll(async () => {
  scratch = createScratch('kafka-hostile')
  broker = await launchBroker({ dataDir: scratch.next('data') })
  const client = await connect(broker.url)
  await client.admin.createTopic('orders')
  await client.close()
})

afterAll(async () => {
  const ending = await broker?.stop()
  expect(ending?.code).toBe(0)
  scratch?.remove()
})

const kcat = (args: readonly string[], input = ''): Promise<string> =>
  runProgram('kcat', ['-b', `127.0.0.1:${broker.kafkaPort}`, '-t', 'orders', ...args], input)

afterEach(async () => {
  await kcat(['-P'], 'well\n')
  expect((await kcat(['-C', '-o', '-1', '-c', '1', '-q'])).trim()).toBe('well')
  expect(broker.stdout()).not.toContain('internal-error')
  expect(broker.stderr()).toBe('')
})

/** Everything the broker said until it hung up. */
const send = async (port: number, bytes: Buffer): Promise<Buffer> => {
  const socket = connectSocket(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await within('the broker hangs up', 10_000, once(socket, 'close'))
  return Buffer.concat(received)
}

const framed = (hex: string): Buffer => {
  const body = Buffer.from(hex, 'hex')
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

it.each([
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: broker\r\n\r\n')],
  ['TLS', Buffer.from('16030100f8010000f40303', 'hex')],
  ['two gigabytes', Buffer.from('7fffffff0000', 'hex')],
  ['a negative size', Buffer.from('800000000000', 'hex')],
  ['an unknown API', framed('03e7000000000001ffff')],
  ['a version of next year', framed('0003006300000001ffff')],
  ['half a request', framed('00030009')],
  ['a compact array of 2^31', framed('0003000900000001ffff00808080800800000000')],
  ['a compact string of 2^31', framed('0003000900000001ffff0002808080800800000000')],
])('hangs up on %s', async (_name, bytes) => {
  expect(await send(broker.kafkaPort, bytes)).toHaveLength(0)
})

it('does not take a Kafka client on the native port for one of its own, nor the reverse', async () => {
  await send(broker.nativePort, framed('0012000300000001ffff00010100'))
  const native = `millrace://127.0.0.1:${broker.kafkaPort}`
  await expect(connect(native)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) })
})

it('bears a thousand peers that say nothing, and one that says little', async () => {
  const sockets = Array.from({ length: 1_000 }, () => connectSocket(broker.kafkaPort, '127.0.0.1'))
  for (const socket of sockets) socket.on('error', () => undefined)
  await within('all are connected', 10_000, Promise.all(sockets.map((one) => once(one, 'connect'))))
  sockets[0]?.write(Buffer.from('00', 'hex'))
  await kcat(['-P'], 'meanwhile\n')
  for (const socket of sockets) socket.destroy()
  await delay(10)
})
