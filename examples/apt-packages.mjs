// Moves real lines through the broker, and checks that every byte comes back in order:
//   apt-cache dumpavail | node examples/apt-packages.mjs [topic]
//   node examples/apt-packages.mjs [topic] [file]
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { connect } from '@millrace/client-node'

const [topic = 'apt-packages', file] = process.argv.slice(2)
const client = await connect()
// One partition: the lines keep their order.
await client.admin.createTopic(topic, { partitions: 1, ifNotExists: true })
const [{ highWatermark: from }] = await client.admin.listOffsets(topic, 'end')

const producer = client.producer(topic, { codec: 'bytes' })
const sent = createHash('sha256')
let count = 0
let rest = Buffer.alloc(0)
for await (const chunk of file === undefined ? process.stdin : createReadStream(file)) {
  const bytes = Buffer.concat([rest, chunk])
  let at = 0
  for (let end; (end = bytes.indexOf(10, at)) >= 0; at = end + 1, count += 1) {
    if (!producer.write(bytes.subarray(at, end))) await producer.ready()
  }
  sent.update(bytes.subarray(0, at))
  rest = bytes.subarray(at)
}
await producer.flush()
console.log(
  `${count} lines stored${rest.length > 0 ? ', the last one without an end is left' : ''}`,
)

const received = createHash('sha256')
for await (const { bytes } of client.consume(topic, { from, follow: false, codec: 'bytes' })) {
  received.update(bytes).update('\n')
}
const isSame = received.digest('hex') === sent.digest('hex')
console.log(isSame ? 'read back: the same bytes' : 'read back: NOT the same')
process.exitCode = isSame ? 0 : 1
await client.close()
