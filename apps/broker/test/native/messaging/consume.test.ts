/** Consumers, deliveries and what becomes of them, over the wire. */
import { utf8Decode, utf8Encode } from '@millrace/codec'
import {
  type Consume,
  decodeConsumerEnd,
  decodeGot,
  decodePublished,
  decodeQueueDeliveries,
  encodeCommit,
  encodeConsume,
  encodeConsumerAlter,
  encodeConsumerNumber,
  encodeGet,
  encodeQueueDelete,
  encodeQueuePeek,
  Opcode,
} from '@millrace/protocol'
import { RawPeer } from '../../support/raw-peer.ts'
import {
  expectNext,
  messageOf,
  type MessagingServer,
  publish,
  settle,
  startMessagingServer,
  takeDeliveries,
  takePublished,
  textsOf,
} from './support.ts'

let server: MessagingServer
let peer: RawPeer

beforeEach(async () => {
  server = await startMessagingServer()
  server.messaging.addQueue('jobs')
  server.messaging.addQueue('other')
  peer = await RawPeer.open(server.fake.port)
})

afterEach(async () => {
  peer.close()
  await server.fake.stop()
})

const consume = (more: Partial<Consume> = {}, from: RawPeer = peer): number =>
  from.send(Opcode.CONSUME, encodeConsume({ consumer: 1, queue: 'jobs', credit: 10, ...more }))

const fill = async (texts: readonly string[], routingKey = 'jobs'): Promise<void> => {
  const publisher = await RawPeer.open(server.fake.port)
  publish(
    publisher,
    texts.map((text) => messageOf(text, { routingKey })),
  )
  await takePublished(publisher)
  publisher.close()
}

it('confirms a consumer before its first delivery', async () => {
  await fill(['a', 'b'])
  const correlation = consume({ priority: -3, exclusive: true })
  const confirmed = await expectNext(peer, Opcode.CONSUMING)
  expect(confirmed.correlation).toBe(correlation)
  expect(server.messaging.session.consumers[0]?.request).toMatchObject({
    queue: 'jobs',
    isAutoSettled: false,
    isExclusive: true,
    priority: -3,
    inFlightCountMax: 10,
  })
  const frame = await expectNext(peer, Opcode.QUEUE_DELIVER)
  expect(frame.correlation).toBe(1)
  expect(textsOf(decodeQueueDeliveries(frame.body))).toEqual(['1 a', '2 b'])
})

it('numbers deliveries through all consumers of a connection', async () => {
  consume()
  consume({ consumer: 2, queue: 'other' })
  await peer.take(Opcode.CONSUMING)
  await peer.take(Opcode.CONSUMING)
  await fill(['a'])
  expect(textsOf(await takeDeliveries(peer, 1))).toEqual(['1 a'])
  await fill(['b'], 'other')
  expect(textsOf(await takeDeliveries(peer, 1))).toEqual(['2 b'])
})

it('sends a payload that is too long for one frame in parts, in its place', async () => {
  await fill(['a', 'x'.repeat(600_000), 'c'])
  consume()
  const deliveries = await takeDeliveries(peer, 3)
  expect(deliveries.map(({ payload }) => payload.length)).toEqual([1, 600_000, 1])
  expect(deliveries.map(({ tag }) => tag)).toEqual([1, 2, 3])
})

it('keeps to the credit, and to a new one', async () => {
  await fill(['a', 'b', 'c', 'd'])
  consume({ credit: 1 })
  expect(textsOf(await takeDeliveries(peer, 1))).toEqual(['1 a'])
  await peer.ping()
  expect(peer.frames).toEqual([])
  peer.send(Opcode.CONSUMER_ALTER, encodeConsumerAlter({ consumer: 1, credit: 3 }))
  expect(textsOf(await takeDeliveries(peer, 2))).toEqual(['2 b', '3 c'])
  settle(peer, 0, [[1, 1]])
  expect(textsOf(await takeDeliveries(peer, 1))).toEqual(['4 d'])
})

it('bounds what is unsettled where the client asks for no limit', async () => {
  consume({ credit: 0 })
  await peer.take(Opcode.CONSUMING)
  expect(server.messaging.session.consumers[0]?.request.inFlightCountMax).toBe(65_536)
})

it('settles nothing of what settles itself', async () => {
  await fill(['a', 'b'])
  consume({ autoSettle: true })
  expect(textsOf(await takeDeliveries(peer, 2))).toEqual(['0 a', '0 b'])
  settle(peer, 0, [[0, 9]])
  expect(await peer.takeError()).toMatchObject({ code: 'ERR_UNKNOWN_DELIVERY' })
})

describe('settling', () => {
  beforeEach(async () => {
    await fill(['a', 'b', 'c', 'd', 'e'])
    consume()
    await takeDeliveries(peer, 5)
  })

  it('does what the outcome says, for single tags and ranges', async () => {
    settle(peer, 0, [
      [2, 2],
      [4, 4],
    ])
    settle(peer, 2, [[1, 3]])
    settle(peer, 1, [[5, 9007199254740991]])
    await peer.take(Opcode.SETTLED)
    await peer.take(Opcode.SETTLED)
    await peer.take(Opcode.SETTLED)
    expect(server.messaging.settlements).toEqual(['ack 1,3', 'reject 0,2', 'requeue 4'])
    const [again] = await takeDeliveries(peer, 1)
    expect(again).toMatchObject({ tag: 6, isRedelivered: true, count: 1, offset: 4 })
  })

  it('is answered after the disk when it should be', async () => {
    settle(peer, 0, [[1, 5]], true)
    await peer.take(Opcode.SETTLED)
    expect(server.messaging.settlements).toEqual(['ack 0,1,2,3,4', 'flushed'])
  })

  it('refuses tags that are settled, were never given or are wrong, and does nothing of it', async () => {
    settle(peer, 0, [[2, 2]])
    await peer.take(Opcode.SETTLED)
    for (const ranges of [
      [
        [1, 1],
        [2, 2],
      ],
      [[0, 0]],
      [[6, 99]],
    ] as const) {
      const correlation = settle(peer, 0, ranges)
      expect(await peer.takeError()).toMatchObject({ correlation, code: 'ERR_UNKNOWN_DELIVERY' })
    }
    settle(peer, 0, [[1, 5]])
    await peer.take(Opcode.SETTLED)
    expect(server.messaging.settlements).toEqual(['ack 1', 'ack 0,2,3,4'])
  })

  it('is nobody’s business on another connection', async () => {
    const other = await RawPeer.open(server.fake.port)
    settle(other, 0, [[1, 1]])
    expect(await other.takeError()).toMatchObject({ code: 'ERR_UNKNOWN_DELIVERY' })
    other.close()
  })

  it('goes on after the consumer was cancelled, and what is left returns with the connection', async () => {
    peer.send(Opcode.CONSUMER_CANCEL, encodeConsumerNumber({ consumer: 1 }))
    await peer.take(Opcode.CONSUMER_CANCELLED)
    settle(peer, 0, [[1, 3]])
    await peer.take(Opcode.SETTLED)
    peer.send(Opcode.CLOSE)
    await peer.closed()
    const jobs = server.messaging.queue('jobs')
    expect(jobs.ready.map(({ offset, isRedelivered }) => [offset, isRedelivered])).toEqual([
      [3, true],
      [4, true],
    ])
    expect(server.messaging.sessions.every(({ isClosed }) => isClosed)).toBe(true)
  })
})

it('delivers nothing behind the answer to a cancellation', async () => {
  consume()
  await peer.take(Opcode.CONSUMING)
  await fill(['a'])
  await takeDeliveries(peer, 1)
  peer.send(Opcode.CONSUMER_CANCEL, encodeConsumerNumber({ consumer: 1 }))
  await peer.take(Opcode.CONSUMER_CANCELLED)
  await fill(['b'])
  await peer.ping()
  expect(peer.frames).toEqual([])
  consume()
  expect(textsOf(await takeDeliveries(peer, 1))).toEqual(['2 b'])
})

it('pauses consumers while the peer does not read, and goes on when it does', async () => {
  const payload = 'x'.repeat(100_000)
  await fill(Array.from({ length: 60 }, () => payload))
  consume({ credit: 100 })
  await peer.take(Opcode.CONSUMING)
  peer.socket.pause()
  const [consumer] = server.messaging.session.consumers
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  while (consumer?.isPaused !== true) {
    await turn()
    if (server.messaging.queue('jobs').ready.length === 0) break
  }
  const pauseCount = consumer?.pauseCount ?? 0
  peer.socket.resume()
  expect(await takeDeliveries(peer, 60)).toHaveLength(60)
  expect(pauseCount).toBeGreaterThan(0)
})

describe('a consumer that cannot be', () => {
  it.each([
    ['of a queue that does not exist', { queue: 'nowhere' }, 'ERR_QUEUE_NOT_FOUND'],
    ['with a number in use', { queue: 'other' }, 'ERR_CONSUMER_EXISTS'],
    ['that wants to be alone', { consumer: 2, exclusive: true }, 'ERR_QUEUE_IN_USE'],
  ])('%s is refused', async (_name, more, code) => {
    consume()
    await peer.take(Opcode.CONSUMING)
    const isFirst = 'queue' in more && more.queue === 'nowhere'
    const correlation = consume(isFirst ? { ...more, consumer: 7 } : more)
    expect(await peer.takeError()).toMatchObject({ correlation, code })
    if (!isFirst) return
    consume({ consumer: 7 })
    await peer.take(Opcode.CONSUMING)
  })

  it.each([
    [Opcode.CONSUMER_CANCEL, encodeConsumerNumber({ consumer: 9 })],
    [Opcode.CONSUMER_ALTER, encodeConsumerAlter({ consumer: 9, credit: 1 })],
  ])('is not found by opcode %d', async (opcode, body) => {
    peer.send(opcode, body)
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_CONSUMER_NOT_FOUND' })
  })
})

it('tells a consumer that its queue is gone, behind what was delivered', async () => {
  await fill(['a'])
  consume({ consumer: 5 })
  await peer.take(Opcode.CONSUMING)
  peer.send(Opcode.QUEUE_DELETE, encodeQueueDelete({ queue: 'jobs' }))
  const frames = [await peer.next(), await peer.next(), await peer.next()]
  const end = frames.find((frame) => frame?.opcode === Opcode.CONSUMER_END)
  expect(end?.correlation).toBe(5)
  expect(decodeConsumerEnd(end?.body as Uint8Array)).toEqual({
    consumer: 5,
    code: 0x11c,
    message: "queue 'jobs' was deleted",
  })
  server.messaging.addQueue('jobs')
  consume({ consumer: 5 })
  await peer.take(Opcode.CONSUMING)
})

describe('GET', () => {
  const get = async (autoSettle = false): Promise<ReturnType<typeof decodeGot>> => {
    peer.send(Opcode.GET, encodeGet({ queue: 'jobs', autoSettle }))
    return decodeGot((await peer.take(Opcode.GOT)).body)
  }

  it('takes one message, and says how many are left', async () => {
    await fill(['a', 'b', 'c'])
    const first = await get()
    expect(first).toMatchObject({ ready: 2, delivery: { tag: 1, offset: 0 } })
    expect(await get(true)).toMatchObject({ ready: 1, delivery: { tag: 0, offset: 1 } })
    settle(peer, 1, [[1, 1]])
    await peer.take(Opcode.SETTLED)
    expect(await get()).toMatchObject({ ready: 1, delivery: { tag: 2, offset: 0, count: 1 } })
  })

  it('says nothing of an empty queue, and not that there is one', async () => {
    expect(await get()).toEqual({ ready: 0, delivery: undefined })
    peer.send(Opcode.GET, encodeGet({ queue: 'nowhere' }))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_QUEUE_NOT_FOUND' })
  })
})

it('peeks at messages and leaves them', async () => {
  await fill(['a', 'b', 'c'])
  peer.send(Opcode.QUEUE_PEEK, encodeQueuePeek({ queue: 'jobs', count: 2 }))
  const { body } = await peer.take(Opcode.QUEUE_PEEKED)
  expect(textsOf(decodeQueueDeliveries(body))).toEqual(['0 a', '0 b'])
  expect(server.messaging.queue('jobs').ready).toHaveLength(3)
})

describe('COMMIT', () => {
  beforeEach(async () => {
    await fill(['a', 'b'])
    consume()
    await takeDeliveries(peer, 2)
  })

  it('publishes and settles together', async () => {
    const messages = [messageOf('x', { routingKey: 'other' }), messageOf('y', { routingKey: '?' })]
    const settlements = [
      { from: 1, to: 1, outcome: 0 },
      { from: 2, to: 2, outcome: 2 },
    ] as const
    peer.send(Opcode.COMMIT, encodeCommit({ settlements, messages }))
    const { body } = await peer.take(Opcode.COMMITTED)
    expect(decodePublished(body).outcomes).toEqual([
      { targets: 1, error: 0 },
      { targets: 0, error: 0 },
    ])
    expect(server.messaging.settlements).toEqual(['ack 0', 'reject 1'])
    const [stored] = server.messaging.queue('other').ready
    expect(utf8Decode(stored?.message.payload as Uint8Array)).toBe('x')
  })

  it('that fails does nothing, and what it would have settled can be settled', async () => {
    const settlements = [{ from: 1, to: 2, outcome: 0 }] as const
    const messages = [messageOf('x', { exchange: 'nowhere' })]
    peer.send(Opcode.COMMIT, encodeCommit({ settlements, messages }))
    expect(await peer.takeError()).toMatchObject({ code: 'ERR_EXCHANGE_NOT_FOUND' })
    settle(peer, 0, [[1, 2]])
    await peer.take(Opcode.SETTLED)
    expect(server.messaging.settlements).toEqual(['ack 0,1'])
  })

  it.each([
    [
      'an unknown delivery',
      {
        settlements: [
          { from: 1, to: 1 },
          { from: 9, to: 9 },
        ],
      },
      'ERR_UNKNOWN_DELIVERY',
    ],
    [
      'a message that is wrong',
      { messages: [messageOf('x', { ttlMs: -7 })] },
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'a header block that is wrong',
      { messages: [messageOf('x', { headers: utf8Encode('?') })] },
      'ERR_MALFORMED_BODY',
    ],
  ])('with %s is refused as a whole', async (_name, part, code) => {
    const { settlements = [], messages = [] } = part as {
      settlements?: { from: number; to: number }[]
      messages?: ReturnType<typeof messageOf>[]
    }
    const tagged = settlements.map((range) => ({ ...range, outcome: 0 as const }))
    peer.send(Opcode.COMMIT, encodeCommit({ settlements: tagged, messages }))
    expect(await peer.takeError()).toMatchObject({ code })
    settle(peer, 0, [[1, 2]])
    await peer.take(Opcode.SETTLED)
  })
})
