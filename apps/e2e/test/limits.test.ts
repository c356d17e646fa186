/**
 * Peers that use up what belongs to all: readers that barely read, connections that come and go,
 * producers above their quota, a machine that runs short. Counted, not timed: what is held up, what
 * is lost, what stays behind when they are gone.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from '@millrace/client-node'
import { launchBroker, type LaunchedBroker } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually } from './support/eventually.ts'
import { HealthyClient } from './support/healthy-client.ts'
import { get } from './support/http.ts'
import { pack } from './support/message-pack.ts'
import { metricOf } from './support/metrics.ts'
import { openFileCount, residentMebibytes } from './support/process-figures.ts'
import { batchOf, produceBody } from './support/produce-body.ts'
import { ANSWER, Op, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

jest.setTimeout(90_000)

const MESSAGES = 320
const MESSAGE_BYTES = 64 * 1024
const SLOW_READERS = 20
/** What the broker keeps for the next one: slabs, buffers, heap that is not collected yet. */
const KEPT_MEBIBYTES_MAX = 160

let scratch: Scratch

beforeAll(() => {
  scratch = createScratch('limits')
})

afterAll(() => scratch.remove())

/** 20 MiB to read. */
const fill = async (url: string, topic: string): Promise<void> => {
  const client = await connect(url)
  await client.admin.createTopic(topic, { partitions: 1 })
  const producer = client.producer<Uint8Array>(topic, { codec: 'bytes' })
  const value = Buffer.alloc(MESSAGE_BYTES, 'much ')
  for (let count = 0; count < MESSAGES; count++)
    if (!producer.write({ value })) await producer.ready()
  await client.drain()
}

const readAll = async (url: string, topic: string): Promise<number> => {
  const client = await connect(url)
  let count = 0
  for await (const message of client.consume(topic, { codec: 'bytes', from: 'start' })) {
    if (message.payload !== undefined) count++
    if (count === MESSAGES) break
  }
  await client.close()
  return count
}

/** Takes a byte whenever there is one, and asks for the next one a little later. */
const sip = (socket: Socket): NodeJS.Timeout => {
  socket.removeAllListeners('data')
  socket.pause()
  return setInterval(() => void socket.read(1), 50)
}

describe('peers that use up a broker', () => {
  let broker: LaunchedBroker
  let healthy: HealthyClient

  beforeAll(async () => {
    const env = { MILLRACE_LIMITS__OUTBOUND_BYTES: '8MiB' }
    broker = await launchBroker({ dataDir: scratch.next('data'), env })
    healthy = await HealthyClient.start(broker.url)
    await fill(broker.url, 'much')
    // What a first reader makes the broker allocate is no part of what is measured.
    expect(await readAll(broker.url, 'much')).toBe(MESSAGES)
  })

  afterAll(async () => {
    await healthy?.finish()
    await broker?.stop()
  })

  afterEach(async () => {
    await healthy.goOn()
    expect(healthy.problems).toEqual([])
    expect(broker.hasEnded()).toBe(false)
  })

  const isBackToNormal = async (files: number, mebibytes: number): Promise<void> => {
    await eventually('connections are forgotten', async () => {
      return (await metricOf(broker.httpPort, 'millrace_connections{protocol="native"}')) <= 1
    })
    await eventually('descriptors are given back', () => openFileCount(broker.pid) <= files + 2)
    expect(await metricOf(broker.httpPort, 'millrace_unauthenticated_connections')).toBe(0)
    await eventually('nothing waits for anybody', async () => {
      return (await metricOf(broker.httpPort, 'millrace_buffered_bytes')) < 64 * 1024
    })
    const grown = residentMebibytes(broker.pid) - mebibytes
    report(`grown by ${grown.toFixed(0)} MiB`)
    expect(grown).toBeLessThan(KEPT_MEBIBYTES_MAX)
  }

  test('readers that take a byte at a time cost little and hold up nobody', async () => {
    const [files, mebibytes] = [openFileCount(broker.pid), residentMebibytes(broker.pid)]
    const peers: RawPeer[] = []
    const sipping: NodeJS.Timeout[] = []
    for (let count = 0; count < SLOW_READERS; count++) {
      const peer = await RawPeer.handshaken(broker.nativePort)
      sipping.push(sip(peer.socket))
      const subscription = { subscription: 1, topic: 'much', from: 'earliest', credit: 0xffff_ffff }
      peer.sendRequest(Op.SUBSCRIBE, pack(subscription))
      peers.push(peer)
    }
    for (let count = 0; count < 5; count++) await healthy.goOn()
    expect(await readAll(broker.url, 'much')).toBe(MESSAGES)
    expect(peers.filter(({ isClosed }) => isClosed)).toEqual([])
    const grown = residentMebibytes(broker.pid) - mebibytes
    report(`${SLOW_READERS} readers that barely read cost ${grown.toFixed(0)} MiB`)
    expect(grown).toBeLessThan(250)
    for (const timer of sipping) clearInterval(timer)
    for (const peer of peers) peer.destroy()
    await isBackToNormal(files, mebibytes)
  })

  test('connections that log in, publish, subscribe and vanish leave nothing behind', async () => {
    const [files, mebibytes] = [openFileCount(broker.pid), residentMebibytes(broker.pid)]
    const visit = async (): Promise<void> => {
      const peer = await RawPeer.handshaken(broker.nativePort)
      const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: 'much' })
      const from = { subscription: 1, topic: 'much', from: 'latest', credit: 1 << 20 }
      await peer.succeed(Op.SUBSCRIBE, from)
      peer.sendRequest(Op.PRODUCE, produceBody(handle as number, 0, batchOf(Buffer.from('x'))))
      peer.socket.resetAndDestroy()
      await peer.closed
    }
    const rounds = byDepth(20, 200)
    for (let round = 0; round < rounds; round++)
      await Promise.all(Array.from({ length: 50 }, visit))
    await isBackToNormal(files, mebibytes)
  })
})

test('a producer above its quota is slowed down, and loses nothing', async () => {
  const env = { MILLRACE_QUOTAS__BYTES_IN_PER_SECOND: '256kb' }
  const broker = await launchBroker({ dataDir: scratch.next('data'), env })
  const client = await connect(broker.url)
  await client.admin.createTopic('t', { partitions: 1 })
  const producer = client.producer<Uint8Array>('t', { codec: 'bytes' })
  const value = Buffer.alloc(32 * 1024, 'x')
  const offsets = await Promise.all(Array.from({ length: 32 }, () => producer.send({ value })))
  expect(offsets.map(({ offset }) => offset)).toEqual(Array.from({ length: 32 }, (_, at) => at))
  const throttled = 'millrace_quota_throttled_total{direction="in"}'
  expect(await metricOf(broker.httpPort, throttled)).toBeGreaterThan(0)
  await client.close()
  await broker.stop()
})

test('a connection too many of a principal is refused, and the others go on', async () => {
  const env = { MILLRACE_QUOTAS__CONNECTIONS: '2' }
  const broker = await launchBroker({ dataDir: scratch.next('data'), env })
  const peers = [
    await RawPeer.handshaken(broker.nativePort),
    await RawPeer.handshaken(broker.nativePort),
  ]
  await expect(RawPeer.handshaken(broker.nativePort)).rejects.toThrow(/quota of 2 connections/)
  for (const peer of peers) {
    expect((await peer.request(Op.PING, Buffer.alloc(0))).op).toBe(Op.PING | ANSWER)
    peer.destroy()
  }
  await broker.stop()
})

describe('a broker short of something', () => {
  const isThrottling = (broker: LaunchedBroker): Promise<boolean> =>
    metricOf(broker.httpPort, 'millrace_flow_control_active').then((value) => value === 1)

  /** A publisher whose first batch is stored. */
  const publisherOf = async (
    broker: LaunchedBroker,
  ): Promise<{ peer: RawPeer; send: () => void }> => {
    const peer = await RawPeer.handshaken(broker.nativePort)
    await peer.call(Op.TOPIC_CREATE, { topic: 't' })
    const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic: 't' })
    const body = produceBody(handle as number, 0, batchOf(Buffer.from('x')))
    const answer = await peer.request(Op.PRODUCE, body)
    expect(answer.op).toBe(Op.PRODUCE | ANSWER)
    return { peer, send: () => void peer.sendRequest(Op.PRODUCE, body) }
  }

  /** How many records the topic holds, asked by somebody who does not publish. */
  const storedIn = async (broker: LaunchedBroker): Promise<number> => {
    const client = await connect(broker.url)
    const { partitions } = await client.admin.describeTopic('t')
    await client.close()
    return Number(partitions[0]?.next)
  }

  test('of memory reads no publishers, serves the others, and stops when told', async () => {
    const env = { MILLRACE_ALARMS__MEMORY_BYTES: '1mb' }
    const broker = await launchBroker({ dataDir: scratch.next('data'), env })
    await eventually('the alarm is raised', () => isThrottling(broker))
    const { peer, send } = await publisherOf(broker)
    for (let count = 0; count < 3; count++) send()
    await peer.next()
    expect((await get(broker.httpPort, '/readyz')).status).toBe(200)
    expect(await storedIn(broker)).toBe(2)
    expect(broker.stdout()).toMatch(/alarm\.raised/)
    const ending = await broker.stop()
    expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
    peer.destroy()
  })

  test('of disk reads publishers again, and stores what waited, once there is space', async () => {
    const mountPoint = scratch.next('mount')
    mkdirSync(mountPoint)
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'millrace', mountPoint])
    expect(mount.status).toBe(0)
    try {
      const storage = {
        MILLRACE_STORAGE__JOURNAL_FILE_BYTES: '2MiB',
        MILLRACE_STORAGE__BALLAST_BYTES: '2MiB',
      }
      const broker = await launchBroker({ dataDir: `${mountPoint}/data`, env: storage })
      const { peer, send } = await publisherOf(broker)
      const { bavail, bsize } = statfsSync(mountPoint)
      const filler = `${mountPoint}/filler`
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 4 * 1024 * 1024))
      await eventually('the alarm is raised', () => isThrottling(broker))
      for (let count = 0; count < 3; count++) send()
      for (let count = 0; count < 2; count++) await peer.next()
      expect(await storedIn(broker)).toBe(3)
      rmSync(filler)
      await eventually('the alarm is cleared', async () => !(await isThrottling(broker)))
      expect((await peer.next()).op).toBe(Op.PRODUCE | ANSWER)
      expect(await storedIn(broker)).toBe(4)
      peer.destroy()
      await broker.stop()
    } finally {
      spawnSync('umount', [mountPoint])
    }
  })
})
