/**
 * Compression: what the SDK compressed comes back through the SDK, and through a client of another
 * hand that reads no compressed batch and for which the broker inflates them.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { crc32c } from '@millrace/codec'
import { type Client, type CompressionName, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { debianPython } from './support/debian-python.ts'
import { residentMebibytes } from './support/process-figures.ts'
import { batchOf, fetchBody, produceBody } from './support/produce-body.ts'
import { ANSWER, complaintOf, Op, type RawFrame, RawPeer } from './support/raw-peer.ts'
import { createScratch, type Scratch } from './support/scratch.ts'
import { repositoryRoot } from './support/shell.ts'

const COUNT = 5_000
const codecs: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

let scratch: Scratch
let broker: LaunchedBroker
let client: Client

const lines = Array.from({ length: COUNT }, (_, index) => `line ${index} of the same words`)

beforeAll(async () => {
  scratch = createScratch('compression')
  broker = await launchBroker({ dataDir: scratch.next('data') })
  client = await connect(broker.url)
})

afterAll(async () => {
  await client?.close()
  await broker?.stop()
  scratch?.remove()
})

const publish = async (topic: string, compression: CompressionName): Promise<void> => {
  const producer = client.producer<string>(topic, { codec: 'string', compression })
  for (const [index, value] of lines.entries()) {
    if (!producer.write({ value, timestamp: 1_000_000 + index })) await producer.ready()
  }
  await producer.close()
}

const storedBytes = async (topic: string): Promise<number> =>
  (await client.admin.describeTopic(topic)).partitions[0]?.bytes ?? 0

describe.each(codecs)('%s', (compression) => {
  const topic = `packed-${compression}`

  beforeAll(async () => {
    await client.admin.createTopic(topic)
    await publish(topic, compression)
  })

  it('comes back as it was', async () => {
    const options = { from: 'start', follow: false, codec: 'string' } as const
    const read: (string | null)[] = []
    for await (const message of client.consume<string>(topic, options)) read.push(message.payload)
    expect(read).toEqual(lines)
  })

  it('is inflated for a client that cannot read it', () => {
    const directory = join(repositoryRoot, 'apps', 'e2e', 'python')
    const args = ['-B', 'fetch_all.py', '127.0.0.1', String(broker.nativePort), topic]
    const output = execFileSync(debianPython, args, { cwd: directory, maxBuffer: 1e8 })
    expect(output.toString().split('\n').slice(0, -1)).toEqual(lines)
  })

  it('is found by time inside a batch', async () => {
    const [found] = await client.admin.listOffsets(topic, 1_000_000 + 1_234)
    expect(found).toMatchObject({ offset: 1_234, timestamp: 1_001_234 })
  })
})

it('is stored as it came, so it takes less room', async () => {
  const plain = await storedBytes('packed-none')
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'])
    expect(await storedBytes(`packed-${codec}`)).toBeLessThan(plain / 2)
})

/** A batch of one record, with a right checksum, whose compressed records are whatever they are. */
const packedBatch = (records: Uint8Array): Buffer => {
  const bytes = Buffer.concat([batchOf(Buffer.from('x')).subarray(0, 61), records])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt16BE(1, 21)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

const zeros = (): Buffer => gzipSync(Buffer.alloc(200_000_000))

/** Twenty times over: what is read of it by somebody for whom the broker has to inflate. */
const readInflated = async (topic: string, records: Buffer): Promise<RawFrame[]> => {
  await client.admin.createTopic(topic)
  const peer = await RawPeer.handshaken(broker.nativePort)
  const { handle } = await peer.succeed(Op.TOPIC_OPEN, { topic })
  const produce = produceBody(handle as number, 0, packedBatch(records))
  expect((await peer.request(Op.PRODUCE, produce)).op).toBe(Op.PRODUCE | ANSWER)
  const before = residentMebibytes(broker.pid)
  const answers: RawFrame[] = []
  for (let count = 0; count < 20; count++) {
    answers.push(await peer.request(Op.FETCH, fetchBody(handle as number, 0, 0n)))
    await client.admin.listOffsets(topic, 1_600_000_000_000).catch(() => undefined)
  }
  // One at a time, 64 MiB of it at most, and what is left over is collected: not forty times that.
  expect(residentMebibytes(broker.pid) - before).toBeLessThan(400)
  peer.destroy()
  return answers
}

it('that is a bomb of 1000 to 1 is kept as it came, and refused to whoever needs what is in it', async () => {
  for (const answer of await readInflated('bomb', zeros()))
    expect(complaintOf(answer)).toMatchObject({ retriable: false })
  expect(await storedBytes('bomb')).toBeLessThan(262_144)
})

it('that is a bomb within a bomb is inflated once', async () => {
  for (const { op, body } of await readInflated('bomb-in-bomb', gzipSync(zeros()))) {
    expect(op).toBe(Op.FETCH | ANSWER)
    expect(body.length).toBeLessThan(262_144)
  }
})
