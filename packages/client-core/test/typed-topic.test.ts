import type { StandardSchemaV1 } from '@standard-schema/spec'
import { decodeRecords, utf8Decode } from '@millrace/codec'
import type { TypedTopic } from '../src/typed-topic.ts'
import { settle } from './support/fake-platform.ts'
import { type Fixture, batchOf, codeOf, openFake, textOf } from './support/open-fake.ts'

interface OrderInput {
  id: number
  at: string
}

interface Order {
  id: number
  at: Date
}

type Validate = StandardSchemaV1<OrderInput, Order>['~standard']['validate']

const validateOrder: Validate = (value) => {
  const { id, at } = (value ?? {}) as Partial<OrderInput>
  const issues: StandardSchemaV1.Issue[] = []
  if (typeof id !== 'number') issues.push({ message: 'must be a number', path: ['id'] })
  if (typeof at !== 'string') issues.push({ message: 'must be a text', path: [{ key: 'at' }] })
  if (issues.length > 0) return { issues }
  return { value: { id: id as number, at: new Date(at as string) } }
}

const schemaOf = (validate: Validate = validateOrder): StandardSchemaV1<OrderInput, Order> => ({
  '~standard': { version: 1, vendor: 'test', validate },
})

type Topic = TypedTopic<StandardSchemaV1<OrderInput, Order>>

const stage = async (schema = schemaOf()): Promise<Fixture & { topic: Topic }> => {
  const fixture = await openFake((broker) => void broker.createTopic('orders'))
  return { ...fixture, topic: fixture.client.topic('orders', { schema }) }
}

const stored = ({ broker }: Fixture): unknown[] =>
  (broker.topics.get('orders')?.partitions[0]?.batches ?? []).flatMap(({ bytes }) =>
    decodeRecords(bytes).map(({ value }) => JSON.parse(utf8Decode(value as Uint8Array)) as unknown),
  )

const AT = '2026-01-31T12:00:00.000Z'

it('stores what was published, and gives readers what the schema makes of it', async () => {
  const fixture = await stage()
  const { topic } = fixture
  const result = await topic.publish({ id: 1, at: AT }, { key: 'k', headers: { h: 'v' } })
  expect(result).toMatchObject({ topic: 'orders', offset: 0 })
  expect(stored(fixture)).toEqual([{ id: 1, at: AT }])
  for await (const { value, message } of topic.subscribe({ from: 'start' })) {
    const at: Date | undefined = value?.at
    expect(at).toEqual(new Date(AT))
    expect([message.keyText, message.headers.getAll('h')]).toEqual(['k', ['v']])
    break
  }
})

it('refuses what the schema does not accept, and says where', async () => {
  const fixture = await stage()
  const wrong = { id: 'x' } as unknown as OrderInput
  expect(await textOf(fixture.topic.publish(wrong))).toBe(
    "the payload cannot be read as the schema of 'orders' wants it: " +
      'id: must be a number; at: must be a text',
  )
  expect(await codeOf(fixture.topic.publish(wrong))).toBe('ERR_PAYLOAD_CODEC')
  expect(stored(fixture)).toEqual([])
})

it('names five of many problems', async () => {
  const issues = Array.from({ length: 7 }, (_, at) => ({ message: `problem ${at}` }))
  const { topic } = await stage(schemaOf(() => ({ issues })))
  const text = await textOf(topic.publish({ id: 1, at: AT }))
  expect(text).toContain('problem 4; and 2 more')
})

it('waits for validators that take their time, and keeps the order of the calls', async () => {
  const delays = new Map([
    [1, 5],
    [2, 1],
    [3, 3],
  ])
  const schema = schemaOf(async (value) => {
    const turns = delays.get((value as OrderInput).id) ?? 0
    for (let turn = 0; turn < turns; turn++) await settle()
    return validateOrder(value)
  })
  const fixture = await stage(schema)
  const wrong = fixture.topic.publish({ id: 'x', at: AT } as unknown as OrderInput)
  const refused = codeOf(wrong)
  const sent = [1, 2, 3].map((id) => fixture.topic.publish({ id, at: AT }))
  await Promise.all(sent)
  expect(await refused).toBe('ERR_PAYLOAD_CODEC')
  expect(stored(fixture)).toMatchObject([{ id: 1 }, { id: 2 }, { id: 3 }])
})

it('ends the iteration at a message that is something else, and says which one', async () => {
  const { topic, broker } = await stage()
  await topic.publish({ id: 1, at: AT })
  broker.store(broker.topics.get('orders')!, 0, batchOf(['{"id":2}']))
  const ids: unknown[] = []
  const reading = (async () => {
    for await (const { value } of topic.subscribe({ from: 'start' })) ids.push(value?.id)
  })()
  expect(await textOf(reading)).toContain('at: must be a text: orders/0 at 1')
  expect(ids).toEqual([1])
})

it('goes on behind it when somebody is told instead', async () => {
  const { topic, broker } = await stage()
  broker.store(broker.topics.get('orders')!, 0, batchOf(['not json', '{"id":2}']))
  await topic.publish({ id: 3, at: AT })
  const told: unknown[] = []
  const onInvalid = (error: { code: string }, { offset }: { offset: number }): void =>
    void told.push([error.code, offset])
  const subscription = topic.subscribe({ from: 'start', follow: false, onInvalid })
  const ids: unknown[] = []
  for await (const { value } of subscription) ids.push(value?.id)
  expect(ids).toEqual([3])
  expect(told).toEqual([
    ['ERR_PAYLOAD_CODEC', 0],
    ['ERR_PAYLOAD_CODEC', 1],
  ])
})

it('has tombstones, which no schema describes', async () => {
  const { topic } = await stage()
  await topic.publish({ id: 1, at: AT }, { key: 'k' })
  await topic.publishTombstone('k')
  const values: unknown[] = []
  for await (const { value } of topic.subscribe({ from: 'start', follow: false }))
    values.push(value)
  expect(values).toEqual([{ id: 1, at: new Date(AT) }, null])
})

it('closes its producer, with what was published before', async () => {
  const fixture = await stage()
  const publishing = fixture.topic.publish({ id: 1, at: AT })
  await fixture.topic.close()
  await publishing
  expect(stored(fixture)).toHaveLength(1)
  expect(await codeOf(fixture.topic.publish({ id: 2, at: AT }))).toBe('ERR_CLOSED')
})
