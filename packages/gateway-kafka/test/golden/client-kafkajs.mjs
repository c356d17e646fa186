/** What kafkajs sends as a producer and an administrator. */
import kafkajs from 'kafkajs'

const { CompressionTypes, Kafka, logLevel } = kafkajs
const brokers = [process.argv[2]]
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })

const admin = kafka.admin()
await admin.connect()
const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
await admin.createTopics({ topics: [{ topic: 'kafkajs', numPartitions: 2, configEntries }] })

const messages = [{ key: 'key', value: 'value', headers: { name: 'value' } }, { value: null }]
for (const options of [{}, { idempotent: true }]) {
  const producer = kafka.producer(options)
  await producer.connect()
  await producer.send({ topic: 'kafkajs', messages, compression: CompressionTypes.GZIP })
  await producer.disconnect()
}
await admin.fetchTopicOffsets('kafkajs')
await admin.fetchTopicOffsetsByTimestamp('kafkajs', 1_000)
await admin.deleteTopics({ topics: ['kafkajs'] })
await admin.disconnect()

const sasl = { mechanism: 'plain', username: 'name', password: 'secret' }
const known = new Kafka({ brokers, sasl, logLevel: logLevel.NOTHING }).admin()
await known.connect()
await known.disconnect()
