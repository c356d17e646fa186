/** kcat against the broker: large messages, long polls, offsets, and a broker that dies under it. */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { type Client, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { eventually } from './support/eventually.ts'
import { runProgram } from './support/kafka-clients.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const EIGHT_MIB = 8 * 1024 * 1024

let scratch: Scratch
let broker: LaunchedBroker
let client: Client
let address: string

beforeAll(async () => {
  scratch = createScratch('kcat')
  broker = await launchBroker({ dataDir: scratch.next('data') })
  client = await connect(broker.url)
  address = `127.0.0.1:${broker.kafkaPort}`
})

afterAll(async () => {
  await client?.close()
  await broker?.stop()
  scratch?.remove()
})

const kcat = (args: readonly string[], input: string | Buffer = ''): Promise<string> =>
  runProgram('kcat', ['-b', address, ...args], input)

it.each(['none', 'lz4'])('carries a message of 8 MiB, compression %s', async (codec) => {
  const topic = `large-${codec}`
  await client.admin.createTopic(topic)
  const message = Buffer.alloc(EIGHT_MIB)
  for (let at = 0; at < message.length; at += 4)
    message.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
  const [sent, received] = [scratch.next('sent'), scratch.next('received')]
  await writeFile(sent, message)
  const limits = ['-X', 'message.max.bytes=16000000']
  // A file that is named is one message.
  await kcat(['-P', '-t', topic, '-z', codec, ...limits, sent])
  await runProgram('sh', [
    '-c',
    `kcat -b ${address} -C -t ${topic} -o beginning -c 1 -D '' -q > ${received}`,
  ])
  expect((await readFile(received)).equals(message)).toBe(true)
  const [stored] = (await client.admin.describeTopic(topic)).partitions
  expect(stored?.next).toBe(1)
})

it('is answered as soon as a record comes, however long it would wait', async () => {
  await client.admin.createTopic('poll')
  const wait = ['-X', 'fetch.wait.max.ms=60000', '-X', 'socket.timeout.ms=70000']
  const args = ['-b', address, '-C', '-t', 'poll', '-o', 'end', '-c', '1', '-u', '-q', ...wait]
  const child = spawn('kcat', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const producer = client.producer<string>('poll', { codec: 'string' })
  // It begins at the end, wherever that is when it gets there.
  const began = performance.now()
  await eventually('kcat read something', async () => {
    if (output === '') await producer.send({ value: 'now' })
    return output !== ''
  })
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(output).toBe('now\n')
  child.kill('SIGKILL')
  await producer.close()
})

it('finds offsets by time', async () => {
  await client.admin.createTopic('times')
  const producer = client.producer<string>('times', { codec: 'string' })
  for (let index = 0; index < 10; index++) {
    await producer.send({ value: `${index}`, timestamp: 1_000_000 + index * 1_000 })
  }
  await producer.close()
  expect(await kcat(['-Q', '-t', 'times:0:1003500'])).toContain('offset 4')
  expect(await kcat(['-Q', '-t', 'times:0:-1'])).toContain('offset 10')
  expect(await kcat(['-Q', '-t', 'times:0:-2'])).toContain('offset 0')
  const from = await kcat(['-C', '-t', 'times', '-o', 's@1008000', '-e', '-q'])
  expect(from).toBe('8\n9\n')
})

it('reads several partitions at once, and writes to the one that the key says', async () => {
  await client.admin.createTopic('keyed', { partitions: 4 })
  const lines = Array.from({ length: 400 }, (_, index) => `key ${index % 20}\tvalue ${index}\n`)
  const murmur = ['-X', 'topic.partitioner=murmur2_random']
  await kcat(['-P', '-t', 'keyed', '-K', '\t', ...murmur], lines.join(''))
  const all = await kcat(['-C', '-t', 'keyed', '-o', 'beginning', '-e', '-q', '-K', '\t'])
  expect(all.split('\n').slice(0, -1).sort()).toEqual(lines.map((line) => line.trim()).sort())
  const byKey = new Map<string, number>()
  const options = { from: 'start', follow: false, codec: 'string' } as const
  for await (const { keyText, partition } of client.consume<string>('keyed', options)) {
    const before = byKey.get(keyText ?? '') ?? partition
    expect(partition).toBe(before)
    byKey.set(keyText ?? '', partition)
  }
  // The SDK chooses as Kafka's clients do.
  const producer = client.producer<string>('keyed', { codec: 'string' })
  for (const [key, partition] of byKey) {
    expect((await producer.send({ key, value: 'again' })).partition).toBe(partition)
  }
  await producer.close()
})

it('lists topics and creates one where that is allowed', async () => {
  expect(await kcat(['-L'])).toContain('topic "keyed" with 4 partitions')
  const soon = ['-X', 'topic.metadata.propagation.max.ms=100']
  await expect(kcat(['-P', '-t', 'nowhere', ...soon], 'lost\n')).rejects.toThrow(/Unknown topic/)
  const open = await launchBroker({
    dataDir: scratch.next('open'),
    env: { MILLRACE_TOPICS__AUTO_CREATE: 'true' },
  })
  const openAddress = `127.0.0.1:${open.kafkaPort}`
  await runProgram('kcat', ['-b', openAddress, '-P', '-t', 'somewhere'], 'found\n')
  const read = ['-b', openAddress, '-C', '-t', 'somewhere', '-o', 'beginning', '-e', '-q']
  expect(await runProgram('kcat', read)).toBe('found\n')
  await open.stop()
})
