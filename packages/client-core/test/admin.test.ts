import * as protocol from '@millrace/protocol'
import { codeOf, openFake, textOf } from './support/open-fake.ts'

const lastBody = (requests: readonly { readonly body: Uint8Array }[]): Uint8Array =>
  requests.at(-1)?.body as Uint8Array

describe('the admin', () => {
  it('creates a topic with its settings, named or as one object', async () => {
    const { client, broker } = await openFake()
    const options = { partitions: 3, durability: 'memory', settings: { segmentBytes: 5 } }
    const description = await client.admin.createTopic('t', { ...options, ifNotExists: true })
    expect(description).toMatchObject({ topic: 't', revision: 1, partitions: { length: 3 } })
    expect(protocol.decodeTopicCreate(lastBody(broker.requests))).toEqual({
      topic: 't',
      partitions: 3,
      settings: { segmentBytes: 5, durability: 'memory' },
      ifNotExists: true,
    })
  })

  it('tells of a topic that exists, unless that is fine', async () => {
    const { client } = await openFake()
    await client.admin.createTopic('t')
    expect(await codeOf(client.admin.createTopic('t'))).toBe('ERR_TOPIC_EXISTS')
    await expect(client.admin.createTopic('t', { ifNotExists: true })).resolves.toBeDefined()
  })

  it('lists topics, by prefix', async () => {
    const { client, broker } = await openFake()
    for (const name of ['a.1', 'a.2', 'b']) broker.createTopic(name)
    const topics = await client.admin.listTopics({ prefix: 'a.' })
    expect(topics.map(({ topic }) => topic)).toEqual(['a.1', 'a.2'])
    expect(await client.admin.listTopics()).toHaveLength(3)
  })

  it('lists more topics than fit one answer', async () => {
    const { client, broker } = await openFake()
    broker.topicsPerPage = 2
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) broker.createTopic(name)
    const topics = await client.admin.listTopics()
    expect(topics.map(({ topic }) => topic)).toEqual(names)
  })

  it('alters a topic at a revision, and resets a setting with null', async () => {
    const { client, broker } = await openFake((fake) => void fake.createTopic('t'))
    const altered = await client.admin.alterTopic('t', {
      durability: null,
      partitions: 2,
      revision: 1,
    })
    expect(altered.revision).toBe(2)
    expect(protocol.decodeTopicAlter(lastBody(broker.requests))).toEqual({
      topic: 't',
      settings: { durability: null },
      partitions: 2,
      revision: 1,
    })
  })

  it('deletes a topic', async () => {
    const { client, broker } = await openFake((fake) => void fake.createTopic('t'))
    await expect(client.admin.deleteTopic('t', { revision: 1 })).resolves.toBeUndefined()
    expect(protocol.decodeTopicDelete(lastBody(broker.requests))).toEqual({
      topic: 't',
      revision: 1,
    })
    expect(await codeOf(client.admin.deleteTopic('t'))).toBe('ERR_TOPIC_NOT_FOUND')
  })

  it.each([
    ['start', 'earliest'],
    ['end', 'latest'],
    [new Date(5), 5],
    [7, 7],
  ] as const)('lists the offsets at %s', async (moment, at) => {
    const { client, broker } = await openFake((fake) => void fake.createTopic('t', 2))
    const offsets = await client.admin.listOffsets('t', moment, { partitions: [1] })
    expect(offsets).toMatchObject([{ partition: 1, offset: 0, highWatermark: 0 }])
    const body = protocol.decodeListOffsets(lastBody(broker.requests))
    expect(body).toEqual({ topic: 't', partitions: [1], at })
  })

  it('refuses what cannot be, before it asks the broker', async () => {
    const { client, broker } = await openFake()
    const { admin } = client
    const count = broker.requests.length
    expect(await textOf(admin.createTopic(''))).toContain("argument 'topic'")
    expect(await textOf(admin.createTopic(5 as never))).toContain("argument 'topic'")
    expect(await textOf(admin.createTopic('t', { partitions: 0 }))).toContain(
      "argument 'partitions'",
    )
    expect(await textOf(admin.listOffsets('t', 'now' as never))).toContain("argument 'at'")
    expect(await textOf(admin.listOffsets('t', new Date(NaN)))).toContain("argument 'at'")
    expect(broker.requests).toHaveLength(count)
  })
})
