import { once } from 'node:events'
import { connect } from 'node:net'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'

let fake: FakeServer

beforeEach(async () => {
  fake = await startFakeServer()
})

afterEach(() => fake.stop())

const get = (path: string, options: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${fake.httpPort}${path}`, options)

/** Bytes in, everything that comes back out. */
const raw = async (bytes: Uint8Array | string): Promise<string> => {
  const socket = connect(fake.httpPort, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

it('is live and ready while it serves', async () => {
  expect((await get('/livez')).status).toBe(200)
  expect(await (await get('/readyz')).json()).toEqual({ status: 'ready' })
  expect((await get('/healthz')).status).toBe(200)
})

it('says more when asked, topics below persisted among it', async () => {
  fake.broker.topicsBelowPersisted = ['metrics']
  const content = (await (await get('/readyz?verbose')).json()) as {
    checks: Record<string, unknown>
  }
  expect(content.checks['durability']).toEqual({ ok: false, belowPersisted: ['metrics'] })
  expect(await (await get('/metrics')).text()).toMatch(/^millrace_topics_below_persisted 1$/m)
})

it('is live and not ready while it drains', async () => {
  fake.broker.isClosed = true
  expect((await get('/livez')).status).toBe(200)
  expect((await get('/readyz')).status).toBe(503)
})

it('survives a check that fails', async () => {
  fake.broker.status = () => {
    throw new Error('on purpose')
  }
  expect((await get('/readyz')).status).toBe(500)
  expect((await get('/livez')).status).toBe(200)
})

it('answers what is not there, and other methods', async () => {
  expect((await get('/nothing')).status).toBe(404)
  expect((await get('/__proto__')).status).toBe(404)
  expect((await get('/livez', { method: 'POST', body: 'x' })).status).toBe(405)
  expect(await (await get('/livez', { method: 'HEAD' })).text()).toBe('')
})

it('tells a native client that this is the HTTP port', async () => {
  const answer = await raw(Buffer.from('0000002a01000000000000018100', 'hex'))
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toMatch(/native port/)
})

it('refuses headers that are too long, and goes on', async () => {
  const answer = await raw(`GET /livez HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(9_000)}\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  expect((await get('/livez')).status).toBe(200)
})

it('does not read a body that nobody asked for', async () => {
  const answer = await raw('POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\nabc')
  expect(answer).toMatch(/^HTTP\/1\.1 405 /)
})
