/** `/amqp` of the real server: AMQP in binary messages that need not hold whole frames. */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'

const PROTOCOL_HEADER = Buffer.from('AMQP\u0000\u0000\u0009\u0001', 'latin1')
const METHOD_FRAME = 1

let fake: FakeServer

beforeEach(async () => {
  fake = await startFakeServer()
})

afterEach(() => fake.stop())

const dial = (subprotocols?: string[]): WebSocket =>
  new WebSocket(`ws://127.0.0.1:${fake.httpPort}/amqp`, subprotocols)

it.each([[undefined, ''] as const, [['amqp'], 'amqp'] as const, [['x', 'amqp'], 'amqp'] as const])(
  'greets who asks for %j',
  async (asked, chosen) => {
    const webSocket = dial(asked === undefined ? undefined : [...asked])
    await once(webSocket, 'open')
    expect(webSocket.protocol).toBe(chosen)
    webSocket.send(PROTOCOL_HEADER.subarray(0, 3))
    webSocket.send(PROTOCOL_HEADER.subarray(3))
    const [message] = (await once(webSocket, 'message')) as [Buffer]
    expect(message[0]).toBe(METHOD_FRAME)
    expect(message.includes('product')).toBe(true)
    webSocket.terminate()
  },
)

it('refuses who asks for something else', async () => {
  const webSocket = dial(['mqtt'])
  const [error] = (await once(webSocket, 'error')) as [Error]
  expect(error.message).toContain('400')
})
