import { utf8Encode } from '@millrace/codec'
import * as protocol from '@millrace/protocol'
import { Opcode } from '@millrace/protocol'
import type { FakeTopic } from './support/fake-broker.ts'
import { settle } from './support/fake-platform.ts'
import { type Fixture, batchOf, codeOf, openFake, textOf } from './support/open-fake.ts'

const withMessages = async (...batches: string[][]): Promise<Fixture> => {
  const fixture = await openFake((broker) => void broker.createTopic('t', 2))
  const topic = fixture.broker.topics.get('t') as FakeTopic
  for (const texts of batches.filter(({ length }) => length > 0))
    fixture.broker.store(topic, 1, batchOf(texts))
  return fixture
}

describe('fetch', () => {
  it('is a FETCH, byte for byte', async () => {
    const { client, broker } = await withMessages(['a'])
    await client.fetch('t', 1, 0, { maxBytes: 0x10203, minBytes: 4, maxWaitMs: 5, codec: 'string' })
    const request = broker.requests.at(-1)
    expect(request?.opcode).toBe(Opcode.FETCH)
    const words = [
      0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 0, 0, 0, 5,
    ]
    expect([...(request?.body as Uint8Array)]).toEqual([...words, 0, 0, 0, 0])
  })

  it('gives what is there from an offset on, and where to go on', async () => {
    const { client } = await withMessages(['a', 'b'], ['c'], ['d'])
    const options = { codec: 'string', maxBytes: 1 } as const
    const first = await client.fetch('t', 1, 1, options)
    expect(first).toMatchObject({ highWatermark: 4, earliestOffset: 0, nextOffset: 2 })
    expect(first.messages.map(({ offset, payload }) => [offset, payload])).toEqual([[1, 'b']])
    const rest = await client.fetch('t', 1, first.nextOffset, { codec: 'string' })
    expect(rest.messages.map(({ payload }) => payload)).toEqual(['c', 'd'])
    expect((await client.fetch('t', 1, 4, { codec: 'string' })).messages).toEqual([])
  })

  it('keeps the bytes of its messages', async () => {
    const { client, link } = await withMessages(['abc'])
    const { messages } = await client.fetch('t', 1, 0, { codec: 'bytes' })
    await client.admin.listTopics()
    expect(link.isOpen).toBe(true)
    expect(messages[0]?.bytes).toEqual(utf8Encode('abc'))
  })

  it('opens the topic once, and again when its handle is stale', async () => {
    const { client, broker } = await withMessages(['a'])
    await Promise.all([client.fetch('t', 1, 0), client.fetch('t', 1, 0)])
    expect(broker.countOf(Opcode.TOPIC_OPEN)).toBe(1)
    broker.topics.delete('t')
    broker.createTopic('t', 2)
    await expect(client.fetch('t', 1, 0)).resolves.toMatchObject({ highWatermark: 0 })
    expect(broker.countOf(Opcode.TOPIC_OPEN)).toBe(2)
    broker.topics.delete('t')
    expect(await codeOf(client.fetch('t', 1, 0))).toBe('ERR_TOPIC_NOT_FOUND')
  })

  it('refuses what cannot be', async () => {
    const { client } = await withMessages(['a'])
    expect(await codeOf(client.fetch('t', 2, 0))).toBe('ERR_PARTITION_NOT_FOUND')
    expect(await codeOf(client.fetch('t', 1, 9))).toBe('ERR_OFFSET_OUT_OF_RANGE')
    for (const options of [
      { maxBytes: 0 },
      { maxBytes: 16 * 1024 * 1024 + 1 },
      { minBytes: -1 },
      { maxWaitMs: 600_001 },
    ]) {
      const [name] = Object.keys(options)
      expect(await textOf(client.fetch('t', 1, 0, options))).toContain(`argument '${name}'`)
    }
    expect(await textOf(client.fetch('t', 1, -1))).toContain("argument 'offset'")
    expect(await textOf(client.fetch('t', -1, 0))).toContain("argument 'partition'")
    expect(await textOf(client.fetch('', 0, 0))).toContain("argument 'topic'")
  })

  it('waits for the broker as long as it asked it to wait, and a request timeout more', async () => {
    const { client, broker, platform } = await withMessages(['a'])
    await client.fetch('t', 1, 0)
    broker.intercept = () => true
    let code: unknown
    const fetching = codeOf(client.fetch('t', 1, 0, { maxWaitMs: 60_000 })).then(
      (it) => (code = it),
    )
    await settle()
    platform.advance(89_999)
    await settle()
    expect(code).toBeUndefined()
    platform.advance(1)
    await fetching
    expect(code).toBe('ERR_TIMED_OUT')
  })

  it('ends on abort', async () => {
    const { client, broker } = await withMessages(['a'])
    broker.intercept = ({ opcode }) => opcode === Opcode.FETCH
    const controller = new AbortController()
    const fetching = codeOf(client.fetch('t', 1, 0, { signal: controller.signal }))
    await settle()
    controller.abort()
    expect(await fetching).toBe('ERR_ABORTED')
  })

  it('refuses a damaged batch and keeps the connection', async () => {
    const { client, broker } = await withMessages([])
    const batch = batchOf(['abc'])
    batch[70] = 0xff
    broker.intercept = (request) => {
      if (request.opcode !== Opcode.FETCH) return false
      const head = { highWatermark: 1, earliestOffset: 0, nextOffset: 1, leaderEpoch: 0 }
      broker.reply(request, protocol.encodeFetched({ ...head, batches: batch }))
      return true
    }
    expect(await codeOf(client.fetch('t', 1, 0))).toBe('ERR_BATCH_CHECKSUM')
    expect(client.isOpen).toBe(true)
  })
})
