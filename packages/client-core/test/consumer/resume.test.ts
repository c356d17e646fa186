/** A consumer across connections: each message once, in order, and a gap where there is one. */
import { BrokerError, errorTable } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { ConsumeOptions } from '../../src/consumer/consumer-options.ts'
import type { Consumer, ConsumerGapEvent } from '../../src/consumer/consumer.ts'
import { type Cluster, openCluster } from '../support/cluster.ts'
import type { FakeBroker, FakePartition, FakeTopic } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { batchOf, codeOf } from '../support/open-fake.ts'

interface Stage extends Cluster {
  readonly broker: FakeBroker
  readonly consumer: Consumer<string>
  readonly gaps: ConsumerGapEvent[]
  put(partition: number, ...texts: string[]): void
  /** Retention: nothing below `offset` is left. */
  remove(partition: number, offset: number): void
  next(): Promise<string>
}

const stage = async (options: ConsumeOptions<string> = {}, partitions = 1): Promise<Stage> => {
  const cluster = await openCluster(1, (it) => {
    it.createTopic('t', partitions)
    it.checksEnd = true
  })
  const broker = cluster.brokers[0] as FakeBroker
  const consumer = cluster.client.consume<string>('t', {
    codec: 'string',
    from: 'start',
    ...options,
  })
  const gaps: ConsumerGapEvent[] = []
  consumer.on('gap', (gap) => gaps.push(gap))
  await consumer.ready()
  const iterator = consumer[Symbol.asyncIterator]()
  const topic = (): FakeTopic => broker.topics.get('t') as FakeTopic
  return {
    ...cluster,
    broker,
    consumer,
    gaps,
    put: (partition, ...texts) => void broker.store(topic(), partition, batchOf(texts)),
    remove: (partition, offset) => {
      const log = topic().partitions[partition] as FakePartition
      log.earliest = offset
      const kept = log.batches.filter(({ nextOffset }) => nextOffset > offset)
      log.batches.splice(0, log.batches.length, ...kept)
    },
    next: async () => (await iterator.next()).value?.payload as string,
  }
}

const fromOf = (broker: FakeBroker): unknown[] =>
  broker.requests
    .filter(({ opcode }) => opcode === Opcode.SUBSCRIBE)
    .map(({ body }) => protocol.decodeSubscribe(body).from)

const creditOf = (broker: FakeBroker): number | undefined => {
  const last = broker.requests.findLast(({ opcode }) => opcode === Opcode.SUBSCRIBE)
  return last === undefined ? undefined : protocol.decodeSubscribe(last.body).credit
}

describe('after a lost connection', () => {
  it('a consumer goes on behind what it received, given out or not', async () => {
    const { broker, put, next, drop, recover } = await stage()
    put(0, 'a', 'b')
    put(0, 'c')
    await settle()
    expect(await next()).toBe('a')
    await drop()
    put(0, 'd')
    await recover()
    expect(fromOf(broker)).toEqual(['earliest', { offsets: { 0: 3 } }])
    expect([await next(), await next(), await next()]).toEqual(['b', 'c', 'd'])
  })

  it('one that began at the end goes on where the end was', async () => {
    const { broker, put, next, drop, recover } = await stage({ from: 'end' })
    await drop()
    put(0, 'missed')
    await recover()
    expect(fromOf(broker)).toEqual(['latest', { offsets: { 0: 0 } }])
    expect(await next()).toBe('missed')
  })

  it('the credit is what is left of it: what waits is not given twice', async () => {
    const { broker, put, drop, recover } = await stage({ creditBytes: 4_096 })
    put(0, 'x'.repeat(1_000))
    await settle()
    await drop()
    await recover()
    const bytes = broker.topics.get('t')?.partitions[0]?.batches[0]?.bytes.length as number
    expect(creditOf(broker)).toBe(4_096 - bytes)
  })

  it('without credit it subscribes when the program has taken something', async () => {
    const { broker, put, next, drop, recover } = await stage({ creditBytes: 1_024 })
    put(0, 'x'.repeat(2_000))
    put(0, 'b')
    await settle()
    await drop()
    await recover()
    expect(fromOf(broker)).toHaveLength(1)
    await next()
    expect(await next()).toBe('b')
    expect(fromOf(broker)).toEqual(['earliest', { offsets: { 0: 1 } }])
  })

  it('while it subscribed, subscribes again as it was asked to', async () => {
    const { client, brokers, drop, recover } = await openCluster(1, (it) => {
      it.createTopic('t')
      it.intercept = ({ opcode }) => opcode === Opcode.SUBSCRIBE
    })
    const consumer = client.consume('t', { from: 'end' })
    const ready = consumer.ready()
    await settle()
    brokers[0]!.intercept = undefined
    await drop()
    await recover()
    await ready
    expect(fromOf(brokers[0] as FakeBroker)).toEqual(['latest', 'latest'])
    await client.close()
  })

  it('a partition that was added meanwhile joins from its start', async () => {
    const { broker, put, next, drop, recover } = await stage()
    await drop()
    const { partitions } = broker.topics.get('t') as FakeTopic
    partitions.push({ batches: [], next: 0, earliest: 0, producers: new Map() })
    put(1, 'new')
    await recover()
    expect(await next()).toBe('new')
  })

  it('many times gives out each message once, in order', async () => {
    const { put, next, drop, recover } = await stage()
    const seen: string[] = []
    for (let round = 0; round < 20; round++) {
      put(0, `${round}a`, `${round}b`)
      await settle()
      if (round % 3 !== 2) await drop()
      put(0, `${round}c`)
      await recover()
      for (let count = 0; count < 3; count++) seen.push(await next())
    }
    const expected = Array.from({ length: 20 }, (_, it) => [`${it}a`, `${it}b`, `${it}c`])
    expect(seen).toEqual(expected.flat())
  })

  it('a topic that was created again is another one: the iteration ends', async () => {
    const { broker, put, next, drop, recover } = await stage()
    put(0, 'a')
    await settle()
    await drop()
    broker.topics.clear()
    broker.createTopic('t')
    put(0, 'other', 'others')
    await recover()
    expect(await next()).toBe('a')
    expect(await codeOf(next())).toBe('ERR_TOPIC_DELETED')
  })

  it('a topic that is gone ends the iteration', async () => {
    const { broker, next, drop, recover } = await stage()
    await drop()
    broker.topics.clear()
    await recover()
    expect(await codeOf(next())).toBe('ERR_TOPIC_NOT_FOUND')
  })

  it('a broker that is busy is asked again', async () => {
    const { broker, put, next, drop, recover, platform } = await stage()
    await drop()
    put(0, 'a')
    let refusals = 0
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.SUBSCRIBE || refusals++ >= 2) return false
      broker.fail(request, new BrokerError('ERR_BUSY'))
      return true
    }
    await recover()
    for (let wait = 0; wait < 3; wait++) {
      platform.advance(2_000)
      await settle()
    }
    expect(await next()).toBe('a')
  })

  it('close and abort end a consumer that waits for the next connection', async () => {
    const { consumer, next, drop, client } = await stage()
    const reading = next()
    await drop()
    await consumer.close()
    expect(await reading).toBeUndefined()
    const controller = new AbortController()
    const other = client.consume('t', { signal: controller.signal })
    const waiting = codeOf(other[Symbol.asyncIterator]().next())
    await settle()
    controller.abort()
    expect(await waiting).toBe('ERR_ABORTED')
    await client.close()
  })

  it('a fetch goes on, as does what asks for the next one', async () => {
    const { client, broker, put, drop, recover } = await stage()
    put(0, 'a')
    broker.intercept = ({ opcode }) => opcode === Opcode.FETCH
    const fetching = client.fetch<string>('t', 0, 0, { codec: 'string', maxWaitMs: 1_000 })
    await settle()
    broker.intercept = undefined
    await drop()
    await recover()
    expect((await fetching).messages.map(({ payload }) => payload)).toEqual(['a'])
  })
})

describe('a gap', () => {
  it('by retention while there was no connection is reported, and passed', async () => {
    const { put, remove, next, gaps, drop, recover, platform, consumer } = await stage()
    put(0, 'a', 'b')
    await settle()
    await drop()
    put(0, 'lost')
    put(0, 'kept')
    remove(0, 3)
    await recover()
    platform.advance(50)
    await settle()
    expect([await next(), await next(), await next()]).toEqual(['a', 'b', 'kept'])
    expect(gaps).toMatchObject([
      { topic: 't', partition: 0, from: 2, to: 3, error: { code: 'ERR_OFFSET_OUT_OF_RANGE' } },
    ])
    expect(consumer.offsets()).toEqual({ 0: 4 })
  })

  it('under a slow reader ends the subscription at the broker, and is passed too', async () => {
    const { broker, put, remove, next, gaps, platform } = await stage({}, 2)
    put(1, 'other')
    await settle()
    put(0, 'kept')
    const code = errorTable.ERR_OFFSET_OUT_OF_RANGE.wire
    broker.subscriptions.clear()
    broker.push(
      Opcode.SUBSCRIPTION_END,
      1,
      protocol.encodeSubscriptionEnd({ subscription: 1, code, message: 'gone' }),
    )
    await settle()
    put(0, 'lost')
    put(0, 'after')
    remove(0, 2)
    platform.advance(50)
    await settle()
    platform.advance(100)
    await settle()
    expect((await Promise.all([next(), next(), next()])).sort()).toEqual(['after', 'kept', 'other'])
    expect(gaps).toMatchObject([{ partition: 0, from: 1, to: 2 }])
  })

  it('by damage is as long as the broker says', async () => {
    const { broker, put, next, gaps, platform } = await stage()
    put(0, 'a')
    put(0, 'damaged')
    put(0, 'b')
    await settle()
    const log = broker.topics.get('t')?.partitions[0] as FakePartition
    expect([await next(), await next(), await next()]).toEqual(['a', 'damaged', 'b'])
    broker.subscriptions.clear()
    const code = errorTable.ERR_DATA_CORRUPT.wire
    const end = { subscription: 1, code, message: 'damaged', partition: 0, from: 3, to: 7 }
    log.next = 7
    broker.push(Opcode.SUBSCRIPTION_END, 1, protocol.encodeSubscriptionEnd(end))
    await settle()
    platform.advance(50)
    await settle()
    put(0, 'behind')
    await settle()
    expect(await next()).toBe('behind')
    expect(gaps).toMatchObject([{ from: 3, to: 7, error: { code: 'ERR_DATA_CORRUPT' } }])
  })

  it('where the end was lost goes back to the new end', async () => {
    const { broker, put, next, gaps, drop, recover, platform } = await stage()
    put(0, 'a', 'b')
    await settle()
    expect([await next(), await next()]).toEqual(['a', 'b'])
    await drop()
    const log = broker.topics.get('t')?.partitions[0] as FakePartition
    log.batches.splice(0)
    log.next = 1
    await recover()
    platform.advance(50)
    await settle()
    put(0, 'again')
    await settle()
    expect(await next()).toBe('again')
    expect(gaps).toMatchObject([{ from: 2, to: 1 }])
  })

  it('ends the iteration instead, behind what had come, with onGap: throw', async () => {
    const { put, remove, next, gaps, drop, recover } = await stage({ onGap: 'throw' })
    put(0, 'a')
    await settle()
    await drop()
    put(0, 'lost')
    remove(0, 2)
    await recover()
    expect(await next()).toBe('a')
    expect(await codeOf(next())).toBe('ERR_OFFSET_OUT_OF_RANGE')
    expect(gaps).toEqual([])
  })

  it('at the place the program chose is an error: it chooses another', async () => {
    const { client, remove, put } = await stage()
    put(0, 'a', 'b', 'c')
    remove(0, 2)
    const late = client.consume('t', { from: 1 })
    expect(await codeOf(late.ready())).toBe('ERR_OFFSET_OUT_OF_RANGE')
  })

  it('with follow: false does not keep the end from coming', async () => {
    const { client, broker, put, remove, drop, recover, platform } = await stage()
    put(0, 'a', 'b')
    const reading = (async () => {
      const seen: unknown[] = []
      const consumer = client.consume<string>('t', { codec: 'string', follow: false })
      for await (const { payload } of consumer) seen.push(payload)
      return seen
    })()
    broker.intercept = ({ opcode }) => opcode === Opcode.SUBSCRIBE
    await settle()
    broker.intercept = undefined
    await drop()
    remove(0, 2)
    await recover()
    platform.advance(50)
    await settle()
    expect(await reading).toEqual([])
  })

  it('has a name that is one of two', async () => {
    const { client } = await stage()
    expect(() => client.consume('t', { onGap: 'skip' as 'throw' })).toThrow("'skip' is not one of")
  })
})
