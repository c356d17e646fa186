// Sends messages to a topic, and prints where each of them is stored.
//
//   node examples/publish.mjs [topic] [count]
import { connect } from '@millrace/client-node'

const [topic = 'greetings', count = '5'] = process.argv.slice(2)
const client = await connect()
const producer = client.producer(topic)

for (let number = 1; number <= Number(count); number++) {
  // Messages of one key go to one partition, in order.
  const key = number % 2 === 0 ? 'even' : 'odd'
  const message = { key, value: { number, text: 'hello' }, headers: { example: 'publish' } }
  const { partition, offset } = await producer.send(message)
  console.log(`${topic} ${partition}/${offset}  number ${number}`)
}

// Waits for what is still on its way, then closes.
await client.drain()
