/** What @platformatic/kafka sends as a producer and an administrator, and its fetch by hand. */
import {
  Admin,
  Connection,
  fetchV12,
  listOffsetsV8,
  Producer,
  stringSerializers,
} from '@platformatic/kafka'

const [host, port] = process.argv[2].split(':')
const options = { clientId: 'golden', bootstrapBrokers: [process.argv[2]] }

const admin = new Admin(options)
await admin.createTopics({ topics: ['platformatic'], partitions: 1, replicas: 1 })
for (const more of [{}, { idempotent: true }]) {
  const producer = new Producer({ ...options, serializers: stringSerializers, ...more })
  const message = { topic: 'platformatic', key: 'key', value: 'value', headers: { name: 'value' } }
  for (const compression of ['none', 'gzip', 'snappy', 'lz4']) {
    await producer.send({ messages: [message], compression })
  }
  await producer.close()
}

const connection = new Connection('golden')
await connection.connect(host, Number(port))
const partition = { partition: 0, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
const partitions = [{ ...partition, fetchOffset: 0n, partitionMaxBytes: 1 << 20 }]
const topics = [{ topicId: 'platformatic', partitions }]
await fetchV12.api.async(connection, 100, 1, 1 << 20, 0, 0, -1, topics, [], '')
const asked = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1n }]
await listOffsetsV8.api.async(connection, -1, 0, [{ name: 'platformatic', partitions: asked }])
await connection.close()

await admin.deleteTopics({ topics: ['platformatic'] })
await admin.close()
