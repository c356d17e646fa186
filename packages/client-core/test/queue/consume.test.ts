import { BrokerError, utf8Encode } from '@millrace/codec'
import { Opcode } from '@millrace/protocol'
import type { Delivery } from '../../src/queue/delivery.ts'
import type { Request } from '../support/fake-broker.ts'
import { settle } from '../support/fake-platform.ts'
import { codeOf, textOf } from '../support/open-fake.ts'
import { openQueues, type QueueFixture, takeFrom } from './support.ts'

const fill = ({ queues }: QueueFixture, ...texts: string[]): void => {
  for (const text of texts) queues.push('jobs', { text })
}

const payloadsOf = (deliveries: readonly Delivery<unknown>[]): unknown[] =>
  deliveries.map(({ payload }) => payload)

describe('a delivery', () => {
  it('shows what the message is', async () => {
    const fixture = await openQueues()
    fixture.queues.push('jobs', {
      text: '{"id":1}',
      exchange: 'orders',
      routingKey: 'eu',
      messageId: 'm-1',
      key: utf8Encode('k'),
      priority: 4,
      ttlMs: 500,
    })
    const [delivery] = await takeFrom(fixture.client.queue<{ id: number }>('jobs').consume(), 1)
    expect(delivery).toMatchObject({
      queue: 'jobs',
      offset: 0,
      timestamp: 5,
      exchange: 'orders',
      routingKey: 'eu',
      messageId: 'm-1',
      keyText: 'k',
      priority: 4,
      ttlMs: 500,
      isPersistent: true,
      isRedelivered: false,
      deliveryCount: 0,
      deadLetters: [],
      isSettled: false,
    })
    expect(delivery?.payload).toEqual({ id: 1 })
    expect(delivery?.headers.count).toBe(0)
    await fixture.client.close()
  })

  it('stays as it is when the frame it came in is gone', async () => {
    const fixture = await openQueues()
    const consumer = fixture.client.queue<string>('jobs', { codec: 'string' }).consume()
    await consumer.ready()
    fill(fixture, 'a')
    const [delivery] = await takeFrom(consumer, 1)
    await settle()
    expect(delivery?.payload).toBe('a')
    await fixture.client.close()
  })

  it('is settled once, and says so', async () => {
    const fixture = await openQueues()
    fill(fixture, '1')
    const consumer = fixture.client.queue('jobs').consume()
    for await (const delivery of consumer) {
      await delivery.ack()
      expect(delivery.isSettled).toBe(true)
      expect(await codeOf(delivery.ack())).toBe('ERR_UNKNOWN_DELIVERY')
      expect(await codeOf(delivery.nack())).toBe('ERR_UNKNOWN_DELIVERY')
      break
    }
    expect(fixture.queues.settlements).toEqual(['ack 1'])
    await fixture.client.close()
  })

  it('goes back with nack, to be delivered again, or is given up', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2')
    const seen: unknown[] = []
    for await (const delivery of fixture.client.queue('jobs').consume({ prefetch: 1 })) {
      seen.push([delivery.payload, delivery.deliveryCount, delivery.isRedelivered])
      if (delivery.deliveryCount === 0) void delivery.nack()
      else void delivery.nack({ requeue: false })
      if (seen.length === 4) break
    }
    await settle()
    expect(seen).toEqual([
      [1, 0, false],
      [1, 1, true],
      [2, 0, false],
      [2, 1, true],
    ])
    expect(fixture.queues.settlements).toEqual(['requeue 1', 'reject 2', 'requeue 3', 'reject 4'])
    await fixture.client.close()
  })
})

describe('settling', () => {
  it('shares a request with what is settled the same way in the same turn', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2', '3', '4', '5')
    const deliveries = await takeFrom(fixture.client.queue('jobs').consume(), 5)
    const [a, b, c, d, e] = deliveries as [
      Delivery<unknown>,
      Delivery<unknown>,
      Delivery<unknown>,
      Delivery<unknown>,
      Delivery<unknown>,
    ]
    await Promise.all([
      c.ack(),
      a.ack(),
      e.nack({ requeue: false }),
      b.ack(),
      d.ack({ durable: true }),
    ])
    expect(fixture.queues.settlements).toEqual(['ack 1,2,3', 'reject 5', 'ack 4'])
    expect(fixture.broker.countOf(Opcode.SETTLE)).toBe(3)
    await fixture.client.close()
  })

  it('is told to a broker although the client is closed in the same turn', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2')
    const [first, second] = await takeFrom(fixture.client.queue('jobs').consume(), 2)
    void first?.ack()
    void second?.ack()
    await fixture.client.drain()
    expect(fixture.queues.settlements).toEqual(['ack 1,2'])
  })
})

describe('a consumer', () => {
  it('asks for no more than its prefetch', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2', '3')
    const consumer = fixture.client.queue('jobs').consume({ prefetch: 2, priority: 7 })
    const iterator = consumer[Symbol.asyncIterator]()
    const first = await iterator.next()
    await iterator.next()
    expect([...fixture.queues.consumers.values()]).toMatchObject([{ credit: 2, priority: 7 }])
    expect(fixture.queues.textsOf('jobs')).toEqual(['3'])
    void first.value?.ack()
    expect((await iterator.next()).value?.payload).toBe(3)
    await fixture.client.close()
  })

  it('gives back what nobody took, and lets settle what somebody did', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2', '3')
    const deliveries: Delivery<unknown>[] = []
    for await (const delivery of fixture.client.queue('jobs').consume()) {
      deliveries.push(delivery)
      break
    }
    await settle()
    expect(fixture.queues.consumers.size).toBe(0)
    expect(fixture.queues.textsOf('jobs')).toEqual(['2', '3'])
    await deliveries[0]?.ack()
    expect(fixture.queues.settlements).toEqual(['requeue 2,3', 'ack 1'])
    await fixture.client.close()
  })

  it('is refused with what the broker says', async () => {
    const { client } = await openQueues()
    expect(await codeOf(client.queue('missing').consume().ready())).toBe('ERR_QUEUE_NOT_FOUND')
    expect(await codeOf(takeFrom(client.queue('missing').consume(), 1))).toBe('ERR_QUEUE_NOT_FOUND')
    expect(() => client.queue('jobs').consume({ prefetch: 0 })).toThrow('from 1 to 65536')
    await client.close()
  })

  it('gives out what came, then ends with why the broker ended it', async () => {
    const fixture = await openQueues()
    fill(fixture, '1')
    const consumer = fixture.client.queue('jobs').consume()
    await consumer.ready()
    await settle()
    fixture.queues.endConsumers(new BrokerError('ERR_QUEUE_DELETED', ['jobs']))
    await settle()
    expect(await codeOf(takeFrom(consumer, 1))).toBe('ERR_QUEUE_DELETED')
    await fixture.client.close()
  })

  it('ends with the signal', async () => {
    const fixture = await openQueues()
    const controller = new AbortController()
    const consumer = fixture.client.queue('jobs').consume({ signal: controller.signal })
    const code = codeOf(takeFrom(consumer, 1))
    await settle()
    controller.abort()
    expect(await code).toBe('ERR_ABORTED')
    await settle()
    expect(fixture.queues.consumers.size).toBe(0)
    await fixture.client.close()
  })

  it('ends without an error when it or the client is closed', async () => {
    const fixture = await openQueues()
    const { client } = fixture
    const first = client.queue('jobs').consume()
    const second = client.queue('jobs').consume()
    const ends = [takeFrom(first, 1), takeFrom(second, 1)]
    await settle()
    await using closed = first
    await closed.close()
    await client.drain()
    expect(await Promise.all(ends)).toEqual([[], []])
  })
})

describe('when the connection is lost', () => {
  it('consumes again, and what was waiting here comes again and once', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2', '3')
    const consumer = fixture.client.queue('jobs').consume()
    const iterator = consumer[Symbol.asyncIterator]()
    const first = await iterator.next()
    await first.value?.ack()
    await fixture.drop()
    await fixture.recover()
    const second = await iterator.next()
    expect(second.value).toMatchObject({ offset: 1, isRedelivered: true, deliveryCount: 1 })
    await second.value?.ack()
    await (await iterator.next()).value?.ack()
    expect(fixture.queues.textsOf('jobs')).toEqual([])
    await fixture.client.close()
  })

  it('refuses the ack of an earlier delivery, and says what becomes of the message', async () => {
    const fixture = await openQueues()
    fill(fixture, '1')
    const [delivery] = await takeFrom(fixture.client.queue('jobs').consume(), 1)
    await fixture.drop()
    await fixture.recover()
    const text = textOf(delivery?.ack() as Promise<void>)
    expect(await text).toContain('the message is delivered again, and its ack is void')
    expect(await fixture.client.queue('jobs').describe()).toMatchObject({ ready: 1 })
    expect(fixture.queues.settlements).toEqual([])
    await fixture.client.close()
  })

  it('leaves an ack that nobody waits for without consequences', async () => {
    const fixture = await openQueues()
    fill(fixture, '1', '2')
    const [first, second] = await takeFrom(fixture.client.queue('jobs').consume(), 2)
    // In the turn in which the connection breaks, and after it.
    void first?.ack()
    fixture.link().end(new Error('ECONNRESET'))
    await settle()
    void second?.ack()
    await settle()
    await fixture.recover()
    expect(fixture.client.isOpen).toBe(true)
    await fixture.client.close()
  })

  it('says that an ack without an answer may have arrived', async () => {
    const fixture = await openQueues()
    fill(fixture, '1')
    const [delivery] = await takeFrom(fixture.client.queue('jobs').consume(), 1)
    await settle()
    fixture.queues.intercept = ({ opcode }: Request) => opcode === Opcode.SETTLE
    const text = textOf(delivery?.ack() as Promise<void>)
    await settle()
    await fixture.drop()
    expect(await text).toContain('it may or may not be settled')
    await fixture.client.close()
  })

  it('waits where its own last connection still holds the queue', async () => {
    const fixture = await openQueues()
    const { queues, broker } = fixture
    const consumer = fixture.client.queue('jobs').consume({ exclusive: true })
    await consumer.ready()
    let refusals = 0
    queues.intercept = (request) => {
      if (request.opcode !== Opcode.CONSUME || refusals === 2) return false
      refusals += 1
      broker.fail(request, new BrokerError('ERR_QUEUE_IN_USE', ['jobs']))
      return true
    }
    await fixture.drop()
    await fixture.recover()
    for (let round = 0; round < 3; round++) {
      await settle()
      fixture.platform.advance(2_000)
    }
    await settle()
    fill(fixture, '1')
    expect(payloadsOf(await takeFrom(consumer, 1))).toEqual([1])
    await fixture.client.close()
  })

  it('ends when the queue is gone', async () => {
    const fixture = await openQueues()
    const consumer = fixture.client.queue('jobs').consume()
    const code = codeOf(takeFrom(consumer, 1))
    await settle()
    fixture.queues.queues.clear()
    await fixture.drop()
    await fixture.recover()
    expect(await code).toBe('ERR_QUEUE_NOT_FOUND')
    await fixture.client.close()
  })
})

describe('a schema', () => {
  const schema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value: unknown) => {
        await Promise.resolve()
        const { total } = value as { total?: unknown }
        if (typeof total === 'number') return { value: { total: total * 2 } }
        return { issues: [{ message: 'must be a number', path: ['total'] }] }
      },
    },
  } as const

  it('checks what is sent, and makes what is read', async () => {
    const { client, queues } = await openQueues()
    const queue = client.queue<{ total: number }>('jobs', { schema })
    await queue.send({ total: 2 })
    expect(queues.textsOf('jobs')).toEqual(['{"total":2}'])
    const bad = queue.send({ total: 'much' } as never)
    await expect(bad).rejects.toMatchObject({ code: 'ERR_PAYLOAD_CODEC' })
    const [delivery] = await takeFrom(queue.consume(), 1)
    expect(delivery?.payload).toEqual({ total: 4 })
    await client.close()
  })

  it('ends the iteration with what it does not accept, or tells it and goes on', async () => {
    const fixture = await openQueues()
    fill(fixture, '{"total":"x"}', 'no json', '{"total":1}')
    const queue = fixture.client.queue<{ total: number }>('jobs', { schema })
    const text = await textOf(takeFrom(queue.consume(), 1))
    expect(text).toContain("the schema of 'jobs' wants it: total: must be a number: jobs at 0")
    await settle()
    const invalid: unknown[] = []
    const consumer = queue.consume({
      onInvalid: (error, delivery) => {
        invalid.push([error.code, delivery.offset])
        void delivery.nack({ requeue: false })
      },
    })
    // The first one is still held by the consumer before.
    await fixture.drop()
    await fixture.recover()
    const [delivery] = await takeFrom(consumer, 1)
    expect(delivery?.payload).toEqual({ total: 2 })
    expect(invalid).toEqual([
      ['ERR_PAYLOAD_CODEC', 0],
      ['ERR_PAYLOAD_CODEC', 1],
    ])
    await fixture.client.close()
  })
})
