/**
 * @platformatic/kafka as a program: `write ADDRESS TOPIC CODEC` takes records from standard input,
 * `read ADDRESS TOPIC…` writes them, a JSON line a topic; `poll ADDRESS TOPIC OFFSET` waits for the
 * record there. Its consumer always joins a group, so reading
 * goes through the fetch that the consumer itself uses.
 */
import { Connection, fetchV12, Producer, stringSerializers } from '@platformatic/kafka'
import { chunksOf, POLL_MS, readInput, writeTopic } from './record-lines.mjs'

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
    retries: 50,
    retryDelay: 200,
  })
  const messages = readInput().map(({ key, payload, headers, timestamp }) => ({
    topic,
    partition: 0,
    key,
    value: payload,
    headers: Object.fromEntries(headers),
    timestamp: BigInt(timestamp),
  }))
  for (const some of chunksOf(messages)) {
    await producer.send({ messages: some, compression, acks: -1 })
  }
  await producer.close()
}

const toRecord = ({ firstOffset, firstTimestamp }, { offsetDelta, timestampDelta, ...record }) => ({
  offset: Number(firstOffset) + offsetDelta,
  timestamp: Number(firstTimestamp + timestampDelta),
  key: record.key === null ? null : record.key.toString(),
  payload: record.value === null ? null : record.value.toString(),
  headers: [...record.headers].map(([name, text]) => [name.toString(), text.toString()]),
})

const fetchFrom = async (connection, topic, offset, waitMs = 10) => {
  const partition = { partition: 0, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
  const partitions = [{ ...partition, fetchOffset: BigInt(offset), partitionMaxBytes: 1 << 20 }]
  const topics = [{ topicId: topic, partitions }]
  const fetched = await fetchV12.api.async(connection, waitMs, 1, 1 << 24, 0, 0, -1, topics, [], '')
  const batches = fetched.responses[0].partitions[0].records ?? []
  return batches.flatMap((batch) => batch.records.map((record) => toRecord(batch, record)))
}

const open = async () => {
  const [host, port] = address.split(':')
  const connection = new Connection('stranger', { requestTimeout: 2 * POLL_MS })
  await connection.connect(host, Number(port))
  return connection
}

const poll = async (topic, offset) => {
  const connection = await open()
  writeTopic(topic, await fetchFrom(connection, topic, Number(offset), POLL_MS))
  await connection.close()
}

const read = async (topics) => {
  const connection = await open()
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
else if (mode === 'poll') await poll(...rest)
else await read(rest)
