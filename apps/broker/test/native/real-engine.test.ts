/** The same server over the real engine: what both sides only know of each other by contract. */
import { batchTotalBytes, decodeRecords } from '@millrace/codec'
import {
  createDeliverHead,
  createFetchedHead,
  decodeDeliverHead,
  decodeFetchedHead,
  decodeProduced,
  decodeSubscriptionEnd,
  DELIVER_HEAD_BYTES,
  encodeCredit,
  encodeFetch,
  encodeProduce,
  encodeSubscribe,
  encodeTopicAlter,
  encodeTopicCreate,
  encodeTopicDelete,
  FETCHED_HEAD_BYTES,
  Opcode,
} from '@millrace/protocol'
import { batchOf, RawPeer } from '../support/raw-peer.ts'
import { type RealServer, startRealServer } from '../support/real-server.ts'

let real: RealServer

beforeEach(async () => {
  real = await startRealServer()
})

afterEach(() => real.stop())

const fetchBody = (handle: number, offset: number, more: object = {}): Uint8Array =>
  encodeFetch({
    ...{ handle, partition: 0, offset, maxBytes: 1 << 20 },
    ...{ minBytes: 0, maxWaitMs: 0, flags: 0, ...more },
  })

const payloadsOf = (batches: Uint8Array): string[] => {
  const payloads: string[] = []
  for (let at = 0; at < batches.length; at += batchTotalBytes(batches, at)) {
    const batch = batches.subarray(at, at + batchTotalBytes(batches, at))
    for (const { value } of decodeRecords(batch)) payloads.push(Buffer.from(value ?? []).toString())
  }
  return payloads
}

it('stores what it acknowledged, and serves it as it came', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('orders')
  for (let index = 0; index < 200; index++) peer.produce(handle, `${index}`)
  for (let index = 0; index < 200; index++) {
    const { body } = await peer.take(Opcode.PRODUCED)
    expect(decodeProduced(body)).toMatchObject({ baseOffset: index, durability: 2 })
  }
  peer.send(Opcode.FETCH, fetchBody(handle, 0))
  const { body } = await peer.take(Opcode.FETCHED)
  const payloads = payloadsOf(body.subarray(FETCHED_HEAD_BYTES))
  expect(payloads).toEqual(Array.from({ length: 200 }, (_, at) => `${at}`))
  peer.close()
})

it('says memory where nothing was synced', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('orders')
  peer.produce(handle, 'early', 1)
  const { body } = await peer.take(Opcode.PRODUCED)
  expect(decodeProduced(body).durability).toBe(1)
  peer.close()
})

it('warns of a topic below persisted, in the log and over HTTP', async () => {
  const peer = await RawPeer.open(real.port)
  const settings = { durability: 'memory' }
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'fast', settings }))
  await peer.take(Opcode.TOPIC_CREATED)
  expect(real.warnings).toContain('topic.below-persisted')
  const metrics = await (await fetch(`http://127.0.0.1:${real.httpPort}/metrics`)).text()
  expect(metrics).toMatch(/^millrace_topics_below_persisted 1$/m)
  const ready = await (await fetch(`http://127.0.0.1:${real.httpPort}/readyz?verbose`)).text()
  expect(ready).toContain('"belowPersisted":["fast"]')
  peer.close()
})

describe('a batch that is not what it says', () => {
  const spoil: readonly [string, (batch: Uint8Array) => Uint8Array, string][] = [
    ['a byte flipped', (batch) => batch.with(70, (batch[70] as number) ^ 1), 'ERR_BATCH_CHECKSUM'],
    ['cut short', (batch) => batch.subarray(0, batch.length - 1), 'ERR_INVALID_BATCH'],
    ['a byte too long', (batch) => Buffer.concat([batch, Buffer.of(0)]), 'ERR_INVALID_BATCH'],
    ['nothing at all', () => new Uint8Array(0), 'ERR_INVALID_BATCH'],
    ['another magic', (batch) => batch.with(16, 1), 'ERR_INVALID_BATCH'],
  ]

  it.each(spoil)('(%s) is refused, and the next one is taken', async (_what, change, code) => {
    const peer = await RawPeer.open(real.port)
    const handle = await peer.openTopic('orders')
    const batch = change(batchOf(['some payload']))
    const body = encodeProduce({ handle, partition: 0, durability: 0, batch })
    const correlation = peer.send(Opcode.PRODUCE, body)
    expect(await peer.takeError()).toMatchObject({ code, correlation })
    peer.produce(handle, 'good')
    expect(decodeProduced((await peer.take(Opcode.PRODUCED)).body).baseOffset).toBe(0)
    peer.close()
  })

  it('is refused for a partition that is not there', async () => {
    const peer = await RawPeer.open(real.port)
    const handle = await peer.openTopic('orders')
    const batch = batchOf(['x'])
    peer.send(Opcode.PRODUCE, encodeProduce({ handle, partition: 9, durability: 0, batch }))
    expect((await peer.takeError()).code).toBe('ERR_PARTITION_NOT_FOUND')
    peer.close()
  })
})

it.each(['', '..', 'a/b', 'nul\0', 'x'.repeat(256)])('refuses the topic name %j', async (topic) => {
  const peer = await RawPeer.open(real.port)
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic }))
  expect((await peer.takeError()).code).toBe('ERR_INVALID_NAME')
  await peer.ping()
  peer.close()
})

it('refuses offsets out of range', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('orders')
  peer.send(Opcode.FETCH, fetchBody(handle, 1))
  expect((await peer.takeError()).code).toBe('ERR_OFFSET_OUT_OF_RANGE')
  peer.send(Opcode.FETCH, fetchBody(handle, 0, { partition: 4 }))
  expect((await peer.takeError()).code).toBe('ERR_PARTITION_NOT_FOUND')
  peer.close()
})

it('moves a batch of sixteen megabytes, and heartbeats in between', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('large')
  const batch = batchOf(['l'.repeat(15 << 20)])
  const { splitBody } = await import('@millrace/protocol')
  const body = encodeProduce({ handle, partition: 0, durability: 0, batch })
  splitBody(Opcode.PRODUCE, 0, 500, [body], 256 * 1024, (chunk) => peer.write(chunk))
  expect((await peer.take(Opcode.PRODUCED)).correlation).toBe(500)
  const fetched = peer.send(Opcode.FETCH, fetchBody(handle, 0))
  const pinged = peer.send(Opcode.PING)
  const first = await peer.next()
  expect([first?.opcode, first?.correlation]).toEqual([Opcode.PONG, pinged])
  const second = await peer.take(Opcode.FETCHED)
  expect(second.correlation).toBe(fetched)
  expect(second.body.length).toBe(FETCHED_HEAD_BYTES + batch.length)
  peer.close()
})

it('delivers to a subscription what is there and what comes, within its credit', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('feed')
  const payload = 'p'.repeat(1_000)
  for (let index = 0; index < 100; index++) peer.produce(handle, `${index} ${payload}`)
  for (let index = 0; index < 100; index++) await peer.take(Opcode.PRODUCED)
  const credit = 20_000
  peer.send(
    Opcode.SUBSCRIBE,
    encodeSubscribe({
      ...{ subscription: 3, topic: 'feed', from: 'earliest' },
      ...{ credit, maxBytesPerDeliver: 5_000 },
    }),
  )
  await peer.take(Opcode.SUBSCRIBED)
  const payloads: string[] = []
  let received = 0
  while (payloads.length < 100) {
    const { body } = await peer.take(Opcode.DELIVER)
    const bytes = body.length - DELIVER_HEAD_BYTES
    expect(received).toBeLessThan(credit)
    received += bytes
    payloads.push(...payloadsOf(body.subarray(DELIVER_HEAD_BYTES)))
    const { nextOffset } = decodeDeliverHead(body, createDeliverHead())
    expect(nextOffset).toBe(payloads.length)
    received -= bytes
    peer.send(Opcode.CREDIT, encodeCredit({ subscription: 3, bytes }), 0)
  }
  expect(payloads.map((text) => Number(text.split(' ')[0]))).toEqual([...Array(100).keys()])
  peer.produce(handle, 'live')
  const { body } = await peer.take(Opcode.DELIVER)
  expect(payloadsOf(body.subarray(DELIVER_HEAD_BYTES))).toEqual(['live'])
  peer.close()
})

it('takes new partitions into a subscription, and ends it with the topic', async () => {
  const peer = await RawPeer.open(real.port)
  await peer.openTopic('feed')
  const subscribe = { subscription: 3, topic: 'feed', from: 'latest', credit: 1 << 20 } as const
  peer.send(Opcode.SUBSCRIBE, encodeSubscribe(subscribe))
  await peer.take(Opcode.SUBSCRIBED)
  peer.send(Opcode.TOPIC_ALTER, encodeTopicAlter({ topic: 'feed', settings: {}, partitions: 3 }))
  await peer.take(Opcode.TOPIC_ALTERED)
  const handle = await peer.openTopic('feed')
  const batch = batchOf(['new'])
  peer.send(Opcode.PRODUCE, encodeProduce({ handle, partition: 2, durability: 0, batch }))
  const delivered = await peer.take(Opcode.DELIVER)
  expect(decodeDeliverHead(delivered.body, createDeliverHead()).partition).toBe(2)
  peer.send(Opcode.TOPIC_DELETE, encodeTopicDelete({ topic: 'feed' }))
  const { body } = await peer.take(Opcode.SUBSCRIPTION_END)
  expect(decodeSubscriptionEnd(body).code).toBe(0x0110)
  peer.produce(handle, 'to nowhere')
  expect((await peer.takeError()).code).toBe('ERR_STALE_HANDLE')
  peer.close()
})

it('answers a long poll when its time is up', async () => {
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('quiet')
  peer.send(Opcode.FETCH, fetchBody(handle, 0, { minBytes: 1, maxWaitMs: 20 }))
  const { body } = await peer.take(Opcode.FETCHED)
  const head = decodeFetchedHead(body, createFetchedHead())
  expect([head.nextOffset, body.length]).toEqual([0, FETCHED_HEAD_BYTES])
  peer.close()
})

it('loses nothing of a producer that is faster than its limits', async () => {
  await real.stop()
  real = await startRealServer({ 'limits.inFlightBytes': 64 * 1024, 'limits.inFlightRequests': 4 })
  const peer = await RawPeer.open(real.port)
  const handle = await peer.openTopic('fast')
  // Without an answer nothing is refused for being one too many: only reading stops.
  for (let index = 0; index < 500; index++)
    peer.produce(handle, `${index} ${'f'.repeat(2_000)}`, 255)
  await peer.ping()
  peer.produce(handle, 'last')
  expect(decodeProduced((await peer.take(Opcode.PRODUCED)).body).baseOffset).toBe(500)
  peer.close()
})
