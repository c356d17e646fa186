import {
  createFetchedHead,
  decodeConnected,
  decodeDeliverHead,
  createDeliverHead,
  decodeFetchedHead,
  decodeGoAway,
  decodeOffsetsListed,
  decodeProduced,
  decodeSubscribed,
  decodeSubscriptionEnd,
  decodeTopicDescription,
  decodeTopicListed,
  encodeConnect,
  encodeCredit,
  encodeFetch,
  encodeListOffsets,
  encodeProduce,
  encodeSubscribe,
  encodeTopicCreate,
  encodeTopicDelete,
  encodeTopicDescribe,
  encodeTopicList,
  encodeTopicAlter,
  encodeUnsubscribe,
  DELIVER_HEAD_BYTES,
  FETCHED_HEAD_BYTES,
  Opcode,
} from '@millrace/protocol'
import { batchTotalBytes } from '@millrace/codec'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { batchOf, connectBody, RawPeer } from '../support/raw-peer.ts'

let fake: FakeServer

beforeEach(async () => {
  fake = await startFakeServer()
})

afterEach(async () => {
  await fake.stop()
  expect(fake.broker.openLeases).toBe(0)
})

const fetchBody = (handle: number, offset: number, more: object = {}): Uint8Array =>
  encodeFetch({
    handle,
    partition: 0,
    offset,
    maxBytes: 1 << 20,
    minBytes: 0,
    maxWaitMs: 0,
    flags: 0,
    ...more,
  })

describe('the handshake', () => {
  it('says what was agreed', async () => {
    const peer = await RawPeer.dial(fake.port)
    const asked = { ...connectBody, heartbeatMs: 4_000, frameBytesMax: 64 * 1024 }
    const correlation = peer.send(Opcode.CONNECT, encodeConnect(asked))
    const frame = await peer.take(Opcode.CONNECTED)
    expect(frame.correlation).toBe(correlation)
    expect(decodeConnected(frame.body)).toMatchObject({
      version: 1,
      authenticated: true,
      mechanisms: ['ANONYMOUS'],
      heartbeatMs: 4_000,
      frameBytesMax: 64 * 1024,
      inFlightCountMax: 1_024,
      autoCreateTopics: true,
    })
    peer.close()
  })

  it('handles what a hasty peer sent behind its CONNECT', async () => {
    const peer = await RawPeer.dial(fake.port)
    peer.send(Opcode.CONNECT, encodeConnect(connectBody))
    peer.send(Opcode.TOPIC_LIST, encodeTopicList({}))
    await peer.take(Opcode.CONNECTED)
    await peer.take(Opcode.TOPIC_LISTED)
    peer.close()
  })

  it.each([
    ['an unknown version', { versions: [9] }, 'ERR_UNSUPPORTED_VERSION'],
    ['an unknown namespace', { namespace: 'elsewhere' }, 'ERR_NAMESPACE_NOT_FOUND'],
    ['another mechanism', { mechanism: 'PLAIN' }, 'ERR_UNSUPPORTED_MECHANISM'],
  ])('refuses %s and hangs up', async (_what, change, code) => {
    const peer = await RawPeer.dial(fake.port)
    peer.send(Opcode.CONNECT, encodeConnect({ ...connectBody, ...change }))
    expect((await peer.takeError()).code).toBe(code)
    await peer.closed()
  })
})

describe('produce', () => {
  it('answers in the order of the requests', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    const asked = Array.from({ length: 100 }, (_, at) => peer.produce(handle, `record ${at}`))
    for (const [at, correlation] of asked.entries()) {
      const frame = await peer.take(Opcode.PRODUCED)
      expect(frame.correlation).toBe(correlation)
      expect(decodeProduced(frame.body)).toMatchObject({ baseOffset: at, durability: 2 })
    }
    peer.close()
  })

  it('answers a request that failed before the engine in its turn', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    const first = peer.produce(handle, 'a')
    const second = peer.produce(999, 'b')
    const third = peer.produce(handle, 'c')
    const answers = [await peer.next(), await peer.next(), await peer.next()]
    expect(answers.map((frame) => frame?.correlation)).toEqual([first, second, third])
    expect(answers.map((frame) => frame?.opcode)).toEqual([
      Opcode.PRODUCED,
      Opcode.ERROR,
      Opcode.PRODUCED,
    ])
    peer.close()
  })

  it('never answers a request that asked for no answer', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    peer.produce(handle, 'a', 255)
    peer.produce(999, 'to nowhere', 255)
    const answered = peer.produce(handle, 'b')
    const frame = await peer.next()
    expect([frame?.opcode, frame?.correlation]).toEqual([Opcode.PRODUCED, answered])
    expect(decodeProduced(frame?.body ?? new Uint8Array(0)).baseOffset).toBe(1)
    peer.close()
  })

  it('takes batches whose frames continue', async () => {
    const peer = await RawPeer.open(fake.port, { frameBytesMax: 64 * 1024 })
    const handle = await peer.openTopic('large')
    const batch = batchOf(['x'.repeat(300_000)])
    const body = encodeProduce({ handle, partition: 0, durability: 0, batch })
    const { splitBody } = await import('@millrace/protocol')
    splitBody(Opcode.PRODUCE, 0, 77, [body], 64 * 1024, (chunk) => peer.write(chunk))
    expect((await peer.take(Opcode.PRODUCED)).correlation).toBe(77)
    peer.send(Opcode.FETCH, fetchBody(handle, 0))
    const { body: fetched } = await peer.take(Opcode.FETCHED)
    expect(fetched.length).toBe(FETCHED_HEAD_BYTES + batch.length)
    // The base offset and the leader epoch are the broker's.
    const rest = fetched.subarray(FETCHED_HEAD_BYTES + 16)
    expect(Buffer.compare(rest, batch.subarray(16))).toBe(0)
    peer.close()
  })

  it('stops reading while the engine is full, and loses nothing', async () => {
    await fake.stop()
    fake = await startFakeServer({ 'limits.inFlightBytes': 64 * 1024 })
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    fake.broker.isHoldingAppends = true
    const payload = 'y'.repeat(10_000)
    for (let index = 0; index < 40; index++) peer.produce(handle, `${index} ${payload}`)
    const witness = await RawPeer.open(fake.port)
    await witness.ping()
    fake.broker.releaseAppends()
    for (let index = 0; index < 40; index++) {
      const { body } = await peer.take(Opcode.PRODUCED)
      expect(decodeProduced(body).baseOffset).toBe(index)
    }
    peer.close()
    witness.close()
  })
})

describe('fetch', () => {
  it('waits for bytes that are to come', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    const asked = peer.send(Opcode.FETCH, fetchBody(handle, 0, { minBytes: 1, maxWaitMs: 60_000 }))
    await peer.ping()
    peer.produce(handle, 'late')
    const { body, correlation } = await peer.take(Opcode.FETCHED)
    expect(correlation).toBe(asked)
    expect(decodeFetchedHead(body, createFetchedHead())).toMatchObject({ nextOffset: 1 })
    peer.close()
  })

  it('says where it cannot start', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    peer.send(Opcode.FETCH, fetchBody(handle, 5))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
    peer.close()
  })

  it('is forgotten when the peer goes away', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    peer.send(Opcode.FETCH, fetchBody(handle, 0, { minBytes: 1, maxWaitMs: 60_000 }))
    await peer.ping()
    expect(fake.broker.changed.size).toBe(1)
    peer.close()
    const witness = await RawPeer.open(fake.port)
    while (fake.broker.changed.size > 0) await witness.ping()
    witness.close()
  })
})

describe('topics', () => {
  it('are created, listed, described, altered and deleted', async () => {
    const peer = await RawPeer.open(fake.port)
    peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'a', partitions: 2 }))
    const created = decodeTopicDescription((await peer.take(Opcode.TOPIC_CREATED)).body)
    expect(created.partitions).toHaveLength(2)
    peer.send(Opcode.TOPIC_ALTER, encodeTopicAlter({ topic: 'a', settings: {}, partitions: 3 }))
    await peer.take(Opcode.TOPIC_ALTERED)
    peer.send(Opcode.TOPIC_DESCRIBE, encodeTopicDescribe({ topic: 'a' }))
    const described = decodeTopicDescription((await peer.take(Opcode.TOPIC_DESCRIBED)).body)
    expect(described.partitions).toHaveLength(3)
    peer.send(Opcode.LIST_OFFSETS, encodeListOffsets({ topic: 'a', at: 'latest' }))
    const listed = decodeOffsetsListed((await peer.take(Opcode.OFFSETS_LISTED)).body)
    expect(listed.offsets.map(({ offset }) => offset)).toEqual([0, 0, 0])
    peer.send(Opcode.TOPIC_DELETE, encodeTopicDelete({ topic: 'a' }))
    await peer.take(Opcode.TOPIC_DELETED)
    peer.send(Opcode.TOPIC_LIST, encodeTopicList({}))
    expect(decodeTopicListed((await peer.take(Opcode.TOPIC_LISTED)).body).topics).toEqual([])
    peer.send(Opcode.TOPIC_DESCRIBE, encodeTopicDescribe({ topic: 'a' }))
    expect((await peer.takeError()).code).toBe('ERR_TOPIC_NOT_FOUND')
    peer.close()
  })

  it('are listed by the thousand, each page in an answer of several frames', async () => {
    const name = (index: number): string =>
      `${'topic-'.repeat(20)}${String(index).padStart(4, '0')}`
    const names = Array.from({ length: 2_000 }, (_, index) => name(index))
    for (const topic of [...names].reverse()) fake.broker.add(topic, 1)
    const peer = await RawPeer.open(fake.port, { frameBytesMax: 64 * 1024 })
    const list = async (after?: string) => {
      peer.send(Opcode.TOPIC_LIST, encodeTopicList({ prefix: 'topic-', after }))
      const { body } = await peer.take(Opcode.TOPIC_LISTED)
      expect(body.length).toBeGreaterThan(64 * 1024)
      return decodeTopicListed(body)
    }
    const first = await list()
    expect(first.topics.map(({ topic }) => topic)).toEqual(names.slice(0, 1_000))
    expect(first.more).toBe(true)
    const second = await list(name(999))
    expect(second.topics.map(({ topic }) => topic)).toEqual(names.slice(1_000))
    expect(second.more).toBe(false)
    peer.close()
  })

  it('are listed in the order of their UTF-8 bytes', async () => {
    const sorted = ['B', 'a', 'ab', 'é', '\uff5e', '\u{1f680}']
    for (const topic of [...sorted].reverse()) fake.broker.add(topic, 1)
    const peer = await RawPeer.open(fake.port)
    peer.send(Opcode.TOPIC_LIST, encodeTopicList({ after: 'a' }))
    const { body } = await peer.take(Opcode.TOPIC_LISTED)
    expect(decodeTopicListed(body).topics.map(({ topic }) => topic)).toEqual(sorted.slice(2))
    peer.close()
  })

  it('keep their handle while they live, and a stale one stays stale', async () => {
    const peer = await RawPeer.open(fake.port)
    const first = await peer.openTopic('a')
    expect(await peer.openTopic('a')).toBe(first)
    peer.send(Opcode.TOPIC_DELETE, encodeTopicDelete({ topic: 'a' }))
    await peer.take(Opcode.TOPIC_DELETED)
    expect(await peer.openTopic('a')).not.toBe(first)
    peer.produce(first, 'late')
    expect((await peer.takeError()).code).toBe('ERR_STALE_HANDLE')
    peer.close()
  })
})

describe('subscribe', () => {
  const subscribeBody = (credit: number, more: object = {}): Uint8Array =>
    encodeSubscribe({ subscription: 7, topic: 'feed', from: 'earliest', credit, ...more })

  it('delivers what is there and what comes, at most one delivery beyond the credit', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('feed')
    for (let index = 0; index < 10; index++) {
      peer.produce(handle, `${index}`)
      await peer.take(Opcode.PRODUCED)
    }
    const bytes = batchTotalBytes(batchOf(['0']))
    peer.send(Opcode.SUBSCRIBE, subscribeBody(bytes + 1, { maxBytesPerDeliver: 1 }))
    const subscribed = decodeSubscribed((await peer.take(Opcode.SUBSCRIBED)).body)
    expect(subscribed.partitions).toEqual([{ partition: 0, offset: 0 }])
    const first = await peer.take(Opcode.DELIVER)
    expect(first.correlation).toBe(7)
    expect(first.body.length).toBe(DELIVER_HEAD_BYTES + bytes)
    const second = await peer.take(Opcode.DELIVER)
    const head = decodeDeliverHead(second.body, createDeliverHead())
    expect(head).toMatchObject({ nextOffset: 2, highWatermark: 10 })
    await peer.ping()
    await peer.ping()
    expect(peer.frames).toEqual([])
    peer.send(Opcode.CREDIT, encodeCredit({ subscription: 7, bytes: bytes * 8 }), 0)
    let next = 2
    while (next < 10) {
      const { body } = await peer.take(Opcode.DELIVER)
      next = decodeDeliverHead(body, createDeliverHead()).nextOffset
    }
    peer.close()
  })

  it('takes in partitions that are added', async () => {
    const peer = await RawPeer.open(fake.port)
    fake.broker.add('feed', 1)
    peer.send(Opcode.SUBSCRIBE, subscribeBody(1 << 20))
    await peer.take(Opcode.SUBSCRIBED)
    peer.send(Opcode.TOPIC_ALTER, encodeTopicAlter({ topic: 'feed', settings: {}, partitions: 2 }))
    await peer.take(Opcode.TOPIC_ALTERED)
    const handle = await peer.openTopic('feed')
    const batch = batchOf(['to the new one'])
    peer.send(Opcode.PRODUCE, encodeProduce({ handle, partition: 1, durability: 0, batch }))
    const { body } = await peer.take(Opcode.DELIVER)
    expect(decodeDeliverHead(body, createDeliverHead()).partition).toBe(1)
    peer.close()
  })

  it('ends with the topic', async () => {
    const peer = await RawPeer.open(fake.port)
    fake.broker.add('feed', 1)
    peer.send(Opcode.SUBSCRIBE, subscribeBody(1 << 20))
    await peer.take(Opcode.SUBSCRIBED)
    peer.send(Opcode.TOPIC_DELETE, encodeTopicDelete({ topic: 'feed' }))
    const { body } = await peer.take(Opcode.SUBSCRIPTION_END)
    expect(decodeSubscriptionEnd(body)).toMatchObject({ subscription: 7, code: 0x0110 })
    peer.close()
  })

  it('delivers nothing after UNSUBSCRIBED', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('feed')
    peer.send(Opcode.SUBSCRIBE, subscribeBody(1 << 20))
    await peer.take(Opcode.SUBSCRIBED)
    peer.send(Opcode.UNSUBSCRIBE, encodeUnsubscribe({ subscription: 7 }))
    await peer.take(Opcode.UNSUBSCRIBED)
    peer.produce(handle, 'unheard')
    await peer.take(Opcode.PRODUCED)
    await peer.ping()
    expect(peer.frames).toEqual([])
    peer.send(Opcode.UNSUBSCRIBE, encodeUnsubscribe({ subscription: 7 }))
    expect((await peer.takeError()).code).toBe('ERR_SUBSCRIPTION_NOT_FOUND')
    peer.close()
  })

  it('refuses an id that is in use, and an offset beyond the end', async () => {
    const peer = await RawPeer.open(fake.port)
    fake.broker.add('feed', 1)
    peer.send(Opcode.SUBSCRIBE, subscribeBody(0))
    await peer.take(Opcode.SUBSCRIBED)
    peer.send(Opcode.SUBSCRIBE, subscribeBody(0))
    expect((await peer.takeError()).code).toBe('ERR_SUBSCRIPTION_EXISTS')
    peer.send(Opcode.SUBSCRIBE, subscribeBody(0, { subscription: 8, from: 1 }))
    expect((await peer.takeError()).code).toBe('ERR_OFFSET_OUT_OF_RANGE')
    peer.close()
  })
})

describe('the end', () => {
  it('answers what came before CLOSE, then CLOSED, then hangs up', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    fake.broker.isHoldingAppends = true
    const produced = peer.produce(handle, 'a')
    const polled = peer.send(Opcode.FETCH, fetchBody(handle, 0, { minBytes: 1, maxWaitMs: 60_000 }))
    const closed = peer.send(Opcode.CLOSE)
    const frame = await peer.next()
    expect([frame?.opcode, frame?.correlation]).toEqual([Opcode.FETCHED, polled])
    fake.broker.releaseAppends()
    expect((await peer.next())?.correlation).toBe(produced)
    const last = await peer.next()
    expect([last?.opcode, last?.correlation]).toEqual([Opcode.CLOSED, closed])
    await peer.closed()
  })

  it('tells peers to go, finishes what is in flight and refuses what comes late', async () => {
    const peer = await RawPeer.open(fake.port)
    const handle = await peer.openTopic('orders')
    fake.broker.isHoldingAppends = true
    const produced = peer.produce(handle, 'a')
    await peer.ping()
    const stopped = fake.server.stop(10_000)
    const { body } = await peer.take(Opcode.GO_AWAY)
    expect(decodeGoAway(body).code).toBe(0x0008)
    const late = peer.produce(handle, 'late')
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_GOING_AWAY', correlation: late })
    fake.broker.releaseAppends()
    expect((await peer.take(Opcode.PRODUCED)).correlation).toBe(produced)
    await peer.closed()
    await stopped
    expect(fake.broker.isClosed).toBe(true)
  })
})
