// Reads a topic again from a point in time up to now, and ends.
//
//   node examples/replay-from-time.mjs [topic] [time]
//
// The time is an ISO date, or a number of minutes ago: 2026-11-20T08:00:00Z, or 5.
import { connect } from '@millrace/client-node'

const [topic = 'greetings', time = '5'] = process.argv.slice(2)
const isMinutes = /^\d+$/.test(time)
const from = new Date(isMinutes ? Date.now() - Number(time) * 60_000 : time)

const client = await connect()
for (const { partition, offset, highWatermark } of await client.admin.listOffsets(topic, from)) {
  console.log(`partition ${partition}: offsets ${offset} to ${highWatermark}`)
}

let count = 0
for await (const message of client.consume(topic, { from, follow: false, codec: 'string' })) {
  console.log(new Date(message.timestamp).toISOString(), message.payload)
  count += 1
}
console.log(`${count} messages since ${from.toISOString()}`)
await client.close()
