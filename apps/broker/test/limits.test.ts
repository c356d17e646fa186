/**
 * Limits at n and n+1 that have no nearer place, and docs/operations.md held against all of them.
 * Frames, bodies, requests in flight, connections: test/native/hostile.test.ts. Quotas, strangers,
 * alarms: test/native/guards.test.ts. Outbound bytes: test/net/connection.test.ts.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import {
  NAME_BYTES_MAX,
  type EngineSession,
  type FetchOperation,
  type ReadLease,
} from '@millrace/core'
import {
  ASSEMBLIES_COUNT_MAX,
  CONTROL_BODY_BYTES_MAX,
  CONTROL_DEPTH_MAX,
  encodeFetch,
  encodeFrame,
  encodeTopicCreate,
  HANDSHAKE_FRAME_BYTES_MAX,
  Opcode,
} from '@millrace/protocol'
import { type ConfigPath, configPaths, configTable } from '../src/config/config-table.ts'
import { formatConfigValue } from '../src/config/config-values.ts'
import * as limits from '../src/limits.ts'
import type { FrameOutput } from '../src/native/frame-output.ts'
import { Subscription } from '../src/native/subscription.ts'
import { SlabPool } from '../src/net/slab-pool.ts'
import { MemoryBudget } from '../src/net/memory-budget.ts'
import { type FakeServer, startFakeServer } from './support/fake-server.ts'
import { RawPeer } from './support/raw-peer.ts'
import { startRealServer } from './support/real-server.ts'

let fake: FakeServer | undefined

afterEach(async () => {
  await fake?.stop()
  fake = undefined
})

/** An HTTP request as it is, and what the broker answers. */
const ask = async (port: number, head: string): Promise<string> => {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(head)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

const END = 'host: localhost\r\nconnection: close\r\n\r\n'

it('reads a URL of the longest kind, and none that is one character longer', async () => {
  fake = await startFakeServer()
  const urlOf = (characters: number): string => `/livez?${'x'.repeat(characters - 7)}`
  const most = urlOf(limits.HTTP_URL_CHARACTERS_MAX)
  expect(await ask(fake.httpPort, `GET ${most} HTTP/1.1\r\n${END}`)).toMatch(/^HTTP\/1\.1 200 /)
  const more = urlOf(limits.HTTP_URL_CHARACTERS_MAX + 1)
  expect(await ask(fake.httpPort, `GET ${more} HTTP/1.1\r\n${END}`)).toMatch(/^HTTP\/1\.1 414 /)
})

it('reads headers up to 8 KiB, and no longer ones', async () => {
  fake = await startFakeServer()
  const headerOf = (bytes: number): string => `x: ${'y'.repeat(bytes)}\r\n${END}`
  const line = 'GET /livez HTTP/1.1\r\n'
  const near = limits.HTTP_HEADER_BYTES_MAX - 200
  expect(await ask(fake.httpPort, line + headerOf(near))).toMatch(/^HTTP\/1\.1 200 /)
  const beyond = limits.HTTP_HEADER_BYTES_MAX + 1
  expect(await ask(fake.httpPort, line + headerOf(beyond))).toMatch(/^HTTP\/1\.1 431 /)
})

it('keeps so many HTTP connections, tells the next, and has room again', async () => {
  fake = await startFakeServer({}, { openFilesMax: 200 })
  const sockets: Socket[] = []
  const { httpPort } = fake
  const open = async (): Promise<number> => {
    const socket = connect(httpPort, '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    return Number(/^HTTP\/1\.1 (\d+) /.exec(chunk.toString())?.[1])
  }
  const statuses: number[] = []
  for (let count = 0; count < 10; count++) statuses.push(await open())
  expect(statuses).toEqual([...Array.from({ length: 9 }, () => 200), 503])
  sockets[0]?.destroy()
  while ((await open()) === 503);
  for (const socket of sockets) socket.destroy()
})

it('gives a peer its time to authenticate, and no longer', async () => {
  fake = await startFakeServer({ 'limits.handshakeTime': 5_000 })
  const { environment } = fake
  const late = await RawPeer.dial(fake.port)
  await (await RawPeer.open(fake.port)).ping()
  environment.advance(4_900)
  await late.handshake()
  await late.ping()
  const later = await RawPeer.dial(fake.port)
  await late.ping()
  environment.advance(5_100)
  expect(await later.takeError()).toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT' })
  late.close()
})

it('is exceeded by one byte more than the budget of all connections', () => {
  const budget = new MemoryBudget(100)
  budget.add(100)
  expect(budget.isExceeded).toBe(false)
  budget.add(1)
  expect(budget.isExceeded).toBe(true)
})

it('cuts off who holds much when all connections hold too much, and spares who holds little', async () => {
  fake = await startFakeServer({ 'limits.bufferBytes': 1 << 20 })
  const modest = await RawPeer.open(fake.port)
  const greedy = await RawPeer.open(fake.port)
  const sendHalf = (peer: RawPeer, bytes: number): void => {
    const frame = encodeFrame(Opcode.PRODUCE, 0, 1, new Uint8Array(bytes))
    // More is to come of this body.
    frame[5] = 1
    peer.write(frame)
  }
  sendHalf(modest, 100 * 1024)
  for (let count = 0; count < 6; count++) sendHalf(greedy, 200 * 1024)
  expect(await greedy.takeError()).toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' })
  await greedy.closed()
  await modest.ping()
  modest.close()
})

it('keeps so many slabs for the next connection, and lets go of one more', () => {
  const pool = new SlabPool()
  const taken = Array.from({ length: limits.SLABS_KEPT_COUNT_MAX + 1 }, () => pool.take())
  for (const slab of taken) pool.give(slab)
  const again = Array.from({ length: limits.SLABS_KEPT_COUNT_MAX + 1 }, () => pool.take())
  expect(again.filter((slab) => taken.includes(slab)).length).toBe(limits.SLABS_KEPT_COUNT_MAX)
})

it('waits for what is in flight when it stops, up to its deadline and not longer', async () => {
  const started = await startFakeServer()
  const { environment, broker, server } = started
  const peer = await RawPeer.open(started.port)
  broker.isHoldingAppends = true
  peer.produce(await peer.openTopic('t'), 'never answered')
  await peer.ping()
  let isStopped = false
  const stopped = server.stop(5_000).then(() => (isStopped = true))
  await peer.take(Opcode.GO_AWAY)
  environment.advance(4_900)
  await peer.ping()
  expect(isStopped).toBe(false)
  environment.advance(200)
  await stopped
  await peer.closed()
})

it('cuts the size and the wait of a fetch to what is allowed', async () => {
  fake = await startFakeServer({ 'limits.outboundBytes': 1 << 30 })
  const seen: FetchOperation[] = []
  const { broker } = fake
  const openSession = broker.openSession.bind(broker)
  broker.openSession = (options): EngineSession => {
    const session = openSession(options)
    const fetch = session.fetch.bind(session)
    session.fetch = (operation, done) => {
      seen.push(operation)
      return fetch({ ...operation, bytesMin: 0 }, done)
    }
    return session
  }
  const peer = await RawPeer.open(fake.port)
  const handle = await peer.openTopic('t')
  const { FETCH_BYTES_MAX, FETCH_WAIT_MS_MAX } = limits
  for (const more of [0, 1]) {
    const maxBytes = FETCH_BYTES_MAX + more
    const maxWaitMs = FETCH_WAIT_MS_MAX + more
    const fetch = { handle, partition: 0, offset: 0, maxBytes, minBytes: 1, maxWaitMs, flags: 0 }
    peer.send(Opcode.FETCH, encodeFetch(fetch))
    await peer.take(Opcode.FETCHED)
  }
  const expected = [FETCH_BYTES_MAX, FETCH_WAIT_MS_MAX]
  expect(seen.map(({ bytesMax, waitMsMax }) => [bytesMax, waitMsMax])).toEqual([expected, expected])
  peer.close()
})

it('adds credit up to what a number of the protocol holds, and not beyond', () => {
  let sent = 0
  const output = { isBlocked: false, sendBody: () => void sent++ } as unknown as FrameOutput
  const partition = { partition: 0, addCredit: () => undefined, cancel: () => undefined }
  const engine = { subscribe: () => partition } as unknown as EngineSession
  const sizes = { creditBytes: limits.CREDIT_BYTES_MAX, windowBytes: 1 }
  const nothing = (): undefined => undefined
  const fixed = { id: 1, channel: 0, onEnded: nothing, damageFrom: nothing }
  const subscription = new Subscription({ ...fixed, ...sizes, output, engine })
  subscription.addCredit(limits.CREDIT_BYTES_MAX)
  const whole: ReadLease = {
    parts: [],
    byteLength: limits.CREDIT_BYTES_MAX,
    release: () => undefined,
  }
  const offsets = { highWatermark: 9, earliestOffset: 0, nextOffset: 1, epoch: 0 }
  for (let count = 0; count < 2; count++)
    subscription.deliver(0, { error: undefined, lease: whole, ...offsets })
  expect(sent).toBe(1)
})

it('takes names of 255 bytes, and none of 256', async () => {
  const real = await startRealServer()
  const peer = await RawPeer.open(real.port)
  const wide = 'é'.repeat(Math.floor(NAME_BYTES_MAX / 2))
  for (const topic of ['a'.repeat(NAME_BYTES_MAX), `${wide}a`]) {
    peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic }))
    await peer.take(Opcode.TOPIC_CREATED)
  }
  for (const topic of ['a'.repeat(NAME_BYTES_MAX + 1), `${wide}é`]) {
    peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic }))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_NAME' })
  }
  peer.close()
  await real.stop()
})

describe('docs/operations.md', () => {
  const document = readFileSync(join(__dirname, '../../../docs/operations.md'), 'utf8')
  const section = document.slice(document.indexOf('## Limits\n'), document.indexOf('### Quotas\n'))
  const rows = [...section.matchAll(/^\| (.*?)\s*\| (.*?)\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)]
    .slice(2)
    .map(([, name = '', setting = '', value = '']) => ({ name, setting, value }))

  it('lists every setting that is a limit or a quota, with its default', () => {
    const listed = rows.filter(({ setting }) => setting !== '')
    for (const { setting, value } of listed) {
      const path = setting.slice(1, -1) as ConfigPath
      const key = configTable[path]
      expect([path, value]).toEqual([path, `\`${formatConfigValue(key, key.default)}\``])
    }
    const paths = listed.map(({ setting }) => setting.slice(1, -1))
    const expected = configPaths.filter((path) => /^(limits|quotas)\./.test(path))
    expect(paths).toEqual(expect.arrayContaining(expected))
  })

  it.each([
    ['connections to HTTP', `${limits.HTTP_CONNECTIONS_COUNT_MAX}`],
    ['frame before that', `${HANDSHAKE_FRAME_BYTES_MAX / 1024} KiB`],
    ['body of a control request', `${CONTROL_BODY_BYTES_MAX / 1024} KiB`],
    ['nesting of a control request', `${CONTROL_DEPTH_MAX}`],
    ['unfinished bodies of a connection', `${ASSEMBLIES_COUNT_MAX}`],
    ['bytes of one answer to FETCH', `${limits.FETCH_BYTES_MAX / 2 ** 20} MiB`],
    ['wait of a FETCH', `${limits.FETCH_WAIT_MS_MAX / 1_000} s`],
    ['a peer that takes nothing of them', `${limits.OUTBOUND_STALL_MS_MAX / 1_000} s`],
    ['open topics of a connection', limits.HANDLES_COUNT_MAX.toLocaleString('en')],
    ['a name', `${NAME_BYTES_MAX} bytes`],
    ['headers of an HTTP request', `${limits.HTTP_HEADER_BYTES_MAX / 1024} KiB`],
    ['URL of an HTTP request', limits.HTTP_URL_CHARACTERS_MAX.toLocaleString('en')],
    ['TLS handshake', `${limits.TLS_HANDSHAKE_MS_MAX / 1_000} s`],
    ['message of a WebSocket', `${limits.WEBSOCKET_MESSAGE_BYTES_MAX / 2 ** 20} MiB`],
    ['fragments of a message', limits.WEBSOCKET_FRAGMENTS_MAX.toLocaleString('en')],
    ['pings and pongs of a WebSocket, a second', `${limits.WEBSOCKET_CONTROLS_PER_SECOND_MAX}`],
  ])('says of %s that it is %s', (name, value) => {
    expect(rows.find((row) => row.name === name)?.value).toBe(value)
  })

  it('leaves no fixed value unchecked but the partitions, which core checks', () => {
    const fixed = rows.filter(({ setting }) => setting === '').map(({ name }) => name)
    expect(fixed.length).toBe(17)
    expect(fixed).toContain('partitions of a topic')
  })
})
