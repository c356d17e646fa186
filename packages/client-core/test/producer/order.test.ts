/** Order and outcome when batches fail: the rule is drawn above `PartitionPipeline`. */
import { BrokerError, type ErrorCode, decodeRecords, utf8Decode } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { Producer } from '../../src/producer/producer.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { type Fixture, codeOf, openFake, textOf } from '../support/open-fake.ts'

interface Stage extends Fixture {
  readonly producer: Producer<string>
  /** PRODUCE requests that wait for the test's verdict. */
  readonly held: Request[]
  /** One batch per text; the outcome is the offset or the code. */
  sendEach(...texts: string[]): Promise<Promise<unknown>[]>
  accept(index: number): Promise<void>
  refuse(index: number, code?: ErrorCode): Promise<void>
  stored(): string[]
}

const textsOf = (body: Uint8Array): string[] =>
  decodeRecords(protocol.decodeProduce(body).batch).map(({ value }) =>
    utf8Decode(value as Uint8Array),
  )

const stage = async (options = {}): Promise<Stage> => {
  const fixture = await openFake((broker) => void broker.createTopic('t'), {
    requestTimeoutMs: 1_000,
  })
  const { broker, client } = fixture
  const producer = client.producer<string>('t', {
    codec: 'string',
    idempotent: false,
    ...options,
  })
  await producer.ready()
  const held: Request[] = []
  broker.intercept = (request) => request.opcode === Opcode.PRODUCE && held.push(request) > 0
  return {
    ...fixture,
    producer,
    held,
    sendEach: async (...texts) => {
      const outcomes: Promise<unknown>[] = []
      for (const text of texts) {
        const sending = producer.send(text)
        outcomes.push(codeOf(sending).then(async (code) => code ?? (await sending).offset))
        await settle()
      }
      return outcomes
    },
    accept: async (index) => {
      broker.handle(held[index] as Request)
      await settle()
    },
    refuse: async (index, code = 'ERR_STORAGE_FULL') => {
      broker.fail(held[index] as Request, new BrokerError(code))
      await settle()
    },
    stored: () =>
      (broker.topics.get('t')?.partitions[0]?.batches ?? []).flatMap(({ bytes }) =>
        decodeRecords(bytes).map(({ value }) => utf8Decode(value as Uint8Array)),
      ),
  }
}

describe('after a retriable failure', () => {
  it('nothing is sent until everything in flight is settled, then all goes out in order', async () => {
    const { sendEach, refuse, held, accept, platform, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0)
    outcomes.push(...(await sendEach('d')))
    platform.advance(10_000 / 20)
    expect(held).toHaveLength(3)
    await refuse(1)
    await refuse(2)
    expect(held).toHaveLength(3)
    platform.advance(1)
    await settle()
    expect(held.slice(3).flatMap(({ body }) => textsOf(body))).toEqual(['a', 'b', 'c', 'd'])
    for (const index of [3, 4, 5, 6]) await accept(index)
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2, 3])
    expect(stored()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('what failed goes before what was full and waited', async () => {
    const { producer, held, refuse, accept, platform, stored } = await stage({
      inFlightBatchesMax: 1,
      batchBytesMax: 256,
    })
    const texts = ['a', 'b', 'c'].map((text) => text.repeat(150))
    producer.write(texts[0] as string)
    await settle()
    for (const text of texts.slice(1)) producer.write(text)
    const flushing = producer.flush()
    await refuse(0)
    platform.advance(100)
    await settle()
    for (const index of [1, 2, 3]) await accept(index)
    await flushing
    expect(held).toHaveLength(4)
    expect(stored()).toEqual(texts)
  })

  it('waits before the resend, longer each time, and not beyond two seconds', async () => {
    const { sendEach, refuse, held, platform } = await stage()
    platform.randomValue = 0.999_999
    void (await sendEach('a'))
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      await refuse(attempt)
      let ms = 0
      while (held.length === attempt + 1) {
        platform.advance(10)
        ms += 10
        await settle()
      }
      waits.push(ms)
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
  })

  it('a batch that a later one overtook is not sent again: it would turn the order around', async () => {
    const { sendEach, refuse, accept, held, platform, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0)
    await accept(1)
    expect(await outcomes[0]).toBe('ERR_STORAGE_FULL')
    await refuse(2)
    platform.advance(100)
    await settle()
    expect(held.slice(3).flatMap(({ body }) => textsOf(body))).toEqual(['c'])
    await accept(3)
    expect(await Promise.all(outcomes)).toEqual(['ERR_STORAGE_FULL', 0, 1])
    expect(stored()).toEqual(['b', 'c'])
  })

  it('of a batch, one that cannot be retried does not stand in the way of the others', async () => {
    const { sendEach, refuse, accept, platform, stored } = await stage()
    const outcomes = await sendEach('a', 'b', 'c')
    await refuse(0)
    await refuse(1, 'ERR_INVALID_BATCH')
    await refuse(2)
    platform.advance(100)
    await settle()
    await accept(3)
    await accept(4)
    expect(await Promise.all(outcomes)).toEqual([0, 'ERR_INVALID_BATCH', 1])
    expect(stored()).toEqual(['a', 'c'])
  })

  it('the other partitions go on', async () => {
    const fixture = await openFake((broker) => void broker.createTopic('t', 2))
    const { broker, client } = fixture
    const producer = client.producer<string>('t', { codec: 'string' })
    await producer.ready()
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.PRODUCE) return false
      if (protocol.decodeProduce(request.body).partition !== 0) return false
      broker.fail(request, new BrokerError('ERR_BUSY'))
      return true
    }
    void codeOf(producer.send({ value: 'a', partition: 0 }))
    await settle()
    const results = await Promise.all(
      ['b', 'c'].map((value) => producer.send({ value, partition: 1 })),
    )
    expect(results.map(({ offset }) => offset)).toEqual([0, 1])
    await client.close()
  })

  it('gives up when deliveryTimeoutMs is over, with the error of the broker', async () => {
    const { sendEach, refuse, held, platform } = await stage({ deliveryTimeoutMs: 500 })
    const [outcome] = await sendEach('a')
    for (let attempt = 0; attempt < 5; attempt++) {
      await refuse(attempt)
      platform.advance(100)
      await settle()
    }
    await refuse(5)
    expect(await outcome).toBe('ERR_STORAGE_FULL')
    expect(held).toHaveLength(6)
  })
})

describe('a batch without an answer', () => {
  it('is sent again after a pause, and may be stored twice', async () => {
    const { sendEach, accept, held, platform, stored } = await stage()
    const [outcome] = await sendEach('a')
    platform.advance(1_000)
    await settle()
    platform.advance(50)
    await settle()
    expect(held).toHaveLength(2)
    await accept(0)
    await accept(1)
    expect(await outcome).toBe(1)
    expect(stored()).toEqual(['a', 'a'])
  })

  it('may or may not have been stored when its time is over, and says so', async () => {
    const { producer, held, platform } = await stage({ deliveryTimeoutMs: 1_000 })
    const text = textOf(producer.send('a'))
    await settle()
    platform.advance(1_000)
    expect(await text).toBe(
      'no answer within 1000 ms: it may or may not have happened: ' +
        'the messages in flight may or may not have been stored',
    )
    platform.advance(10_000)
    await settle()
    expect(held).toHaveLength(1)
  })

  it('keeps what was refused before it from being sent behind it', async () => {
    const { sendEach, refuse, held, platform } = await stage({ deliveryTimeoutMs: 1_000 })
    const outcomes = await sendEach('a', 'b')
    await refuse(0)
    platform.advance(1_000)
    await settle()
    expect(await Promise.all(outcomes)).toEqual(['ERR_STORAGE_FULL', 'ERR_TIMED_OUT'])
    expect(held).toHaveLength(2)
  })

  it('has a late answer ignored', async () => {
    const { sendEach, accept, producer, platform, broker } = await stage({
      deliveryTimeoutMs: 1_000,
    })
    const [outcome] = await sendEach('a')
    platform.advance(1_000)
    expect(await outcome).toBe('ERR_TIMED_OUT')
    await accept(0)
    broker.intercept = undefined
    await expect(producer.send('b')).resolves.toMatchObject({ offset: 1 })
  })
})

describe('a lost connection', () => {
  it('leaves what was in flight unknown, and fails the rest as not sent', async () => {
    const { client, producer, link, held } = await stage({ inFlightBatchesMax: 1 })
    const flying = textOf(producer.send('a'))
    await settle()
    const waiting = textOf(producer.send('b'))
    producer.write('c')
    const flush = codeOf(producer.flush())
    expect(held).toHaveLength(1)
    link.end(new Error('ECONNRESET'))
    expect(await flying).toBe(
      'the connection was lost: ECONNRESET: the messages in flight may or may not have been stored',
    )
    expect(await waiting).toBe('the connection was lost: ECONNRESET')
    expect(await flush).toBe('ERR_CONNECTION_LOST')
    await client.closed
    expect(await codeOf(producer.send('d'))).toBe('ERR_CONNECTION_LOST')
    expect(await codeOf(producer.ready())).toBe('ERR_CONNECTION_LOST')
    expect(() => producer.write('e')).toThrow('the connection was lost')
    await producer.close()
    await client.drain()
  })

  it('while a resend waits fails it, and leaves no timer', async () => {
    const { sendEach, refuse, link, platform, client } = await stage()
    const [outcome] = await sendEach('a')
    await refuse(0)
    link.end()
    expect(await outcome).toBe('ERR_CONNECTION_LOST')
    await client.closed
    expect(platform.timerCount).toBe(0)
  })
})
