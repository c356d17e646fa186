// examples/orders.mjs
import { connect } from '@millrace/client-node'

const client = await connect()

const producer = client.producer('orders')
const { partition, offset } = await producer.send({ key: 'carla', value: { id: 3, total: 30 } })
console.log(`stored at ${partition}/${offset}`)

for await (const message of client.consume('orders', { from: 'start', follow: false })) {
  console.log(message.offset, message.keyText, message.payload.total)
}

await client.close()
