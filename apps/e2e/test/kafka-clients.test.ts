/**
 * What one client writes, every other reads: librdkafka (kcat and Python), kafkajs, platformatic and
 * the SDK, with every codec that they have, keys, headers, null values and timestamps.
 */
import { type CompressionName, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { eventually } from './support/eventually.ts'
import {
  type Addresses,
  type KafkaClient,
  kafkaClients,
  type KafkaRecord,
  type NewRecord,
  sdk,
} from './support/kafka-clients.ts'
import { metricOf } from './support/metrics.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const COUNT = 240
const EVERY_NTH_IS_NULL = 7

const records: readonly NewRecord[] = Array.from({ length: COUNT }, (_, index) => ({
  key: `key ${index % 10}`,
  payload: index % EVERY_NTH_IS_NULL === 0 ? null : `value ${index} of Grüße and the same words`,
  headers: [
    ['origin', 'a stranger'],
    ['trace', '00-4bf92f35'],
  ],
  timestamp: 1_700_000_000_000 + index * 1_000,
}))

let scratch: Scratch
let broker: LaunchedBroker
let addresses: Addresses

interface Written {
  readonly writer: KafkaClient
  readonly codec: CompressionName
  readonly topic: string
}

const written: readonly Written[] = kafkaClients.flatMap((writer) =>
  writer.codecs.map((codec) => ({
    writer,
    codec,
    topic: `${writer.name.replaceAll(' ', '-')}-${codec}`,
  })),
)

beforeAll(async () => {
  scratch = createScratch('kafka')
  broker = await launchBroker({ dataDir: scratch.next('data') })
  const client = await connect(broker.url)
  for (const { topic } of written) await client.admin.createTopic(topic)
  await client.close()
  addresses = { kafka: `127.0.0.1:${broker.kafkaPort}`, native: broker.url }
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

it.each(kafkaClients)('$name writes with every codec it has', async (writer) => {
  for (const { codec, topic } of written.filter((one) => one.writer === writer)) {
    await writer.write(addresses, topic, codec, records)
  }
})

const expectedOf = (keepsTimestamps: boolean, found: readonly KafkaRecord[]): KafkaRecord[] =>
  records.map((record, offset) => {
    const { timestamp } = keepsTimestamps ? record : (found[offset] ?? record)
    return { ...record, offset, timestamp }
  })

it.each(kafkaClients)('$name reads what all of them wrote', async (reader) => {
  const readable = written.filter(({ codec }) => reader.codecs.includes(codec))
  const topics = readable.map(({ topic }) => topic)
  const found = await reader.read(addresses, topics)
  for (const { writer, topic } of readable) {
    const read = found.get(topic) ?? []
    expect({ topic, read }).toEqual({ topic, read: expectedOf(writer.keepsTimestamps, read) })
  }
})

const LARGE_BYTES = 8 * 1024 * 1024
const large: NewRecord = {
  key: 'large',
  payload: 'Eight mebibytes. '.repeat(Math.ceil(LARGE_BYTES / 17)).slice(0, LARGE_BYTES),
  headers: [['origin', 'a stranger']],
  timestamp: 1_700_000_000_000,
}

it('carries a message of 8 MiB from each of them to all of them', async () => {
  const topicOf = ({ name }: KafkaClient): string => `large-${name.replaceAll(' ', '-')}`
  const client = await connect(broker.url)
  for (const writer of kafkaClients) await client.admin.createTopic(topicOf(writer))
  await client.close()
  for (const writer of kafkaClients) {
    await writer.write(addresses, topicOf(writer), 'none', [large])
  }
  for (const reader of kafkaClients) {
    const found = await reader.read(addresses, kafkaClients.map(topicOf))
    for (const writer of kafkaClients) {
      const read = found.get(topicOf(writer)) ?? []
      const facts = read.map(({ key, payload }) => [key, payload === large.payload])
      expect([reader.name, writer.name, facts]).toEqual([
        reader.name,
        writer.name,
        [['large', true]],
      ])
    }
  }
})

it.each(kafkaClients.filter(({ poll }) => poll !== undefined))(
  '$name is answered when a record comes, in the middle of a long poll',
  async (reader) => {
    const topic = `poll-${reader.name}`
    await using client = await connect(broker.url)
    await client.admin.createTopic(topic)
    const began = performance.now()
    const polled = reader.poll?.(addresses, topic, 0)
    // Its fetch waits at the broker by then, or comes later and is answered at once.
    await eventually('the reader is there', () => hasPeers(broker.httpPort))
    await sdk.write(addresses, topic, 'none', records.slice(1, 2))
    expect((await polled)?.map(({ payload }) => payload)).toEqual([records[1]?.payload])
    expect(performance.now() - began).toBeLessThan(25_000)
  },
)

const hasPeers = async (httpPort: number): Promise<boolean> =>
  (await metricOf(httpPort, 'millrace_connections{protocol="kafka"}')) > 0

it('is stored compressed, as the clients sent it', async () => {
  const client = await connect(broker.url)
  const bytesOf = async (topic: string): Promise<number> =>
    (await client.admin.describeTopic(topic)).partitions[0]?.bytes ?? 0
  for (const { writer, codec, topic } of written) {
    const plain = await bytesOf(`${writer.name.replaceAll(' ', '-')}-none`)
    if (codec !== 'none') expect(await bytesOf(topic)).toBeLessThan(plain)
  }
  await client.close()
})
