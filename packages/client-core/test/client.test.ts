import { isBrokerError } from '@millrace/codec'
import { openFake } from './support/open-fake.ts'

describe('a client', () => {
  it('creates a topic, sends, consumes and fetches', async () => {
    const { client } = await openFake()
    await client.admin.createTopic('orders', { partitions: 2 })
    const producer = client.producer<{ id: number }>('orders')
    const first = await producer.send({ value: { id: 1 }, partition: 1, headers: { a: 'b' } })
    expect(first).toMatchObject({ topic: 'orders', partition: 1, offset: 0 })
    await producer.send({ value: { id: 2 }, partition: 1, key: 'k' })
    const seen: unknown[] = []
    const consumer = client.consume<{ id: number }>('orders', { from: 'start', follow: false })
    for await (const message of consumer) {
      seen.push([message.offset, message.keyText, message.payload?.id, message.headers.get('a')])
    }
    expect(seen).toEqual([
      [0, null, 1, 'b'],
      [1, 'k', 2, undefined],
    ])
    const fetched = await client.fetch('orders', 1, 1)
    expect(fetched.messages.map(({ payload }) => payload)).toEqual([{ id: 2 }])
    await client.drain()
    await expect(client.closed).resolves.toBeUndefined()
  })

  it('rejects with a BrokerError that names the missing topic', async () => {
    const { client } = await openFake()
    const error: unknown = await client.admin
      .describeTopic('nope')
      .catch((reason: unknown) => reason)
    expect(isBrokerError(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_TOPIC_NOT_FOUND', retriable: false })
  })
})
