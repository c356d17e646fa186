/**
 * kafkajs as a program: `write ADDRESS TOPIC CODEC` takes records from standard input, `read ADDRESS
 * TOPIC…` writes them, a JSON line a topic. Its consumer always joins a group, so reading goes through
 * the broker object that the consumer itself uses. Codecs but gzip come through its hook.
 */
import { createRequire } from 'node:module'
import { createCompression } from '@millrace/compression'
import { readInput, writeTopic } from './record-lines.mjs'

const require = createRequire(import.meta.url)
const { CompressionCodecs, Kafka, logLevel, Partitioners } = require('kafkajs')
const [mode, address, ...rest] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [address], logLevel: logLevel.ERROR })

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
  const half = Math.ceil(messages.length / 2)
  await send(messages.slice(0, half))
  await send(messages.slice(half))
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

const read = async (topics) => {
  const cluster = kafka[createCluster]({})
  await cluster.connect()
  for (const topic of topics) {
    await cluster.addTargetTopic(topic)
    const broker = await cluster.findBroker({ nodeId: '0' })
    const records = []
    for (;;) {
      const partition = { partition: 0, fetchOffset: records.length, maxBytes: 1 << 20 }
      const asked = { topics: [{ topic, partitions: [partition] }], maxWaitTime: 10, minBytes: 1 }
      const { responses } = await broker.fetch(asked)
      const found = responses[0].partitions[0].messages
      const fresh = found.map(toRecord).filter(({ offset }) => offset >= records.length)
      if (fresh.length === 0) break
      records.push(...fresh)
    }
    writeTopic(topic, records)
  }
  await cluster.disconnect()
}

if (mode === 'write') await write(...rest)
else await read(rest)
