/** Starting and stopping the real broker: what it refuses, how it says so, and what it leaves behind. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { connect } from '@millrace/client-node'
import { type Ending, type Launch, launchBroker, launchToItsEnd } from './support/broker.ts'
import { Code } from './support/error-codes.ts'
import { eventually, within } from './support/eventually.ts'
import { get } from './support/http.ts'
import { pack, unpack } from './support/message-pack.ts'
import { fetchBody } from './support/produce-body.ts'
import { ANSWER, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const GO_AWAY = 0x04
const NOBODY = 65_534

jest.setTimeout(60_000)

let scratch: Scratch

beforeAll(() => {
  scratch = createScratch('lifecycle')
})

afterAll(() => scratch.remove())

/** One line with the cause and one with what to do next; no stack, and the right exit code. */
const expectRefusal = (ending: Ending, code: number, cause: RegExp): void => {
  expect({ code: ending.code, signal: ending.signal }).toEqual({ code, signal: null })
  expect(ending.stderr).toMatch(cause)
  expect(ending.stderr).toMatch(/^error: /m)
  expect(ending.stderr).toMatch(/^next: {2}\S/m)
  expect(ending.stderr).not.toMatch(/\n\s+at /)
}

const configFile = (text: string): string => {
  const file = scratch.next('config.yaml')
  writeFileSync(file, text)
  return file
}

describe('the data directory', () => {
  test('belongs to one broker: the second ends with 1 and names the holder', async () => {
    const dataDir = scratch.next('data')
    const first = await launchBroker({ dataDir })
    const second = scratch.next('other')
    const ending = await launchToItsEnd({ dataDir: second, args: ['--data-dir', dataDir] })
    expectRefusal(ending, 1, new RegExp(`in use by process ${first.pid}\\b`))
    const client = await connect(first.url)
    await client.admin.createTopic('still-served')
    await client.close()
    await first.stop()
  })

  test('is free again after a kill -9', async () => {
    const dataDir = scratch.next('data')
    await (await launchBroker({ dataDir })).kill()
    await (await launchBroker({ dataDir })).stop()
  })

  test('in a format that this version does not know is refused, and left as it is', async () => {
    const dataDir = scratch.next('data')
    await (await launchBroker({ dataDir })).stop()
    const file = `${dataDir}/meta.json`
    const identity = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    const formatKey = Object.keys(identity).find((key) => /format/i.test(key)) as string
    expect(formatKey).toBeDefined()
    const unknown = JSON.stringify({ ...identity, [formatKey]: 999 })
    writeFileSync(file, unknown)
    expectRefusal(await launchToItsEnd({ dataDir }), 1, /has format 999: this broker reads \d+/)
    expect(readFileSync(file, 'utf8')).toBe(unknown)
    writeFileSync(file, JSON.stringify(identity))
    await (await launchBroker({ dataDir })).stop()
  })

  test('that this user may not write is refused with the right to ask for', async () => {
    const parent = scratch.next('closed')
    mkdirSync(parent)
    chmodSync(parent, 0o555)
    chmodSync(scratch.path, 0o755)
    const ending = await launchToItsEnd(asNobody({ dataDir: `${parent}/data` }))
    expectRefusal(ending, 1, /EACCES|EROFS|EPERM/)
  })

  test('whose place is taken by a file is refused', async () => {
    const dataDir = scratch.next('file')
    writeFileSync(dataDir, 'not a directory')
    expectRefusal(await launchToItsEnd({ dataDir }), 1, /ENOTDIR|EEXIST|not a directory/)
    expect(readFileSync(dataDir, 'utf8')).toBe('not a directory')
  })
})

/** As root every directory can be written: another user has to try. */
const asNobody = (launch: Launch): Launch => {
  if (process.getuid?.() !== 0) return launch
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  return { ...launch, wrapper: ['setpriv', ...ids], args: ['--ready-file', '/dev/null'] }
}

const occupyPort = async (): Promise<{ server: Server; port: number }> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { server, port }
}

describe('the listeners', () => {
  test.each(['native', 'http'])(
    'a busy %s port ends the start and names the setting',
    async (name) => {
      const { server, port } = await occupyPort()
      const args = [`--${name}-port`, String(port)]
      const ending = await launchToItsEnd({ dataDir: scratch.next('data'), args })
      server.close()
      expect(ending.code).toBe(1)
      expect(ending.stderr).toMatch(new RegExp(`port ${port} of the ${name} listener is in use`))
      expect(ending.stderr).toContain(`--${name}-port`)
      expect(ending.stderr).toContain(`${name}.port`)
    },
  )

  test.each(['0.0.0.0', '::', '192.0.2.1'])(
    'an address that is not loopback is refused: %s',
    async (host) => {
      const ending = await launchToItsEnd({ dataDir: scratch.next('data'), args: ['--host', host] })
      expectRefusal(ending, 2, /is not a loopback address/)
    },
  )

  test('a port that is off is not in the ready file', async () => {
    const dataDir = scratch.next('data')
    const broker = await launchBroker({ dataDir, args: ['--http-port', 'off'] })
    const ready = JSON.parse(readFileSync(`${dataDir}.ready.json`, 'utf8')) as object
    expect(ready).toEqual({
      pid: broker.pid,
      native: broker.nativePort,
      kafka: broker.kafkaPort,
      amqp: expect.any(Number) as unknown,
    })
    await broker.stop()
  })
})

describe('the configuration', () => {
  test.each([
    [
      'an unknown key',
      'storag: { groupBytes: 1MiB }',
      /unknown setting 'storag.*did you mean 'storage/,
    ],
    ['a bad value', 'topics: { partitions: many }', /'topics.partitions' is "many": expected/],
    ['a value out of range', 'limits: { connections: 0 }', /'limits.connections' is 0: expected/],
    ['a file that is no YAML', 'topics: [', /config\.yaml-\d+:\d+:\d+: /],
    ['a list instead of settings', '- a\n- b', /must be a map of settings/],
  ])('%s ends the start with 2 and says where', async (_name, text, cause) => {
    const file = configFile(text)
    const ending = await launchToItsEnd({ dataDir: scratch.next('data'), args: ['--config', file] })
    expectRefusal(ending, 2, cause)
    expect(ending.stderr).toContain(file)
  })

  test('a file that is not there ends the start with 2', async () => {
    const args = ['--config', scratch.next('missing.yaml')]
    const ending = await launchToItsEnd({ dataDir: scratch.next('data'), args })
    expectRefusal(ending, 2, /there is no such file/)
  })

  test('a misspelt variable and a misspelt flag end the start with 2', async () => {
    const env = { MILLRACE_TOPICS__PARTITION: '3' }
    const variable = await launchToItsEnd({ dataDir: scratch.next('data'), env })
    expectRefusal(variable, 2, /MILLRACE_TOPICS__PARTITION: unknown setting .*did you mean/)
    const flag = await launchToItsEnd({
      dataDir: scratch.next('data'),
      args: ['--nativ-port', '0'],
    })
    expect(flag.code).toBe(2)
    expect(flag.stderr).toMatch(/--nativ-port/)
  })
})

describe('a stop', () => {
  test('by SIGTERM answers what is in flight, tells the peers, and ends with 0', async () => {
    const dataDir = scratch.next('data')
    const broker = await launchBroker({ dataDir })
    const peer = await RawPeer.handshaken(broker.nativePort)
    await peer.succeed(Op.TOPIC_CREATE, { topic: 'orders' })
    const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: 'orders' })
    const wait = fetchBody(handle as number, 0, 0n)
    wait.writeUInt32BE(1, 20)
    wait.writeUInt32BE(50_000, 24)
    const fetching = peer.sendRequest(Op.FETCH, wait)
    await peer.request(Op.PING, Buffer.alloc(0))
    process.kill(broker.pid, 'SIGTERM')
    const goAway = await peer.next()
    expect({ op: goAway.op, code: unpack(goAway.body)['code'] }).toEqual({
      op: GO_AWAY,
      code: Code.GOING_AWAY,
    })
    const fetched = await peer.next()
    expect({ op: fetched.op, correlation: fetched.correlation }).toEqual({
      op: Op.FETCH | ANSWER,
      correlation: fetching,
    })
    const ending = await within('the broker ends', 10_000, broker.ended)
    expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
    expect(existsSync(`${dataDir}.ready.json`)).toBe(false)
  })

  test('under load loses nothing that was acknowledged, and a second start has it all', async () => {
    const dataDir = scratch.next('data')
    const broker = await launchBroker({ dataDir })
    const client = await connect(broker.url, { reconnect: false })
    await client.admin.createTopic('load', { partitions: 2 })
    const acknowledged: string[] = []
    const producer = client.producer<string>('load', { codec: 'string' })
    const sends: Promise<void>[] = []
    for (let count = 0; count < 5_000; count++) {
      const text = `record ${count}`
      const done = producer.send(text).then(() => void acknowledged.push(text))
      sends.push(done.catch(() => undefined))
    }
    await eventually('something is acknowledged', () => acknowledged.length > 0)
    const ending = await broker.stop()
    expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
    await within('every send has its outcome', 10_000, Promise.all(sends))
    await client.close()
    const next = await launchBroker({ dataDir })
    const reader = await connect(next.url)
    const found = new Set<string>()
    const consumer = reader.consume<string>('load', { codec: 'string', follow: false })
    for await (const { payload } of consumer) found.add(String(payload))
    expect(acknowledged.filter((text) => !found.has(text))).toEqual([])
    await reader.close()
    await next.stop()
  })
})

describe('a running broker', () => {
  test('says over HTTP that it lives, serves, and how', async () => {
    const broker = await launchBroker({ dataDir: scratch.next('data') })
    expect((await get(broker.httpPort, '/livez')).status).toBe(200)
    expect((await get(broker.httpPort, '/readyz')).status).toBe(200)
    const { status, body } = await get(broker.httpPort, '/readyz?verbose')
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ status: 'ready', checks: { storage: { ok: true } } })
    expect((await get(broker.httpPort, '/metrics')).body).toMatch(/^# HELP millrace_/m)
    await broker.stop()
  })

  test('warns of topics whose acknowledgement is not on disk', async () => {
    const dataDir = scratch.next('data')
    const broker = await launchBroker({ dataDir })
    const peer = await RawPeer.handshaken(broker.nativePort)
    const settings = { durability: 'memory' }
    const answer = await peer.request(Op.TOPIC_CREATE, pack({ topic: 'ticks', settings }))
    expect(answer.op).toBe(Op.TOPIC_CREATE | ANSWER)
    peer.destroy()
    await broker.stop()
    const next = await launchBroker({ dataDir })
    expect(next.stdout()).toMatch(/topics.below-persisted/)
    expect(next.stdout()).toMatch(/ticks/)
    await next.stop()
  })
})
