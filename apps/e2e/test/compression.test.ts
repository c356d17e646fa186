/**
 * Compression: what the SDK compressed comes back through the SDK, and through a client of another
 * hand that reads no compressed batch and for which the broker inflates them.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { type Client, type CompressionName, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { debianPython } from './support/debian-python.ts'
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
