/**
 * kafkajs as a program: `write ADDRESS TOPIC CODEC` takes records from standard input, `read ADDRESS
 * TOPIC…` writes them, a JSON line a topic; `poll ADDRESS TOPIC OFFSET` waits for the record there. Its consumer always joins a group, so reading goes through
 * the broker object that the consumer itself uses. Codecs but gzip come through its hook.
 */
import { createRequire } from 'node:module'
import { createCompression } from '@millrace/compression'
import { chunksOf, POLL_MS, readInput, writeTopic } from './record-lines.mjs'

const require = createRequire(import.meta.url)
const { CompressionCodecs, Kafka, logLevel, Partitioners } = require('kafkajs')
const [mode, address, ...rest] = process.argv.slice(2)
const kafka = new Kafka({
  brokers: [address],
  logLevel: logLevel.NOTHING,
  requestTimeout: 2 * POLL_MS,
  retry: { initialRetryTime: 100, retries: 20, maxRetryTime: 1_000 },
})

const codecs = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
const INFLATED_BYTES_MAX = 64 * 1024 * 1024
const compression = await createCompression()
for (const codec of [codecs.snappy, codecs.lz4, codecs.zstd]) {
  CompressionCodecs[codec] = () => ({
    compress: async (encoder) => Buffer.from(compression.compress(codec, encoder.buffer)),
    decompress: async (bytes) =>
      Buffer.from(compression.decompress(codec, bytes, INFLATED_BYTES_MAX)),
  })
}

const write = async (topic, codec, idempotent) => {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: idempotent === 'idempotent',
  })
  await producer.connect()
  const messages = readInput().map(({ key, payload, headers, timestamp }) => ({
    key,
    value: payload,
    headers: Object.fromEntries(headers),
    timestamp: String(timestamp),
    partition: 0,
  }))
  const send = (some) => producer.send({ topic, messages: some, compression: codecs[codec] })
  for (const some of chunksOf(messages)) await send(some)
  await producer.disconnect()
}

const createCluster = Object.getOwnPropertySymbols(kafka).find((symbol) =>
  symbol.toString().includes('createCluster'),
)

const toRecord = ({ offset, timestamp, key, value, headers }) => ({
  offset: Number(offset),
  timestamp: Number(timestamp),
  key: key === null ? null : key.toString(),
  payload: value === null ? null : value.toString(),
  headers: Object.entries(headers).map(([name, text]) => [name, String(text)]),
})

const fetchFrom = async (cluster, topic, offset, maxWaitTime) => {
  await cluster.addTargetTopic(topic)
  const broker = await cluster.findBroker({ nodeId: '0' })
  const partition = { partition: 0, fetchOffset: offset, maxBytes: 1 << 20 }
  const asked = { topics: [{ topic, partitions: [partition] }], maxWaitTime, minBytes: 1 }
  const { responses } = await broker.fetch(asked)
  return responses[0].partitions[0].messages.map(toRecord)
}

const poll = async (topic, offset) => {
  const cluster = kafka[createCluster]({})
  await cluster.connect()
  writeTopic(topic, await fetchFrom(cluster, topic, Number(offset), POLL_MS))
  await cluster.disconnect()
}

const read = async (topics) => {
  const cluster = kafka[createCluster]({})
  await cluster.connect()
  for (const topic of topics) {
    const records = []
    for (;;) {
      const found = await fetchFrom(cluster, topic, records.length, 10)
      const fresh = found.filter(({ offset }) => offset >= records.length)
      if (fresh.length === 0) break
      records.push(...fresh)
    }
    writeTopic(topic, records)
  }
  await cluster.disconnect()
}

if (mode === 'write') await write(...rest)
else if (mode === 'poll') await poll(...rest)
else await read(rest)
