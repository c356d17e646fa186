/** What keeps one peer from using up what belongs to all, over a real socket and a manual clock. */
import { once } from 'node:events'
import type { Disk } from '@millrace/core'
import {
  decodeError,
  encodeConnect,
  encodeFetch,
  encodeFrame,
  encodeSubscribe,
  encodeTopicCreate,
  encodeTopicDelete,
  Opcode,
} from '@millrace/protocol'
import { WebSocket } from 'ws'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { ManualEnvironment } from '../support/manual-environment.ts'
import { batchOf, connectBody, RawPeer } from '../support/raw-peer.ts'
import { startRealServer } from '../support/real-server.ts'

let fake: FakeServer

afterEach(() => fake.stop())

const PING_BYTES = 12
const PING_FRAME = Buffer.from('000000080300000000000001', 'hex')

const scrape = async (): Promise<string> =>
  (await fetch(`http://127.0.0.1:${fake.httpPort}/metrics`)).text()

/** Everything that has arrived by now has been looked at: a round trip over another socket. */
const settle = async (): Promise<void> => {
  for (let trip = 0; trip < 3; trip++) await scrape()
}

const pingsOf = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => PING_FRAME))

const takePongs = async (peer: RawPeer, count: number): Promise<void> => {
  for (let taken = 0; taken < count; taken++) await peer.take(Opcode.PONG)
}

describe('the quota of bytes in', () => {
  beforeEach(async () => {
    fake = await startFakeServer({ 'quotas.bytesInPerSecond': 100 * PING_BYTES })
  })

  it('reads as much as a principal may send, and one byte more only later', async () => {
    const peer = await RawPeer.open(fake.port)
    peer.write(pingsOf(100))
    await takePongs(peer, 100)
    peer.write(pingsOf(1))
    await takePongs(peer, 1)
    peer.write(pingsOf(1))
    await settle()
    expect(peer.frames).toEqual([])
    expect(await scrape()).toContain('millrace_quota_throttled_total{direction="in"} 1\n')
    fake.environment.advance(200)
    await takePongs(peer, 1)
    peer.close()
  })

  it('holds over WebSocket too, and for both kinds of connections together', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${fake.httpPort}/ws`, 'millrace.v1')
    let received = 0
    socket.on('message', () => void received++)
    await once(socket, 'open')
    socket.send(encodeFrame(Opcode.CONNECT, 0, 1, encodeConnect(connectBody)))
    await once(socket, 'message')
    const peer = await RawPeer.open(fake.port)
    peer.write(pingsOf(100))
    await takePongs(peer, 100)
    for (const answered of [1, 0]) {
      received = 0
      socket.send(PING_FRAME)
      await settle()
      expect(received).toBe(answered)
    }
    const answer = once(socket, 'message')
    fake.environment.advance(200)
    await answer
    socket.terminate()
    peer.close()
  })

  it('refuses nothing and loses nothing of what comes too fast', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('t')
    for (let sent = 0; sent < 60; sent++) peer.produce(handle, `message ${sent}`)
    for (let taken = 0; taken < 60;) {
      await settle()
      taken += peer.frames.splice(0).filter(({ opcode }) => opcode === Opcode.PRODUCED).length
      fake.environment.advance(1_000)
    }
    expect(fake.broker.find('t').partitions[0]?.next).toBe(60)
    peer.close()
  })

  it('is one for all connections of a principal', async () => {
    const [one, other] = [await RawPeer.open(fake.port), await RawPeer.open(fake.port)]
    one.write(pingsOf(100))
    await takePongs(one, 100)
    other.write(pingsOf(1))
    await takePongs(other, 1)
    other.write(pingsOf(1))
    await settle()
    expect(other.frames).toEqual([])
    one.close()
    other.close()
  })
})

describe('the quota of bytes out', () => {
  const BATCH_BYTES = batchOf(['x'.repeat(900)]).length
  const HEAD_BYTES = 36

  const startWith = async (bytesOut: number): Promise<RawPeer> => {
    fake = await startFakeServer({ 'quotas.bytesOutPerSecond': bytesOut })
    const topic = fake.broker.add('t', 1)
    for (let index = 0; index < 4; index++) topic.partitions[0]?.append(batchOf(['x'.repeat(900)]))
    return RawPeer.open(fake.port)
  }

  const fetchOne = (peer: RawPeer, handle: number, offset: number): void => {
    const limits = { maxBytes: 1, minBytes: 0, maxWaitMs: 0, flags: 0 }
    peer.send(Opcode.FETCH, encodeFetch({ handle, partition: 0, offset, ...limits }))
  }

  it('answers as much as a principal may be sent, and the next answer only later', async () => {
    const peer = await startWith(2 * BATCH_BYTES)
    const handle = await peer.openTopic('t')
    for (const offset of [0, 1, 2]) {
      fetchOne(peer, handle, offset)
      if (offset < 2) await peer.take(Opcode.FETCHED)
    }
    await settle()
    expect(peer.frames).toEqual([])
    fake.environment.advance(1_000)
    expect((await peer.take(Opcode.FETCHED)).body.length).toBeGreaterThanOrEqual(BATCH_BYTES)
    peer.close()
  })

  it('lets deliveries of a subscription wait, and loses none', async () => {
    const peer = await startWith(BATCH_BYTES + HEAD_BYTES)
    const from = 'earliest'
    const options = { subscription: 1, topic: 't', from, credit: 1 << 20, maxBytesPerDeliver: 1 }
    peer.send(Opcode.SUBSCRIBE, encodeSubscribe(options as Parameters<typeof encodeSubscribe>[0]))
    await peer.take(Opcode.SUBSCRIBED)
    let delivered = 0
    let rounds = 0
    for (; delivered < 4; rounds++) {
      await settle()
      delivered += peer.frames.splice(0).filter(({ opcode }) => opcode === Opcode.DELIVER).length
      fake.environment.advance(500)
    }
    expect(delivered).toBe(4)
    expect(rounds).toBeGreaterThan(4)
    expect(fake.broker.openLeases).toBe(0)
    peer.close()
  })
})

it('lets in as many connections of a principal as it may have, and not one more', async () => {
  fake = await startFakeServer({ 'quotas.connections': 2 })
  const first = await RawPeer.open(fake.port)
  const second = await RawPeer.open(fake.port)
  const third = await RawPeer.dial(fake.port)
  third.send(Opcode.CONNECT, encodeConnect(connectBody))
  expect(await third.takeError()).toMatchObject({ code: 'ERR_QUOTA_EXCEEDED' })
  await third.closed()
  await first.ping()
  first.close()
  await first.closed()
  await settle()
  const fourth = await RawPeer.open(fake.port)
  fourth.close()
  second.close()
})

it('creates as many topics as a namespace may hold, over the protocol too', async () => {
  fake = await startFakeServer()
  const real = await startRealServer({ 'quotas.topics': 1 })
  const peer = await RawPeer.open(real.port)
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'a' }))
  await peer.take(Opcode.TOPIC_CREATED)
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'b' }))
  expect(await peer.takeError()).toMatchObject({ code: 'ERR_QUOTA_EXCEEDED' })
  peer.send(Opcode.TOPIC_DELETE, encodeTopicDelete({ topic: 'a' }))
  await peer.take(Opcode.TOPIC_DELETED)
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'b' }))
  await peer.take(Opcode.TOPIC_CREATED)
  peer.close()
  await real.stop()
})

describe('strangers', () => {
  it('of one address are let in up to the limit, the next one is told', async () => {
    fake = await startFakeServer({ 'limits.unauthenticatedPerAddress': 2 })
    const [one, two] = [await RawPeer.dial(fake.port), await RawPeer.dial(fake.port)]
    const three = await RawPeer.dial(fake.port)
    expect(await three.takeError()).toMatchObject({ code: 'ERR_CONNECTION_LIMIT' })
    await three.closed()
    await one.handshake()
    const four = await RawPeer.open(fake.port)
    two.close()
    await two.closed()
    await settle()
    const five = await RawPeer.open(fake.port)
    expect(await scrape()).toContain('millrace_unauthenticated_connections 0\n')
    for (const peer of [one, four, five]) peer.close()
  })

  it('make the broker hold so many bytes of half a CONNECT, and not more', async () => {
    fake = await startFakeServer({ 'limits.unauthenticatedBytes': 64 * 1024 })
    const half = Buffer.concat([
      Buffer.from('00001ff80100000000000001', 'hex'),
      Buffer.alloc(8_000),
    ])
    const peers: RawPeer[] = []
    for (let count = 0; count < 12; count++) {
      const peer = await RawPeer.dial(fake.port)
      peer.write(half)
      await settle()
      peers.push(peer)
    }
    const closed = peers.filter(({ isClosed }) => isClosed)
    expect(closed.length).toBeGreaterThan(0)
    for (const { frames } of closed) {
      expect(frames.map(({ body }) => decodeError(body).code)).toEqual(['ERR_LIMIT_EXCEEDED'])
    }
    const known = await RawPeer.open(fake.port)
    await known.ping()
    for (const peer of [...peers, known]) peer.close()
  })
})

describe('an alarm', () => {
  let used: number
  let free: number

  beforeEach(async () => {
    used = 0
    free = 10_000
    const environment = Object.assign(new ManualEnvironment(), {
      disk: { freeBytes: () => Promise.resolve(free) } as unknown as Disk,
    })
    const started = await startFakeServer(
      { 'alarms.memoryBytes': 1_000, 'alarms.diskFreeBytes': 500 },
      { environment, usedMemoryBytes: () => used },
    )
    fake = { ...started, environment, stop: () => stopWith(started, environment) }
  })

  const stopWith = async (
    { server }: FakeServer,
    environment: ManualEnvironment,
  ): Promise<void> => {
    const stopped = server.stop(1_000)
    environment.advance(5_000)
    await stopped
  }

  const lookAgain = async (): Promise<void> => {
    fake.environment.advance(1_000)
    await settle()
  }

  it.each([
    ['memory', () => void (used = 1_000), () => void (used = 0)],
    ['disk', () => void (free = 499), () => void (free = 10_000)],
  ])('of %s keeps publishers from being read, and nobody else', async (kind, raise, clear) => {
    const publisher = await RawPeer.open(fake.port)
    const consumer = await RawPeer.open(fake.port)
    const handle = await publisher.openTopic('t')
    publisher.produce(handle, 'before')
    await publisher.take(Opcode.PRODUCED)
    raise()
    await lookAgain()
    expect(await scrape()).toContain(`millrace_alarm_raised{kind="${kind}"} 1\n`)
    expect(await scrape()).toContain('millrace_flow_control_active 1\n')
    for (let count = 0; count < 3; count++) publisher.produce(handle, 'during')
    for (let count = 0; count < 2; count++) await publisher.take(Opcode.PRODUCED)
    await settle()
    expect(publisher.frames).toEqual([])
    await consumer.ping()
    const read = await consumer.openTopic('t')
    const fetch = {
      handle: read,
      partition: 0,
      offset: 0,
      maxBytes: 1 << 20,
      minBytes: 0,
      flags: 0,
    }
    consumer.send(Opcode.FETCH, encodeFetch({ ...fetch, maxWaitMs: 0 }))
    await consumer.take(Opcode.FETCHED)
    clear()
    await lookAgain()
    await publisher.take(Opcode.PRODUCED)
    expect(await scrape()).toContain('millrace_flow_control_active 0\n')
    publisher.close()
    consumer.close()
  })

  it('lets go who publishes once and leaves', async () => {
    used = 1_000
    await lookAgain()
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('t')
    peer.produce(handle, 'first')
    await peer.take(Opcode.PRODUCED)
    await peer.ping()
    peer.send(Opcode.CLOSE)
    await peer.take(Opcode.CLOSED)
    await peer.closed()
  })

  it('does not keep connections whose peers are gone', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('t')
    used = 1_000
    await lookAgain()
    for (let count = 0; count < 2; count++) peer.produce(handle, 'during')
    for (let count = 0; count < 2; count++) await peer.take(Opcode.PRODUCED)
    peer.socket.resetAndDestroy()
    await settle()
    expect(fake.server.connectionCount()).toBe(1)
    for (let probe = 0; probe < 3; probe++) {
      fake.environment.advance(5_000)
      await settle()
    }
    expect(fake.server.connectionCount()).toBe(0)
  })

  it('is shown, and leaves the broker ready', async () => {
    used = 1_000
    await lookAgain()
    const response = await fetch(`http://127.0.0.1:${fake.httpPort}/readyz?verbose`)
    expect(response.status).toBe(200)
    const { checks } = (await response.json()) as { checks: Record<string, unknown> }
    expect(checks['alarms']).toEqual({
      ok: false,
      memory: { isRaised: true, limitBytes: 1_000 },
      disk: { isRaised: false, limitBytes: 500, freeBytes: 10_000 },
      isThrottling: true,
    })
    expect(fake.environment.lines.map(({ event }) => event)).toContain('alarm.raised')
  })
})
