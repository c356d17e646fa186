import {
  BrokerError,
  RecordBatchBuilder,
  decodeRecords,
  utf8Decode,
  utf8Encode,
} from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { Producer } from '../../src/producer/producer.ts'
import type { FakeBroker, FakeTopic } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { type Fixture, codeOf, openFake, textOf } from '../support/open-fake.ts'

const withTopic =
  (partitionCount = 1) =>
  (broker: FakeBroker): void =>
    void broker.createTopic('t', partitionCount)

const topicOf = ({ broker }: Fixture): FakeTopic => broker.topics.get('t') as FakeTopic

/** The values stored in a partition, as text. */
const stored = (fixture: Fixture, partition = 0): string[] => {
  const batches = topicOf(fixture).partitions[partition]?.batches ?? []
  return batches.flatMap(({ bytes }) =>
    decodeRecords(bytes).map(({ value }) => (value === null ? 'null' : utf8Decode(value))),
  )
}

const batchCount = (fixture: Fixture, partition = 0): number =>
  topicOf(fixture).partitions[partition]?.batches.length ?? 0

const textProducer = (fixture: Fixture, options = {}): Producer<string> =>
  fixture.client.producer<string>('t', { codec: 'string', ...options })

describe('a message on the wire', () => {
  it('is a PRODUCE of one batch, byte for byte', async () => {
    const fixture = await openFake(withTopic())
    const headers = [['h', 'v']] as const
    const producer = textProducer(fixture, {
      durability: 'memory',
      idempotent: false,
    })
    await producer.send({ value: 'hello', key: 'k', headers, timestamp: 1234 })
    const builder = new RecordBatchBuilder()
    const record = [{ key: 'h', value: utf8Encode('v') }]
    builder.appendFields(1234, utf8Encode('k'), utf8Encode('hello'), record)
    const batch = builder.build()
    const head = [0, 0, 0, topicOf(fixture).handle, 0, 0, 0, 0, 1, 0, 0, 0]
    const request = fixture.broker.requests.at(-1)
    expect(request).toMatchObject({ opcode: Opcode.PRODUCE, channel: 0 })
    expect([...(request?.body as Uint8Array)]).toEqual([...head, ...batch])
  })

  it('tells where it went', async () => {
    const fixture = await openFake(withTopic(3))
    const producer = textProducer(fixture)
    await producer.send({ value: 'a', partition: 2 })
    const result = await producer.send({ value: 'b', partition: 2, timestamp: new Date(99) })
    expect(result).toEqual({ topic: 't', partition: 2, offset: 1, timestamp: 99 })
  })

  it('takes the broker’s timestamp where the topic stamps what it appends', async () => {
    const fixture = await openFake(withTopic())
    fixture.broker.intercept = (request) => {
      if (request.opcode !== Opcode.PRODUCE) return false
      const answer = { baseOffset: 40, nextOffset: 41, timestampMs: 777, leaderEpoch: 0 } as const
      fixture.broker.reply(request, protocol.encodeProduced({ ...answer, durability: 2 }))
      return true
    }
    const result = await textProducer(fixture).send('a')
    expect(result).toMatchObject({ offset: 40, timestamp: 777 })
  })

  it('has the time of the call unless it brings its own', async () => {
    const fixture = await openFake(withTopic())
    const result = await textProducer(fixture).send('a')
    expect(result.timestamp).toBe(fixture.platform.now())
  })

  it('keeps null, an empty payload and headers of the producer apart', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture, { headers: { all: 'x' } })
    await producer.send({ value: null, key: 'gone' })
    await producer.send({ value: '', headers: { own: ['1', '2', null] } })
    const records = topicOf(fixture).partitions[0]?.batches.flatMap(({ bytes }) =>
      decodeRecords(bytes),
    )
    expect(records?.map(({ value }) => value)).toEqual([null, new Uint8Array(0)])
    const names = records?.map(({ headers }) => headers.map(({ key, value }) => [key, value?.[0]]))
    expect(names).toEqual([
      [['all', 120]],
      [
        ['all', 120],
        ['own', 49],
        ['own', 50],
        ['own', undefined],
      ],
    ])
  })

  it.each([
    ['a plain object', { id: 1 }, '{"id":1}'],
    ['an object with a value and more', { value: 1, unit: 'C' }, '{"value":1,"unit":"C"}'],
    ['an envelope', { value: 1 }, '1'],
    ['an envelope around one', { value: { value: 1 } }, '{"value":1}'],
    ['an array', [1], '[1]'],
    ['null', null, 'null'],
  ])('is %s', async (_name, message, text) => {
    const fixture = await openFake(withTopic())
    await fixture.client.producer<unknown>('t').send(message)
    expect(stored(fixture)).toEqual([text])
  })

  it('is copied at once: the program may use its buffers again', async () => {
    const fixture = await openFake(withTopic())
    const producer = fixture.client.producer<Uint8Array>('t', { codec: 'bytes' })
    const value = Buffer.from('one')
    const key = Buffer.from('k')
    const sent = [producer.send({ value, key })]
    value.fill('x')
    key.fill('x')
    await settle()
    value.fill('y')
    sent.push(producer.send(value))
    value.fill('z')
    await Promise.all(sent)
    expect(stored(fixture)).toEqual(['one', 'yyy'])
  })

  it.each([
    [{ value: 'a', partition: 3 }, 'partition'],
    [{ value: 'a', partition: -1 }, 'partition'],
    [{ value: 'a', partition: 0.5 }, 'partition'],
    [{ value: 'a', key: 7 }, 'key'],
    [{ value: 'a', timestamp: 0.5 }, 'timestamp'],
    [{ value: 'a', timestamp: new Date(NaN) }, 'timestamp'],
    [{ value: 'a', headers: { h: 1 } }, 'headers.h'],
    [{ value: 7 }, 'value'],
  ])('that cannot be is refused: %j', async (message, name) => {
    const fixture = await openFake(withTopic(3))
    const producer = textProducer(fixture)
    const sending = producer.send(message as never)
    await expect(sending).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    expect(await textOf(producer.send(message as never))).toContain(`argument '${name}'`)
    await producer.send('good')
    expect(stored(fixture, 0).concat(stored(fixture, 1), stored(fixture, 2))).toEqual(['good'])
  })
})

describe('batching', () => {
  it('makes one batch of what one turn sends', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture)
    await producer.send('first opens the topic')
    await Promise.all(['a', 'b', 'c'].map((text) => producer.send(text)))
    expect(batchCount(fixture)).toBe(2)
    expect(stored(fixture).slice(1)).toEqual(['a', 'b', 'c'])
  })

  it('resolves each promise of a batch with its own offset, among writes too', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture)
    await producer.ready()
    producer.write('w')
    const first = producer.send({ value: 'a', timestamp: 1 })
    producer.write('w')
    const second = producer.send({ value: 'b', timestamp: 2 })
    expect([await first, await second]).toMatchObject([
      { offset: 1, timestamp: 1 },
      { offset: 3, timestamp: 2 },
    ])
  })

  it('closes a batch before it exceeds batchBytesMax', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture, { batchBytesMax: 1_000 })
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => producer.send(`${index}`.padEnd(100))),
    )
    const sizes = topicOf(fixture).partitions[0]?.batches.map(({ bytes }) => bytes.length) ?? []
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000)
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(800)
    expect(stored(fixture).map((text) => text.trim())).toEqual(
      Array.from({ length: 50 }, (_, index) => `${index}`),
    )
  })

  it('waits lingerMs for more, not longer', async () => {
    const fixture = await openFake(withTopic())
    const { platform } = fixture
    const producer = textProducer(fixture, { lingerMs: 20 })
    const first = producer.send('a')
    await settle()
    platform.advance(19)
    const second = producer.send('b')
    await settle()
    expect(stored(fixture)).toEqual([])
    platform.advance(1)
    await Promise.all([first, second])
    expect(batchCount(fixture)).toBe(1)
    expect(platform.timerCount).toBeLessThanOrEqual(1)
  })

  it('does not let a full batch linger, and flush ends the wait', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture, { lingerMs: 60_000, batchBytesMax: 300 })
    await producer.ready()
    for (const text of ['a', 'b', 'c']) producer.write(text.padEnd(100))
    await settle()
    // Two of them fill a batch; the third waits for company.
    expect(stored(fixture)).toHaveLength(2)
    await producer.flush()
    expect(stored(fixture)).toHaveLength(3)
  })

  it('takes a lone message up to the limit of the broker, and refuses one byte more', async () => {
    const fixture = await openFake((broker) => {
      broker.connected = { ...broker.connected, batchBytesMax: 1_000 }
      broker.createTopic('t')
    })
    const producer = textProducer(fixture, { batchBytesMax: 256 })
    // 61 bytes of header; the lengths of record and value take two bytes each, five others one.
    const exact = 1_000 - 61 - 9
    await producer.send('x'.repeat(exact))
    const tooLarge = producer.send('x'.repeat(exact + 1))
    await expect(tooLarge).rejects.toMatchObject({
      code: 'ERR_BATCH_TOO_LARGE',
      message: 'a batch of 1001 bytes exceeds the limit of 1000',
    })
    expect(() => producer.write('x'.repeat(5_000))).toThrow(/5000 bytes exceeds/)
    await producer.send('small')
    expect(stored(fixture).map(({ length }) => length)).toEqual([exact, 5])
  })

  it('sends a batch beyond one frame in parts that leave room for others', async () => {
    const fixture = await openFake((broker) => {
      broker.connected = { ...broker.connected, frameBytesMax: 8 * 1024 }
      broker.createTopic('t')
    })
    const text = 'abcdefgh'.repeat(10_000)
    await textProducer(fixture).send(text)
    expect(stored(fixture)).toEqual([text])
    const bytes = fixture.link.writes.at(-1) as Uint8Array
    expect(protocol.frameLength(bytes, 0) + 4).toBe(8 * 1024)
    expect(protocol.frameFlags(bytes, 0)).toBe(protocol.FLAG_MORE)
  })

  it('keeps sixteen batches of a partition without an answer, by default', async () => {
    const fixture = await openFake(withTopic())
    fixture.broker.intercept = ({ opcode }) => opcode === Opcode.PRODUCE
    const producer = textProducer(fixture)
    for (let turn = 0; turn < 20; turn++) {
      void codeOf(producer.send(`${turn}`))
      await settle()
    }
    expect(fixture.broker.countOf(Opcode.PRODUCE)).toBe(16)
    await fixture.client.close()
  })
})

describe('the choice of the partition', () => {
  it('is Kafka’s for a key, whether text or bytes', async () => {
    const fixture = await openFake(withTopic(10))
    const producer = textProducer(fixture)
    // The hashes that Kafka's own tests of its murmur2 expect.
    const hashes: readonly (readonly [string, number])[] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ]
    for (const [key, hash] of hashes) {
      const text = await producer.send({ value: 'v', key })
      const bytes = await producer.send({ value: 'v', key: utf8Encode(key) })
      const expected = (hash & 0x7fff_ffff) % 10
      expect([key, text.partition, bytes.partition]).toEqual([key, expected, expected])
    }
  })

  it('without a key stays for a batch, then goes on to the next', async () => {
    const fixture = await openFake(withTopic(3))
    const producer = textProducer(fixture)
    const partitions: number[] = []
    for (let round = 0; round < 4; round++) {
      const results = await Promise.all([producer.send('a'), producer.send('b')])
      expect(results[0].partition).toBe(results[1].partition)
      partitions.push(results[0].partition)
    }
    expect(partitions).toEqual([0, 1, 2, 0])
  })

  it('without a key begins anywhere', async () => {
    const fixture = await openFake(withTopic(3))
    fixture.platform.randomValue = 0.99
    const { partition } = await textProducer(fixture).send('a')
    expect(partition).toBe(2)
  })

  it('is the program’s own, and an explicit partition goes before it', async () => {
    const fixture = await openFake(withTopic(4))
    const partitioner = (message: { value: string | null }, count: number): number =>
      (message.value?.length ?? 0) % count
    const producer = textProducer(fixture, { partitioner })
    const results = await Promise.all([
      producer.send('abc'),
      producer.send({ value: 'abcdef', key: 'k' }),
      producer.send({ value: 'abc', partition: 0 }),
    ])
    expect(results.map(({ partition }) => partition)).toEqual([3, 2, 0])
    expect(await codeOf(textProducer(fixture, { partitioner: () => 4 }).send('a'))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })
})

describe('durability', () => {
  it.each([
    ['topic', 0],
    ['memory', 1],
    ['none', 255],
  ])('%s asks for %d', async (durability, wanted) => {
    const fixture = await openFake(withTopic())
    const result = await textProducer(fixture, { durability }).send('a')
    const request = fixture.broker.requests.find(({ opcode }) => opcode === Opcode.PRODUCE)
    await settle()
    expect(request?.body[8] ?? fixture.broker.requests.at(-1)?.body[8]).toBe(wanted)
    expect(result.offset).toBe(durability === 'none' ? -1 : 0)
  })

  it('none waits for no answer and still flushes', async () => {
    const fixture = await openFake(withTopic())
    fixture.broker.intercept = ({ opcode }) => opcode === Opcode.PRODUCE
    const producer = textProducer(fixture, { durability: 'none', inFlightBatchesMax: 1 })
    for (let turn = 0; turn < 3; turn++) await producer.send(`${turn}`)
    await producer.flush()
    await settle()
    expect(fixture.broker.countOf(Opcode.PRODUCE)).toBe(3)
    expect(producer.bufferedBytes).toBe(0)
  })
})

describe('the options of a producer', () => {
  it.each([
    ['batchBytesMax', 255],
    ['batchBytesMax', 16 * 1024 * 1024 + 1],
    ['lingerMs', -1],
    ['lingerMs', 60_001],
    ['inFlightBatchesMax', 0],
    ['inFlightBatchesMax', 1_001],
    ['bufferedBytesMax', 0],
    ['bufferedBytesMax', 4 * 1024 * 1024 * 1024 + 1],
    ['deliveryTimeoutMs', 0],
    ['deliveryTimeoutMs', 3_600_001],
    ['durability', 'forever'],
    ['codec', 'xml'],
  ])('refuse %s of %s', async (name, value) => {
    const { client } = await openFake()
    expect(() => client.producer('t', { [name]: value })).toThrow(`argument '${name}'`)
  })

  it('take the ends of their ranges', async () => {
    const { client } = await openFake()
    const low = { batchBytesMax: 256, lingerMs: 0, inFlightBatchesMax: 1, bufferedBytesMax: 1 }
    const high = { batchBytesMax: 16 * 1024 * 1024, lingerMs: 60_000, inFlightBatchesMax: 1_000 }
    expect(() => client.producer('t', { ...low, deliveryTimeoutMs: 1 })).not.toThrow()
    expect(() => client.producer('t', { ...high, deliveryTimeoutMs: 3_600_000 })).not.toThrow()
    expect(() => client.producer('')).toThrow("argument 'topic'")
  })

  it('allow a thousand headers, and no more', async () => {
    const fixture = await openFake(withTopic())
    const producer = textProducer(fixture)
    const headers = (count: number): [string, string][] =>
      Array.from({ length: count }, () => ['h', 'v'])
    await producer.send({ value: 'a', headers: headers(1_000) })
    expect(await codeOf(producer.send({ value: 'a', headers: headers(1_001) }))).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })
})

describe('a topic that is not there', () => {
  it('is created on first use, unless the producer says no', async () => {
    const { client, broker } = await openFake()
    await client.producer('fresh').send(1)
    expect(broker.topics.has('fresh')).toBe(true)
    const strict = client.producer('other', { createTopic: false })
    expect(await codeOf(strict.send(1))).toBe('ERR_TOPIC_NOT_FOUND')
    broker.createTopic('other')
    await expect(strict.send(1)).resolves.toMatchObject({ offset: 0 })
  })

  it('says who can create it, when the broker does not', async () => {
    const { client, broker } = await openFake()
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.TOPIC_OPEN) return false
      broker.fail(request, new BrokerError('ERR_TOPIC_NOT_FOUND', ['t']))
      return true
    }
    expect(await textOf(client.producer('t').send(1))).toBe(
      "topic 't' does not exist: this broker creates none on first use, " +
        'so create it with admin.createTopic()',
    )
  })

  it('fails what waited for it, and tells the writes in flush', async () => {
    const { client } = await openFake()
    const producer = client.producer('t', { createTopic: false })
    const events: unknown[] = []
    producer.on('error', ({ error, messageCount }) => events.push([error.code, messageCount]))
    expect(producer.write(1)).toBe(false)
    producer.write(2)
    const ready = codeOf(producer.ready())
    expect(await codeOf(producer.flush())).toBe('ERR_TOPIC_NOT_FOUND')
    expect(await ready).toBe('ERR_TOPIC_NOT_FOUND')
    await settle()
    expect(events).toEqual([['ERR_TOPIC_NOT_FOUND', 2]])
    await producer.flush()
  })

  it('any more is opened again, and not created behind its owner’s back', async () => {
    const fixture = await openFake(withTopic())
    const { broker, platform } = fixture
    const producer = textProducer(fixture)
    await producer.send('a')
    broker.topics.delete('t')
    broker.createTopic('t')
    const second = producer.send('b')
    await settle()
    platform.advance(100)
    await expect(second).resolves.toMatchObject({ offset: 0 })
    broker.topics.delete('t')
    const third = codeOf(producer.send('c'))
    await settle()
    expect(await third).toBe('ERR_TOPIC_NOT_FOUND')
    expect(broker.topics.has('t')).toBe(false)
  })
})

describe('an error of the broker', () => {
  it('that cannot be retried rejects the messages of its batch only', async () => {
    const fixture = await openFake(withTopic())
    const { broker } = fixture
    let isFirst = true
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.PRODUCE || !isFirst) return false
      isFirst = false
      broker.fail(request, new BrokerError('ERR_INVALID_BATCH', ['no']))
      return true
    }
    const producer = textProducer(fixture)
    const codes = Promise.all([codeOf(producer.send('a')), codeOf(producer.send('b'))])
    await settle()
    await producer.send('c')
    expect(await codes).toEqual(['ERR_INVALID_BATCH', 'ERR_INVALID_BATCH'])
    expect(stored(fixture)).toEqual(['c'])
  })
})
