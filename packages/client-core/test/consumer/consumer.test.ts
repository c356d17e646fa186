import {
  BATCH_ATTRIBUTES_AT,
  BATCH_CRC_AT,
  BrokerError,
  RecordBatchBuilder,
  crc32c,
  errorTable,
  utf8Encode,
  writeUint32,
} from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { ConsumeOptions } from '../../src/consumer/consumer-options.ts'
import type { Consumer } from '../../src/consumer/consumer.ts'
import type { FakeBroker, FakeTopic, Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { type Fixture, batchOf, codeOf, openFake, textOf } from '../support/open-fake.ts'

interface Stage extends Fixture {
  readonly topic: FakeTopic
  consume(options?: ConsumeOptions<string>): Consumer<string>
  put(partition: number, ...texts: string[]): void
}

const stage = async (partitionCount = 1): Promise<Stage> => {
  const fixture = await openFake((broker) => void broker.createTopic('t', partitionCount))
  const { broker, client } = fixture
  const topic = broker.topics.get('t') as FakeTopic
  return {
    ...fixture,
    topic,
    consume: (options = {}) => client.consume('t', { codec: 'string', from: 'start', ...options }),
    put: (partition, ...texts) => void broker.store(topic, partition, batchOf(texts)),
  }
}

/** Reads so many messages and leaves. */
const take = async (consumer: Consumer<string>, count: number): Promise<string[]> => {
  const texts: string[] = []
  for await (const { payload } of consumer) {
    texts.push(payload as string)
    if (texts.length === count) break
  }
  return texts
}

const readAll = (consumer: Consumer<string>): Promise<string[]> => take(consumer, Infinity)

const subscribeBodies = (broker: FakeBroker): protocol.Subscribe[] =>
  broker.requests
    .filter(({ opcode }) => opcode === Opcode.SUBSCRIBE)
    .map(({ body }) => protocol.decodeSubscribe(body))

const credits = (broker: FakeBroker): number[] =>
  broker.requests
    .filter(({ opcode }) => opcode === Opcode.CREDIT)
    .map(({ body }) => protocol.decodeCredit(body).bytes)

describe('a consumer', () => {
  it('gives out the messages in order, old and new', async () => {
    const { consume, put } = await stage()
    put(0, 'a', 'b')
    put(0, 'c')
    const reading = take(consume(), 5)
    await settle()
    put(0, 'd', 'e')
    expect(await reading).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('gives out all of a message', async () => {
    const { broker, topic, client } = await stage()
    const builder = new RecordBatchBuilder()
    const headers = [
      { key: 'h', value: utf8Encode('1') },
      { key: 'h', value: null },
    ]
    builder.appendFields(1_000, utf8Encode('clé'), utf8Encode('{"a":1}'), headers)
    builder.appendFields(1_001, null, null, [])
    broker.store(topic, 0, builder.build())
    const consumer = client.consume<{ a: number }>('t', { from: 'start', follow: false })
    const [first, second] = await consumer
      .batches()
      .next()
      .then(({ value }) => value ?? [])
    expect(first).toMatchObject({ topic: 't', partition: 0, offset: 0, timestamp: 1_000 })
    expect([first?.keyText, first?.payload]).toEqual(['clé', { a: 1 }])
    expect(first?.headers.getAll('h')).toEqual(['1', null])
    expect([second?.key, second?.keyText, second?.bytes, second?.payload]).toEqual([
      null,
      null,
      null,
      null,
    ])
    expect(second?.headers.count).toBe(0)
  })

  it.each<readonly [string, ConsumeOptions<string>, unknown]>([
    ['start', { from: 'start' }, 'earliest'],
    ['end', { from: 'end' }, 'latest'],
    ['end by default', {}, 'latest'],
    ['start by default when it does not follow', { follow: false }, 'earliest'],
    ['an offset', { from: 7 }, 7],
    ['a date', { from: new Date(99) }, { timestamp: 99 }],
    ['offsets', { from: { offsets: { 0: 5 } } }, { offsets: { '0': 5 } }],
  ])('begins at %s', async (_name, options, from) => {
    const { client, broker } = await stage()
    await client.consume('t', options).ready()
    expect(subscribeBodies(broker)).toMatchObject([
      { topic: 't', from, credit: 4 * 1024 * 1024, maxBytesPerDeliver: 256 * 1024 },
    ])
  })

  it('skips what is below the offset it asked for: a batch may begin earlier', async () => {
    const { consume, put } = await stage()
    put(0, 'a', 'b', 'c')
    expect(await take(consume({ from: 1 }), 2)).toEqual(['b', 'c'])
  })

  it('asks only for the partitions it is told to', async () => {
    const { consume, put } = await stage(3)
    for (const partition of [0, 1, 2]) put(partition, `p${partition}`)
    expect(await readAll(consume({ partitions: [2, 0], follow: false }))).toEqual(['p2', 'p0'])
  })

  it('takes turns between partitions, whatever waits in one of them', async () => {
    const { consume, put } = await stage(2)
    for (const text of ['a', 'b', 'c']) put(0, text)
    for (const text of ['x', 'y']) put(1, text)
    const consumer = consume({ deliveryBytesMax: 1, follow: false })
    await consumer.ready()
    await settle()
    expect(await readAll(consumer)).toEqual(['a', 'x', 'b', 'y', 'c'])
  })

  it('subscribes once, with ready or with the first message', async () => {
    const { consume, put, broker } = await stage()
    const consumer = consume({ from: 'end' })
    expect(broker.countOf(Opcode.SUBSCRIBE)).toBe(0)
    await consumer.ready()
    put(0, 'a')
    expect(await take(consumer, 1)).toEqual(['a'])
    expect(broker.countOf(Opcode.SUBSCRIBE)).toBe(1)
  })

  it('creates a missing topic where the broker allows it, and only when it follows', async () => {
    const { client, broker } = await stage()
    await client.consume('fresh').ready()
    expect(broker.topics.has('fresh')).toBe(true)
    for (const options of [{ follow: false }, { createTopic: false }]) {
      expect(await codeOf(client.consume('other', options).ready())).toBe('ERR_TOPIC_NOT_FOUND')
    }
    const strict = await openFake((fake) => {
      fake.connected = { ...fake.connected, autoCreateTopics: false }
    })
    expect(await codeOf(strict.client.consume('t').ready())).toBe('ERR_TOPIC_NOT_FOUND')
  })

  it('gives lists of one partition each with batches()', async () => {
    const { consume, put } = await stage(2)
    put(0, 'a', 'b')
    put(1, 'c')
    const lists: string[][] = []
    for await (const messages of consume({ follow: false }).batches()) {
      lists.push(messages.map(({ payload }) => payload as string))
    }
    expect(lists).toEqual([['a', 'b'], ['c']])
  })

  it('answers calls of next that do not wait for each other, in order', async () => {
    const { consume, put } = await stage()
    const iterator = consume()[Symbol.asyncIterator]()
    const all = [1, 2, 3, 4].map(() => iterator.next())
    await settle()
    put(0, 'a', 'b', 'c')
    await settle()
    put(0, 'd')
    const results = await Promise.all(all)
    expect(results.map(({ value }) => value?.payload)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('stays quiet while a large delivery arrives in parts', async () => {
    const { consume, put, link } = await stage()
    link.chunkBytes = 1_000
    const text = 'x'.repeat(600_000)
    put(0, text)
    expect(await take(consume(), 1)).toEqual([text])
  })
})

describe('credit', () => {
  it('goes back for what was taken, in quarters, or when nothing waits', async () => {
    const { consume, put, broker } = await stage()
    const batchBytes = batchOf(['x'.repeat(939)]).length
    const consumer = consume({ creditBytes: 16 * batchBytes, deliveryBytesMax: 1 })
    for (let count = 0; count < 10; count++) put(0, 'x'.repeat(939))
    const iterator = consumer[Symbol.asyncIterator]()
    for (let count = 0; count < 11; count++) {
      if (count < 10) await iterator.next()
      else void iterator.next()
      await settle()
    }
    expect(credits(broker)).toEqual([4 * batchBytes, 4 * batchBytes, 2 * batchBytes])
    await consumer.close()
  })

  it('stops a broker until the program takes what is there', async () => {
    const { consume, put, topic, broker } = await stage()
    for (let count = 0; count < 50; count++) put(0, 'x'.repeat(1_000))
    const consumer = consume({ creditBytes: 5_000, deliveryBytesMax: 1 })
    await consumer.ready()
    await settle()
    const delivered = (): number => [...broker.subscriptions.values()][0]?.partitions.get(0) ?? -1
    expect(delivered()).toBe(5)
    expect(await take(consumer, 20)).toHaveLength(20)
    expect(topic.partitions[0]?.next).toBe(50)
    expect(delivered()).toBe(-1)
  })

  it('that is overdrawn by more than one delivery ends the connection', async () => {
    const { consume, client, broker } = await stage()
    const consumer = consume({ creditBytes: 1_024 })
    await consumer.ready()
    const batches = batchOf(['x'.repeat(2_000)])
    const deliver = (nextOffset: number): void => {
      const body = { partition: 0, highWatermark: 9, nextOffset, batches }
      broker.push(Opcode.DELIVER, 1, protocol.encodeDeliver(body))
    }
    deliver(1)
    await settle()
    expect(client.isOpen).toBe(true)
    deliver(2)
    await settle()
    expect(client.isOpen).toBe(false)
    expect((await client.closed)?.message).toContain('subscription 1, which has no credit left')
  })
})

describe('an end', () => {
  it('by break unsubscribes, and what was on its way hurts nobody', async () => {
    const { consume, put, broker, client } = await stage()
    put(0, 'a', 'b', 'c')
    const consumer = consume()
    const held: Request[] = []
    broker.intercept = (request) => request.opcode === Opcode.UNSUBSCRIBE && held.push(request) > 0
    const reading = take(consumer, 1)
    await settle()
    put(0, 'late')
    await settle()
    for (const request of held) broker.handle(request)
    expect(await reading).toEqual(['a'])
    expect(broker.subscriptions.size).toBe(0)
    expect(client.isOpen).toBe(true)
    const again = await consumer[Symbol.asyncIterator]().next()
    expect(again.done).toBe(true)
  })

  it('with follow: false comes at what was there when it began', async () => {
    const { consume, put } = await stage(2)
    put(0, 'a', 'b')
    put(1, 'c')
    const consumer = consume({ follow: false })
    await consumer.ready()
    put(0, 'late')
    expect((await readAll(consumer)).sort()).toEqual(['a', 'b', 'c'])
  })

  it('with follow: false may come in the middle of a batch', async () => {
    const { consume, put, broker } = await stage()
    put(0, 'a', 'b', 'c')
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.LIST_OFFSETS) return false
      const offsets = [{ partition: 0, offset: 2, timestamp: -1, highWatermark: 2 }]
      broker.reply(request, protocol.encodeOffsetsListed({ offsets }))
      return true
    }
    expect(await readAll(consume({ follow: false }))).toEqual(['a', 'b'])
  })

  it('with follow: false comes at once on an empty topic, and when it begins at the end', async () => {
    const { consume, put } = await stage(2)
    expect(await readAll(consume({ follow: false }))).toEqual([])
    put(0, 'a')
    expect(await readAll(consume({ follow: false, from: 'end' }))).toEqual([])
    expect(await readAll(consume({ follow: false, from: 5 }))).toEqual([])
  })

  it('by abort throws, also while nothing comes and before anything began', async () => {
    const { consume } = await stage()
    const controller = new AbortController()
    const reading = codeOf(readAll(consume({ signal: controller.signal })))
    await settle()
    controller.abort()
    expect(await reading).toBe('ERR_ABORTED')
    const late = consume({ signal: controller.signal })
    expect(await codeOf(readAll(late))).toBe('ERR_ABORTED')
    expect(await codeOf(late.ready())).toBe('ERR_ABORTED')
  })

  it('by close is quiet', async () => {
    const { consume, broker } = await stage()
    const consumer = consume()
    const reading = readAll(consumer)
    await settle()
    await consumer.close()
    await consumer.close()
    expect(await reading).toEqual([])
    expect(broker.subscriptions.size).toBe(0)
  })

  it('of the client ends the iterations quietly, on close and on drain', async () => {
    for (const how of ['close', 'drain'] as const) {
      const { consume, client } = await stage()
      const reading = readAll(consume())
      await settle()
      await client[how]()
      expect(await reading).toEqual([])
    }
  })

  it('of the connection throws what it was, behind the messages that had come', async () => {
    const { consume, put, link } = await stage()
    put(0, 'a')
    const consumer = consume()
    await consumer.ready()
    await settle()
    link.end(new Error('ECONNRESET'))
    await settle()
    const iterator = consumer[Symbol.asyncIterator]()
    expect((await iterator.next()).value?.payload).toBe('a')
    expect(await textOf(iterator.next())).toBe('the connection was lost: ECONNRESET')
    expect((await iterator.next()).done).toBe(true)
  })

  it.each(['ERR_TOPIC_DELETED', 'ERR_NOT_AUTHORIZED'] as const)(
    'by the broker throws %s',
    async (code) => {
      const { consume, broker } = await stage()
      const consumer = consume()
      const reading = consumer[Symbol.asyncIterator]().next()
      await settle()
      const end = { subscription: 1, code: errorTable[code].wire, message: 'gone' }
      broker.push(Opcode.SUBSCRIPTION_END, 1, protocol.encodeSubscriptionEnd(end))
      await expect(reading).rejects.toMatchObject({ code, message: 'gone' })
    },
  )

  it('by a refusal of the broker throws it', async () => {
    const { consume } = await stage()
    expect(await codeOf(readAll(consume({ partitions: [9] })))).toBe('ERR_PARTITION_NOT_FOUND')
  })

  it('before an answer came unsubscribes what may have been subscribed', async () => {
    const { consume, broker } = await stage()
    broker.intercept = ({ opcode }) => opcode === Opcode.SUBSCRIBE
    const controller = new AbortController()
    const ready = codeOf(consume({ signal: controller.signal }).ready())
    await settle()
    controller.abort()
    expect(await ready).toBe('ERR_ABORTED')
    await settle()
    expect(broker.countOf(Opcode.UNSUBSCRIBE)).toBe(1)
  })
})

describe('a position', () => {
  it('is behind the messages that were given out', async () => {
    const { consume, put } = await stage(2)
    put(0, 'a', 'b', 'c')
    const consumer = consume()
    const seen: unknown[] = []
    for await (const { payload } of consumer) {
      seen.push([payload, consumer.offsets()[0]])
      if (payload === 'b') break
    }
    expect(seen).toEqual([
      ['a', 1],
      ['b', 2],
    ])
    const resumed = consume({ from: { offsets: consumer.offsets() } })
    expect(await take(resumed, 1)).toEqual(['c'])
  })

  it('moves over a gap that a delivery without batches tells of', async () => {
    const { consume, broker } = await stage()
    const consumer = consume()
    void consumer[Symbol.asyncIterator]().next()
    await settle()
    const gap = { partition: 0, highWatermark: 50, nextOffset: 40, batches: new Uint8Array(0) }
    broker.push(Opcode.DELIVER, 1, protocol.encodeDeliver(gap))
    await settle()
    expect(consumer.offsets()).toEqual({ 0: 40 })
    await consumer.close()
  })
})

describe('a damaged batch', () => {
  const damage = (batch: Uint8Array, at: number): Uint8Array => {
    const damaged = new Uint8Array(batch)
    damaged[at] = (damaged[at] as number) ^ 1
    return damaged
  }

  it('is refused by its checksum, unless the program does not want to know', async () => {
    const { consume, broker, topic } = await stage()
    const batch = batchOf(['abc'])
    broker.store(topic, 0, damage(batch, batch.length - 2))
    await expect(readAll(consume({ follow: false }))).rejects.toMatchObject({
      code: 'ERR_BATCH_CHECKSUM',
      message: expect.stringContaining('on the way or on the disk') as string,
    })
    await settle()
    expect(broker.subscriptions.size).toBe(0)
    const texts = await readAll(consume({ follow: false, verifyChecksums: false }))
    expect(texts).toEqual(['abb'])
  })

  it.each([
    ['cut short', (batch: Uint8Array) => batch.subarray(0, batch.length - 1)],
    ['a header only', (batch: Uint8Array) => batch.subarray(0, 20)],
    ['not a batch', () => new Uint8Array(100)],
  ])('%s is refused', async (_name, spoil) => {
    const { consume, broker, client } = await stage()
    const consumer = consume()
    await consumer.ready()
    const batches = spoil(batchOf(['abc']))
    const deliver = { partition: 0, highWatermark: 1, nextOffset: 1, batches }
    broker.push(Opcode.DELIVER, 1, protocol.encodeDeliver(deliver))
    expect(await codeOf(readAll(consumer))).toBe('ERR_INVALID_BATCH')
    expect(client.isOpen).toBe(true)
  })

  it('of a record count that lies is refused though its checksum is right', async () => {
    const { consume, broker, topic } = await stage()
    const batch = batchOf(['abc'])
    writeUint32(batch, 57, 1_000_000)
    writeUint32(batch, BATCH_CRC_AT, crc32c(batch.subarray(BATCH_ATTRIBUTES_AT)))
    topic.partitions[0]?.batches.push({ baseOffset: 0, nextOffset: 1, bytes: batch })
    expect(await codeOf(take(consume(), 1))).toBe('ERR_INVALID_BATCH')
    expect(broker.isClosed).toBe(false)
  })

  it('of control records is passed over', async () => {
    const { consume, put, broker, topic } = await stage()
    const builder = new RecordBatchBuilder({ isControl: true })
    builder.appendFields(1, utf8Encode('k'), utf8Encode('marker'), [])
    broker.store(topic, 0, builder.build())
    put(0, 'a')
    const messages: number[] = []
    for await (const { offset } of consume({ follow: false })) messages.push(offset)
    expect(messages).toEqual([1])
  })

  it('of a payload that is not what the codec says throws when it is looked at', async () => {
    const { client, put } = await stage()
    put(0, 'not json')
    const { value } = await client.consume('t', { from: 'start' })[Symbol.asyncIterator]().next()
    expect(() => value?.payload).toThrow('the payload cannot be read as json')
    expect(value?.bytes).toEqual(utf8Encode('not json'))
    await client.close()
  })
})

describe('the options of a consumer', () => {
  it.each([
    ['creditBytes', 1_023],
    ['creditBytes', 1024 * 1024 * 1024 + 1],
    ['deliveryBytesMax', 0],
    ['deliveryBytesMax', 16 * 1024 * 1024 + 1],
    ['from', -1],
    ['from', 0.5],
    ['from', 'yesterday'],
    ['from', new Date(NaN)],
    ['from', { offsets: { 0: -1 } }],
    ['codec', 'xml'],
  ])('refuse %s of %s', async (name, value) => {
    const { client } = await openFake()
    expect(() => client.consume('t', { [name]: value })).toThrow(`argument '${name}`)
  })

  it('take the ends of their ranges', async () => {
    const { client } = await openFake()
    const high = { creditBytes: 1024 * 1024 * 1024, deliveryBytesMax: 16 * 1024 * 1024 }
    expect(() => client.consume('t', { creditBytes: 1_024, deliveryBytesMax: 1 })).not.toThrow()
    expect(() => client.consume('t', { ...high, from: 0 })).not.toThrow()
  })
})

describe('an answer that is not one', () => {
  it('because it confirms another subscription ends the connection', async () => {
    const { consume, broker, client } = await stage()
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.SUBSCRIBE) return false
      const subscribed = { subscription: 9, topic: 't', partitions: [] }
      broker.reply(request, protocol.encodeSubscribed(subscribed))
      return true
    }
    expect(await textOf(consume().ready())).toContain('it confirms subscription 9 for 1')
    expect(client.isOpen).toBe(false)
  })

  it('because it cannot be read ends the connection and the iteration', async () => {
    const { consume, broker, client } = await stage()
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.SUBSCRIBE) return false
      broker.reply(request, Uint8Array.of(0x80))
      return true
    }
    expect(await codeOf(readAll(consume()))).toBe('ERR_CONNECTION_LOST')
    await expect(client.closed).resolves.toBeInstanceOf(BrokerError)
  })
})
