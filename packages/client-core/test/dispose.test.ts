import { Opcode } from '@millrace/protocol'
import { PARKED_MESSAGES_MAX } from '../src/limits.ts'
import { Parking } from '../src/producer/parking.ts'
import { settle } from './support/fake-platform.ts'
import { batchOf, openFake } from './support/open-fake.ts'

describe('await using', () => {
  it('of a client drains it', async () => {
    const { client, broker } = await openFake((fake) => void fake.createTopic('t'))
    const producer = client.producer('t')
    producer.write(1)
    await client[Symbol.asyncDispose]()
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(1)
    expect(broker.countOf(Opcode.CLOSE)).toBe(1)
    await client[Symbol.asyncDispose]()
    await client.close()
  })

  it('of a producer flushes and closes it, and the client goes on', async () => {
    const { client, broker } = await openFake((fake) => void fake.createTopic('t'))
    const producer = client.producer('t')
    producer.write(1)
    await producer[Symbol.asyncDispose]()
    expect(broker.topics.get('t')?.partitions[0]?.next).toBe(1)
    expect(client.isOpen).toBe(true)
  })

  it('of a consumer and of its iterator unsubscribes', async () => {
    const { client, broker } = await openFake((fake) => {
      fake.store(fake.createTopic('t'), 0, batchOf(['1']))
    })
    for (const what of ['consumer', 'iterator'] as const) {
      const consumer = client.consume('t', { from: 'start' })
      const iterator = consumer[Symbol.asyncIterator]()
      await iterator.next()
      expect(broker.subscriptions.size).toBe(1)
      await (what === 'consumer' ? consumer : iterator)[Symbol.asyncDispose]()
      expect(broker.subscriptions.size).toBe(0)
    }
  })
})

describe('a closed client', () => {
  it('takes nothing more', async () => {
    const { client } = await openFake()
    await client.close()
    expect(() => client.producer('t')).toThrow('the client is closed')
    expect(() => client.consume('t')).toThrow('the client is closed')
    await expect(client.fetch('t', 0, 0)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(client.admin.listTopics()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('tells its listeners, and no longer those who left', async () => {
    const { client } = await openFake()
    const heard: string[] = []
    client.on('status', ({ type }) => heard.push(type))
    client.on('status', () => heard.push('left'))()
    await client.close()
    await settle()
    expect(heard).toEqual(['closed'])
  })
})

describe('messages that wait for room', () => {
  it('are a million at most', () => {
    const parking = new Parking<never>()
    const fields = { key: null, value: null, headers: [], timestamp: 0, partition: -1 }
    const add = (): void => parking.add({ ...fields, envelope: undefined }, undefined, 0)
    for (let count = 0; count < PARKED_MESSAGES_MAX; count++) add()
    expect(add).toThrow(`the limit of ${PARKED_MESSAGES_MAX} messages waiting to be sent`)
    expect(parking.count).toBe(PARKED_MESSAGES_MAX)
  })
  it('hold so many bytes, and not one more', () => {
    const parking = new Parking<never>(10)
    const fields = { key: null, headers: [], timestamp: 0, partition: -1, envelope: undefined }
    const add = (bytes: number): void =>
      parking.add({ ...fields, value: new Uint8Array(bytes) }, undefined, 0)
    add(4)
    add(6)
    expect(() => add(1)).toThrow('the limit of 10 bytes waiting to be sent')
    parking.take()
    add(4)
    expect(parking.bytes).toBe(10)
  })
})
