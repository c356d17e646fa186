/**
 * Bytes that are cut short, too large, garbage or hostile, over raw sockets against the real broker:
 * each gets its documented error, and a healthy client on the same broker notices nothing.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { connect } from '@millrace/client-node'
import { badRequests } from './support/bad-requests.ts'
import { launchBroker, type LaunchedBroker } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { Code } from './support/error-codes.ts'
import { eventually, within } from './support/eventually.ts'
import { HealthyClient } from './support/healthy-client.ts'
import { get } from './support/http.ts'
import { pack } from './support/message-pack.ts'
import { openFileCount, residentMebibytes } from './support/process-figures.ts'
import { batchOf, produceBody } from './support/produce-body.ts'
import { ANSWER, complaintOf, connectBody, frame, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const HANDSHAKE_MS = 1_500
const RESIDENT_MEBIBYTES_MAX = 400
const MORE = 1

jest.setTimeout(120_000)

const configuration = `
limits: { handshakeTime: ${HANDSHAKE_MS}ms, outboundBytes: 8MiB }
topics: { partitions: 1 }
`

let scratch: Scratch
let broker: LaunchedBroker
let healthy: HealthyClient
let victimHandle: number

const open = (): Promise<RawPeer> => RawPeer.open(broker.nativePort)
const handshaken = (): Promise<RawPeer> => RawPeer.handshaken(broker.nativePort)

beforeAll(async () => {
  scratch = createScratch('bad-input')
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  broker = await launchBroker({ dataDir: scratch.next('data'), args: ['--config', file] })
  healthy = await HealthyClient.start(broker.url)
  const peer = await handshaken()
  await peer.succeed(Op.TOPIC_CREATE, { topic: 'victim' })
  const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: 'victim' })
  victimHandle = handle as number
  peer.destroy()
})

afterEach(async () => {
  expect(broker.hasEnded()).toBe(false)
  await healthy.goOn()
  expect(healthy.problems).toEqual([])
  expect(residentMebibytes(broker.pid)).toBeLessThan(RESIDENT_MEBIBYTES_MAX)
})

/** The last test of the file is here, because it is about all the others. */
afterAll(async () => {
  const count = await healthy.finish()
  const problems = healthy.problems
  const rss = residentMebibytes(broker.pid).toFixed(0)
  const ending = await broker.stop()
  scratch.remove()
  report(`the healthy client sent and read ${count} messages; the broker ended with ${rss} MiB`)
  expect(problems).toEqual([])
  expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
  expect(ending.stdout).not.toMatch(/internal-error|unhandled|uncaught/i)
})

/** Sends bytes on a fresh connection: the error that follows, and then the end. */
const lastWordsAfter = async (peer: RawPeer, bytes: Uint8Array): Promise<number | undefined> => {
  peer.send(bytes)
  const words = await peer.lastWords()
  return words?.code
}

const lengthOnly = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

const REQUESTS = Object.entries(Op).filter(([name]) => !/CONNECT|DELIVER|END|ERROR/.test(name))

describe('before CONNECT', () => {
  test.each(REQUESTS)('%s is refused', async (_name, op) => {
    const code = await lastWordsAfter(await open(), frame(op, pack({}), { correlation: 1 }))
    expect(code).toBe(Code.UNEXPECTED_FRAME)
  })

  test.each([
    ['a length of 0', lengthOnly(0), Code.MALFORMED_FRAME],
    ['a length of 7', lengthOnly(7), Code.MALFORMED_FRAME],
    ['a frame of one byte more than 8 KiB', lengthOnly(8_189), Code.FRAME_TOO_LARGE],
    ['a length of 2^31 - 1', lengthOnly(0x7fff_ffff), Code.FRAME_TOO_LARGE],
    ['a length of 2^32 - 1', lengthOnly(0xffff_ffff), Code.FRAME_TOO_LARGE],
    ['TLS', Buffer.from('16030100c8010000c40303', 'hex'), Code.MALFORMED_FRAME],
    ['AMQP', Buffer.from('AMQP\0\0\x09\x01'), Code.MALFORMED_FRAME],
    ['an unknown opcode', frame(0x6e, Buffer.alloc(0), { correlation: 1 }), Code.UNEXPECTED_FRAME],
  ])('%s is refused', async (_name, bytes, code) => {
    expect(await lastWordsAfter(await open(), bytes)).toBe(code)
  })

  test.each([
    ['unknown versions', connectBody({ versions: [2, 99] }), Code.UNSUPPORTED_VERSION],
    ['no versions', connectBody({ versions: [] }), Code.UNSUPPORTED_VERSION],
    ['an unknown namespace', connectBody({ namespace: 'x' }), Code.NAMESPACE_NOT_FOUND],
    ['an unknown mechanism', connectBody({ mechanism: 'X' }), Code.UNSUPPORTED_MECHANISM],
    ['another magic', connectBody({ magic: 'kafka' }), Code.MALFORMED_BODY],
    ['garbage', Buffer.from('c1'.repeat(50), 'hex'), Code.MALFORMED_BODY],
    ['a bomb', Buffer.from(`81a56d61676963${'91'.repeat(7_000)}`, 'hex'), Code.MALFORMED_BODY],
  ])('CONNECT with %s is refused', async (_name, body, code) => {
    const bytes = frame(Op.CONNECT, body, { correlation: 1 })
    expect(await lastWordsAfter(await open(), bytes)).toBe(code)
  })

  test('CONNECT that is cut short at any byte harms nobody', async () => {
    const whole = frame(Op.CONNECT, connectBody(), { correlation: 1 })
    for (let end = 0; end < whole.length; end += byDepth(3, 1)) {
      const peer = await open()
      peer.send(whole.subarray(0, end))
      peer.socket.end()
      expect(await peer.lastWords()).toBeUndefined()
    }
  })

  test('random bytes are refused with an error, however they look', async () => {
    const known = new Set<number | undefined>([...Object.values(Code), undefined])
    for (let round = 0; round < byDepth(100, 2_000); round++) {
      const peer = await open()
      peer.send(randomBytes(1 + (round % 300)))
      peer.socket.end()
      const words = await peer.lastWords()
      expect(known).toContain(words?.code)
    }
  })

  test('a peer that drips its handshake is cut off in time', async () => {
    const peer = await open()
    const whole = frame(Op.CONNECT, connectBody(), { correlation: 1 })
    const from = performance.now()
    let at = 0
    const drip = setInterval(() => {
      // The last byte never comes.
      if (at < whole.length - 1) peer.send(whole.subarray(at, ++at))
    }, 50)
    const words = await peer.lastWords()
    clearInterval(drip)
    expect(words?.code).toBe(Code.HANDSHAKE_TIMEOUT)
    expect(performance.now() - from).toBeLessThan(HANDSHAKE_MS * 3)
  })
})

describe('after CONNECT', () => {
  test('each bad request gets its error, and the connection goes on', async () => {
    const peer = await handshaken()
    const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: 'victim' })
    const seen: Record<string, number> = {}
    const expected: Record<string, number> = {}
    for (const { name, op, body, code } of badRequests(handle as number)) {
      expected[name] = code
      const correlation = peer.sendRequest(op, body)
      const complaint = complaintOf(await peer.next())
      seen[name] = complaint.correlation === correlation ? complaint.code : -1
      expect(complaint.message).not.toMatch(/\/(tmp|work|home)\/|\n\s+at /)
    }
    expect(seen).toEqual(expected)
    const pong = await peer.request(Op.PING, Buffer.from('still here'))
    expect(pong.body.toString()).toBe('still here')
    peer.destroy()
  })

  test('nothing of a refused batch is stored', async () => {
    const peer = await handshaken()
    const { partitions } = await peer.succeed(Op.TOPIC_DESCRIBE, { topic: 'victim' })
    expect(partitions).toEqual([expect.objectContaining({ next: 0, highWatermark: 0 })])
    peer.destroy()
  })

  const many = (count: number, part: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => part(index)))

  test.each([
    [
      'a second CONNECT',
      frame(Op.CONNECT, connectBody(), { correlation: 9 }),
      Code.UNEXPECTED_FRAME,
    ],
    [
      'AUTHENTICATE by a mechanism that nobody offers',
      frame(Op.AUTHENTICATE, pack({ mechanism: 'NONE', response: Buffer.alloc(1) }), {
        correlation: 9,
      }),
      Code.UNSUPPORTED_MECHANISM,
    ],
    ['an answer of a broker', frame(0x81, pack({}), { correlation: 9 }), Code.UNEXPECTED_FRAME],
    ['DELIVER', frame(Op.DELIVER, Buffer.alloc(24), { correlation: 9 }), Code.UNEXPECTED_FRAME],
    ['GO_AWAY', frame(0x04, pack({ code: 8 })), Code.UNEXPECTED_FRAME],
    ['ERROR', frame(Op.ERROR, pack({ code: 8 })), Code.UNEXPECTED_FRAME],
    ['a request without correlation', frame(Op.TOPIC_LIST, pack({})), Code.MALFORMED_FRAME],
    ['a length of 7', lengthOnly(7), Code.MALFORMED_FRAME],
    ['a frame above the agreed size', lengthOnly(262_141), Code.FRAME_TOO_LARGE],
    ['a length of 2^31 - 1', lengthOnly(0x7fff_ffff), Code.FRAME_TOO_LARGE],
    ['a length of 2^32 - 1', lengthOnly(0xffff_ffff), Code.FRAME_TOO_LARGE],
    [
      '17 unfinished bodies',
      many(17, (index) =>
        frame(Op.PRODUCE, Buffer.alloc(1), { correlation: 50 + index, flags: MORE }),
      ),
      Code.MALFORMED_FRAME,
    ],
    [
      'a body above the limit, in parts',
      many(90, () => frame(Op.PRODUCE, Buffer.alloc(200_000), { correlation: 9, flags: MORE })),
      Code.BODY_TOO_LARGE,
    ],
  ])('%s ends the connection with an error', async (_name, bytes, code) => {
    expect(await lastWordsAfter(await handshaken(), bytes)).toBe(code)
  })

  test('requests that are cut short at any byte harm nobody', async () => {
    const body = produceBody(victimHandle, 0, batchOf(Buffer.from('cut')))
    const whole = frame(Op.PRODUCE, body, { correlation: 7 })
    for (let end = 1; end < whole.length; end += byDepth(7, 1)) {
      const peer = await handshaken()
      peer.send(whole.subarray(0, end))
      peer.socket.end()
      await within('the broker closes', 10_000, peer.closed)
    }
  })

  test('random bytes behind a good handshake are refused with an error', async () => {
    const known = new Set<number | undefined>([...Object.values(Code), undefined])
    for (let round = 0; round < byDepth(50, 1_000); round++) {
      const peer = await handshaken()
      peer.send(randomBytes(40 + round))
      peer.socket.end()
      expect(known).toContain((await peer.lastWords())?.code)
    }
  })
})

describe('the HTTP port', () => {
  const sendHttp = (bytes: Uint8Array): Promise<string> =>
    new Promise((resolve) => {
      let answer = ''
      const socket = connectSocket(broker.httpPort, '127.0.0.1', () => socket.write(bytes))
      socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(answer))
    })

  test('tells a native client, TLS and garbage that this is HTTP', async () => {
    const native = frame(Op.CONNECT, connectBody(), { correlation: 1 })
    const tls = Buffer.from('16030100c8010000c40303', 'hex')
    for (const bytes of [native, tls, Buffer.from('\0\0\0\0\r\n\r\n')])
      expect(await sendHttp(bytes)).toMatch(/^HTTP\/1.1 400 Bad Request\r\n[^]*not HTTP/)
  })

  test('refuses long headers, other methods and unknown paths', async () => {
    const long = Buffer.from(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)
    expect(await sendHttp(long)).toMatch(/^HTTP\/1.1 431 /)
    const post = 'POST /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
    expect(await sendHttp(Buffer.from(post))).toMatch(/^HTTP\/1.1 405 /)
    expect((await get(broker.httpPort, '/../../etc/passwd')).status).toBe(404)
    expect((await get(broker.httpPort, '/__proto__')).status).toBe(404)
  })
})

describe('peers without manners', () => {
  /** 40 MiB to read. */
  const fillVictim = async (): Promise<void> => {
    const client = await connect(broker.url)
    await client.admin.createTopic('much', { partitions: 1 })
    const producer = client.producer<Uint8Array>('much', { codec: 'bytes' })
    const value = Buffer.alloc(64 * 1024, 'much ')
    for (let count = 0; count < 640; count++) if (!producer.write({ value })) await producer.ready()
    await client.drain()
  }

  test('a peer that never reads is held to its share of memory', async () => {
    await fillVictim()
    const before = residentMebibytes(broker.pid)
    const peers = await Promise.all(Array.from({ length: 20 }, handshaken))
    for (const peer of peers) {
      await peer.succeed(Op.TOPIC_OPEN, { topic: 'much' })
      peer.socket.pause()
      const credit = 0xffff_ffff
      peer.sendRequest(
        Op.SUBSCRIBE,
        pack({ subscription: 1, topic: 'much', from: 'earliest', credit }),
      )
      for (let count = 0; count < 500; count++) peer.sendRequest(Op.TOPIC_LIST, pack({}))
    }
    for (let count = 0; count < 20; count++) await healthy.goOn()
    const grown = residentMebibytes(broker.pid) - before
    report(`20 peers that never read cost ${grown.toFixed(0)} MiB`)
    expect(grown).toBeLessThan(250)
    for (const peer of peers) peer.destroy()
  })

  test('1,000 connections that come and go leave nothing behind', async () => {
    const filesBefore = openFileCount(broker.pid)
    const hello = frame(Op.CONNECT, connectBody(), { correlation: 1 })
    for (let round = 0; round < 20; round++) {
      const peers = await Promise.all(Array.from({ length: 50 }, open))
      peers.forEach((peer, index) => {
        if (index % 2 === 0) peer.send(hello.subarray(0, index % 4 === 0 ? hello.length : index))
        if (index % 3 === 0) peer.socket.resetAndDestroy()
        else peer.destroy()
      })
      await Promise.all(peers.map(({ closed }) => closed))
    }
    await eventually('their descriptors are given back', () => {
      return openFileCount(broker.pid) <= filesBefore + 2
    })
  })
})

describe('limits of the process', () => {
  const limitFiles = (pid: number, count: number): void => {
    const args = ['--pid', String(pid), `--nofile=${count}:`]
    const { status, stderr } = spawnSync('prlimit', args, { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  }

  test('more connections than allowed are refused by name', async () => {
    const env = { MILLRACE_LIMITS__CONNECTIONS: '5' }
    const small = await launchBroker({ dataDir: scratch.next('data'), env })
    const peers: RawPeer[] = []
    for (let count = 0; count < 5; count++) peers.push(await RawPeer.handshaken(small.nativePort))
    const sixth = await RawPeer.open(small.nativePort)
    expect((await sixth.lastWords())?.code).toBe(Code.CONNECTION_LIMIT)
    peers.pop()?.destroy()
    await eventually('there is room again', async () => {
      const peer = await RawPeer.open(small.nativePort)
      peer.send(frame(Op.CONNECT, connectBody(), { correlation: 1 }))
      const answer = await peer.next().catch(() => undefined)
      peer.destroy()
      return answer?.op === (Op.CONNECT | ANSWER)
    })
    await small.stop()
  })

  test('a process out of file descriptors goes on serving those it has', async () => {
    const small = await launchBroker({ dataDir: scratch.next('data') })
    const client = await HealthyClient.start(small.url)
    await client.goOn()
    limitFiles(small.pid, openFileCount(small.pid) + 20)
    const peers = await Promise.allSettled(
      Array.from({ length: 150 }, () => RawPeer.open(small.nativePort)),
    )
    for (let count = 0; count < 10; count++) await client.goOn()
    expect(client.problems).toEqual([])
    expect(small.hasEnded()).toBe(false)
    for (const peer of peers) if (peer.status === 'fulfilled') peer.value.destroy()
    await eventually('a new connection is served', async () => {
      const peer = await RawPeer.handshaken(small.nativePort).catch(() => undefined)
      peer?.destroy()
      return peer !== undefined
    })
    await client.finish()
    expect(client.problems).toEqual([])
    const ending = await small.stop()
    expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('a file that cannot be opened for want of descriptors costs no acknowledged record', async () => {
    const file = scratch.next('config.yaml')
    writeFileSync(file, 'topics: { segmentBytes: 1MiB, batchBytes: 256KiB }\n')
    const launch = { dataDir: scratch.next('data'), args: ['--config', file] }
    const small = await launchBroker(launch)
    const client = await connect(small.url)
    await client.admin.createTopic('rolling', { partitions: 4 })
    const sent: string[] = []
    const producer = client.producer<string>('rolling', { codec: 'string', deliveryTimeoutMs: 1 })
    await producer.send('first')
    limitFiles(small.pid, openFileCount(small.pid))
    for (let count = 0; count < 100 && !small.hasEnded(); count++) {
      const name = `${count} `.padEnd(100_000, '.')
      const isStored = await producer.send({ value: name, partition: count % 4 }).then(
        () => true,
        () => false,
      )
      if (isStored) sent.push(name)
    }
    await client.close()
    const ending = await small.stop()
    if (ending.code !== 0) expect(ending.stderr).toMatch(/error: .*EMFILE/)
    report(`out of descriptors: ${sent.length} of 100 stored, then it ended with ${ending.code}`)
    const next = await launchBroker(launch)
    const reader = await connect(next.url)
    const found = new Set<string>()
    const consumer = reader.consume<string>('rolling', { codec: 'string', follow: false })
    for await (const { payload } of consumer) found.add(String(payload))
    expect(sent.filter((name) => !found.has(name))).toEqual([])
    expect(found).toContain('first')
    await reader.close()
    await next.stop()
  })
})
