/**
 * The broker is killed under Kafka clients that produce and read: an idempotent producer loses nothing
 * and stores nothing twice, a consumer goes on where it was.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { eventually } from './support/eventually.ts'
import { confluent, kafkajs, type NewRecord, platformatic, sdk } from './support/kafka-clients.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const COUNT = 3_000
const KILL_AT = 1_000

let scratch: Scratch
let broker: LaunchedBroker
let kafkaPort: number

beforeAll(async () => {
  scratch = createScratch('kafka-restart')
  broker = await launchBroker({ dataDir: scratch.next('data') })
  kafkaPort = broker.kafkaPort
  const client = await connect(broker.url)
  await client.admin.createTopic('orders')
  await client.close()
})

afterAll(async () => {
  await broker?.stop()
  scratch?.remove()
})

const quick = ['-X', 'reconnect.backoff.ms=50', '-X', 'reconnect.backoff.max.ms=200']

const startKcat = (args: readonly string[]): ChildProcess =>
  spawn('kcat', ['-b', `127.0.0.1:${kafkaPort}`, '-E', ...quick, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })

const restart = async (): Promise<void> => {
  await broker.kill()
  broker = await launchBroker({
    dataDir: broker.dataDir,
    args: ['--kafka-port', String(kafkaPort)],
  })
}

it('loses nothing and stores nothing twice', async () => {
  const reader = startKcat(['-C', '-t', 'orders', '-o', 'beginning', '-u', '-q'])
  let read = ''
  reader.stdout?.on('data', (chunk: Buffer) => (read += chunk.toString()))
  const lineCount = (): number => read.split('\n').length - 1
  const idempotent = ['-X', 'enable.idempotence=true', '-X', 'linger.ms=1']
  const writer = startKcat(['-P', '-t', 'orders', '-p', '0', ...idempotent])
  for (let index = 0; index < KILL_AT; index++) writer.stdin?.write(`order ${index}\n`)
  await eventually('the reader has some', () => lineCount() >= KILL_AT / 2)
  const restarted = restart()
  for (let index = KILL_AT; index < COUNT; index++) writer.stdin?.write(`order ${index}\n`)
  await restarted
  writer.stdin?.end()
  const [code] = (await once(writer, 'close')) as [number]
  expect(code).toBe(0)
  await eventually('the reader has all', () => lineCount() >= COUNT)
  reader.kill('SIGKILL')
  const expected = Array.from({ length: COUNT }, (_, index) => `order ${index}`)
  expect(read.split('\n').slice(0, -1)).toEqual(expected)
})

const ofEach: readonly NewRecord[] = Array.from({ length: 4_000 }, (_, index) => ({
  key: `key ${index % 10}`,
  payload: `order ${index}`,
  headers: [],
  timestamp: 1_700_000_000_000 + index,
}))

it.each([confluent, kafkajs, platformatic])(
  '$name goes on when the broker dies under it, and stores everything once',
  async (writer) => {
    const topic = `orders-${writer.name}`
    const client = await connect(broker.url)
    await client.admin.createTopic(topic)
    const addresses = { kafka: `127.0.0.1:${kafkaPort}`, native: broker.url }
    const written = writer.write(addresses, topic, 'none', ofEach)
    // A failure before it is awaited is not lost: it is awaited below.
    written.catch(() => undefined)
    await eventually('some are stored', async () => {
      const [partition] = (await client.admin.describeTopic(topic)).partitions
      return (partition?.next ?? 0) >= 300
    })
    await client.close()
    await restart()
    await written
    const from = { ...addresses, native: broker.url }
    const found = (await sdk.read(from, [topic])).get(topic) ?? []
    expect(found.map(({ payload }) => payload)).toEqual(ofEach.map(({ payload }) => payload))
  },
)

it('ends connections in order when it is asked to stop', async () => {
  const reader = startKcat([
    '-C',
    '-t',
    'orders',
    '-o',
    'end',
    '-q',
    '-X',
    'fetch.wait.max.ms=60000',
  ])
  const client = await connect(broker.url)
  await eventually('the reader is there', () => reader.exitCode === null)
  await client.close()
  const began = performance.now()
  const { code, stderr } = await broker.stop()
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(performance.now() - began).toBeLessThan(10_000)
  reader.kill('SIGKILL')
  broker = await launchBroker({
    dataDir: broker.dataDir,
    args: ['--kafka-port', String(kafkaPort)],
  })
})
