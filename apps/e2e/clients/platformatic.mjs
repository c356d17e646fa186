/**
 * @platformatic/kafka as a program: `write ADDRESS TOPIC CODEC` takes records from standard input,
 * `read ADDRESS TOPIC…` writes them, a JSON line a topic. Its consumer always joins a group, so reading
 * goes through the fetch that the consumer itself uses.
 */
import { Connection, fetchV12, Producer, stringSerializers } from '@platformatic/kafka'
import { readInput, writeTopic } from './record-lines.mjs'

const [mode, address, ...rest] = process.argv.slice(2)

const write = async (topic, compression, idempotent) => {
  const producer = new Producer({
    clientId: 'stranger',
    bootstrapBrokers: [address],
    serializers: {
      ...stringSerializers,
      value: (text) => (text === null ? null : Buffer.from(text)),
    },
    idempotent: idempotent === 'idempotent',
    autocreateTopics: true,
  })
  const messages = readInput().map(({ key, payload, headers, timestamp }) => ({
    topic,
    partition: 0,
    key,
    value: payload,
    headers: Object.fromEntries(headers),
    timestamp: BigInt(timestamp),
  }))
  const half = Math.ceil(messages.length / 2)
  await producer.send({ messages: messages.slice(0, half), compression, acks: -1 })
  await producer.send({ messages: messages.slice(half), compression, acks: -1 })
  await producer.close()
}

const toRecord = ({ firstOffset, firstTimestamp }, { offsetDelta, timestampDelta, ...record }) => ({
  offset: Number(firstOffset) + offsetDelta,
  timestamp: Number(firstTimestamp + timestampDelta),
  key: record.key === null ? null : record.key.toString(),
  payload: record.value === null ? null : record.value.toString(),
  headers: [...record.headers].map(([name, text]) => [name.toString(), text.toString()]),
})

const fetchFrom = async (connection, topic, offset) => {
  const partition = { partition: 0, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
  const partitions = [{ ...partition, fetchOffset: BigInt(offset), partitionMaxBytes: 1 << 20 }]
  const topics = [{ topicId: topic, partitions }]
  const fetched = await fetchV12.api.async(connection, 10, 1, 1 << 24, 0, 0, -1, topics, [], '')
  const batches = fetched.responses[0].partitions[0].records ?? []
  return batches.flatMap((batch) => batch.records.map((record) => toRecord(batch, record)))
}

const read = async (topics) => {
  const [host, port] = address.split(':')
  const connection = new Connection('stranger')
  await connection.connect(host, Number(port))
  for (const topic of topics) {
    const records = []
    for (;;) {
      const found = await fetchFrom(connection, topic, records.length)
      const fresh = found.filter(({ offset }) => offset >= records.length)
      if (fresh.length === 0) break
      records.push(...fresh)
    }
    writeTopic(topic, records)
  }
  await connection.close()
}

if (mode === 'write') await write(...rest)
else await read(rest)
