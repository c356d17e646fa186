// Prints the messages of a topic as they come. Ctrl-C ends it.
//
//   node examples/consume.mjs [topic] [start|end|OFFSET]
import { connect } from '@millrace/client-node'

const [topic = 'greetings', from = 'start'] = process.argv.slice(2)
const client = await connect()
const consumer = client.consume(topic, {
  from: /^\d+$/.test(from) ? Number(from) : from,
  // Whatever was published is shown: JSON, text or anything else.
  codec: 'string',
})
process.once('SIGINT', () => void consumer.close())

for await (const { partition, offset, timestamp, keyText, payload } of consumer) {
  const time = new Date(timestamp).toISOString()
  console.log(`${partition}/${offset}  ${time}  ${keyText ?? '-'}  ${payload}`)
}

console.error('to go on later, begin at', consumer.offsets())
await client.close()
