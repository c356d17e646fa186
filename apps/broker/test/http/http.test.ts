import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
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

const turns = async (count = 50): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const dial = async (): Promise<{
  socket: Socket
  received: () => string
  closed: Promise<void>
}> => {
  const socket = connect(fake.httpPort, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'connect')
  await turns()
  return { socket, received: () => text, closed }
}

const REQUEST = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n'

describe('the deadline', () => {
  it('answers a request that drips, and hangs up', async () => {
    const { socket, received, closed } = await dial()
    socket.write(REQUEST.slice(0, 20))
    await turns()
    fake.environment.advance(9_500)
    socket.write(REQUEST.slice(20, 30))
    await turns()
    expect(received()).toBe('')
    fake.environment.advance(1_000)
    await closed
    expect(received()).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('closes an idle connection without a word, and not one that asks again', async () => {
    const { socket, received, closed } = await dial()
    for (let round = 1; round <= 3; round++) {
      socket.write(REQUEST)
      while (received().split('"live"').length <= round) await turns(1)
      await turns()
      fake.environment.advance(9_000)
    }
    fake.environment.advance(2_000)
    await closed
    expect(received().match(/HTTP\/1\.1 /g)).toHaveLength(3)
  })

  it('holds a connection that says nothing no longer than others', async () => {
    const { received, closed } = await dial()
    fake.environment.advance(10_500)
    await closed
    expect(received()).toBe('')
  })
})

it('answers several requests that come at once, in order', async () => {
  const { socket, received } = await dial()
  socket.write(REQUEST + REQUEST.replace('livez', 'nothing') + REQUEST)
  while ((received().match(/HTTP\/1\.1 /g) ?? []).length < 3) await turns(1)
  expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual([
    'HTTP/1.1 200',
    'HTTP/1.1 404',
    'HTTP/1.1 200',
  ])
  socket.destroy()
})

it('refuses requests for a host that is not served here', async () => {
  const answer = await raw(
    REQUEST.replace('localhost', 'evil.example').replace(
      '\r\n\r\n',
      '\r\nconnection: close\r\n\r\n',
    ),
  )
  expect(answer).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/)
})

it('takes as many connections as there is room for, and says so to the next one', async () => {
  await fake.stop()
  // Nine for HTTP, of what the process may open.
  fake = await startFakeServer({}, { openFilesMax: 200 })
  const peers = await Promise.all(Array.from({ length: 9 }, () => dial()))
  const refused = await dial()
  await refused.closed
  expect(refused.received()).toMatch(/^HTTP\/1\.1 503 [^]*limit of 9 connections/)
  peers[0]?.socket.destroy()
  await peers[0]?.closed
  await turns()
  expect(await (await get('/readyz')).json()).toEqual({ status: 'ready' })
  for (const { socket } of peers) socket.destroy()
})
