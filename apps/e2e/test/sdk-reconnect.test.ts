/**
 * The SDK's promises over a broker that dies and connections that break: an idempotent producer
 * stores every message once and in order, a consumer sees each once and misses none. Nothing here
 * helps the client but time.
 */
import { randomInt } from 'node:crypto'
import { type Client, type Consumer, type Message, connect } from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually, within } from './support/eventually.ts'
import { ExactlyOnce } from './support/exactly-once.ts'
import { FaultProxy } from './support/fault-proxy.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const TOPIC = 'orders'
const PARTITIONS = 3
const KILLS = byDepth(6, 40)
const CUTS = byDepth(40, 400)

jest.setTimeout(byDepth(120_000, 1_200_000))

let scratch: Scratch

beforeAll(() => {
  scratch = createScratch('sdk')
})

afterAll(() => scratch.remove())

/** Waits short enough for a test; the shape is the real one. */
const reconnect = { delayMsMin: 5, delayMsMax: 200 }

class Sender {
  readonly #client: Client
  readonly #ledger: ExactlyOnce
  readonly #name: string
  readonly #send: (value: string, partition: number) => Promise<{ offset: number }>
  #count = 0
  #isOver = false

  constructor(client: Client, ledger: ExactlyOnce, name: string, options: object) {
    this.#client = client
    this.#ledger = ledger
    this.#name = name
    const producer = this.#client.producer<string>(TOPIC, { codec: 'string', ...options })
    this.#send = (value, partition) => producer.send({ value, partition })
  }

  stop(): void {
    this.#isOver = true
  }

  /** Keeps a few messages on their way, in every partition. */
  async run(window: number): Promise<void> {
    const lanes = Array.from({ length: window }, () => this.#runLane())
    await Promise.all(lanes)
  }

  async #runLane(): Promise<void> {
    while (!this.#isOver) {
      const partition = randomInt(PARTITIONS)
      const text = `${this.#name}#${this.#count++}#${'x'.repeat(randomInt(200))}`
      this.#ledger.note(text, partition)
      try {
        const { offset } = await this.#send(text, partition)
        this.#ledger.acknowledge(text, offset)
      } catch (error) {
        this.#ledger.fail(text, error)
      }
    }
  }
}

type ByPartition = Message<string>[][]

const emptyPartitions = (): ByPartition => Array.from({ length: PARTITIONS }, () => [])

const collect = async (consumer: Consumer<string>, into: ByPartition): Promise<void> => {
  for await (const message of consumer) into[message.partition]?.push(message)
}

interface Load {
  readonly client: Client
  readonly ledger: ExactlyOnce
  readonly read: ByPartition
  readonly gaps: unknown[]
  /** Ends the producers; resolves when every message has its outcome. */
  stop(): Promise<void>
}

const startLoad = async (url: string): Promise<Load> => {
  const ledger = new ExactlyOnce()
  const client = await connect(url, { reconnect, requestTimeoutMs: 20_000 })
  await client.admin.createTopic(TOPIC, { partitions: PARTITIONS, ifNotExists: true })
  const read = emptyPartitions()
  const gaps: unknown[] = []
  const consumer = client.consume<string>(TOPIC, { codec: 'string', from: 'start' })
  consumer.on('gap', (gap) => gaps.push(gap))
  await consumer.ready()
  const reading = collect(consumer, read)
  const kinds = [{}, { lingerMs: 2 }, { compression: 'lz4' }, { inFlightBatchesMax: 1 }]
  const senders = kinds.map((options, index) => new Sender(client, ledger, `p${index}`, options))
  const running = senders.map((sender) => sender.run(20))
  return {
    client,
    ledger,
    read,
    gaps,
    stop: async () => {
      for (const sender of senders) sender.stop()
      await within('every message has its outcome', 60_000, Promise.all(running))
      await eventually('the reader is at the end', async () => {
        const ends = await client.admin.listOffsets(TOPIC, 'end')
        return ends.every(
          ({ partition, offset }) => (read[partition]?.at(-1)?.offset ?? -1) + 1 === offset,
        )
      })
      await consumer.close()
      await reading
    },
  }
}

const readAll = async (url: string): Promise<ByPartition> => {
  const client = await connect(url)
  const stored = emptyPartitions()
  await collect(client.consume<string>(TOPIC, { codec: 'string', follow: false }), stored)
  await client.close()
  return stored
}

const check = async (load: Load, url: string): Promise<void> => {
  const { ledger, read, gaps } = load
  const stored = await readAll(url)
  for (const [partition, messages] of stored.entries()) {
    ledger.check(partition, messages)
    ledger.checkReader(`partition ${partition}`, read[partition] ?? [], messages)
  }
  expect(ledger.problems.slice(0, 10)).toEqual([])
  expect(gaps).toEqual([])
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test(`${KILLS} kills of the broker lose nothing, store nothing twice, and turn no order around`, async () => {
  const dataDir = scratch.next('data')
  const proxy = await FaultProxy.listen({ budget: () => ({ up: Infinity, down: Infinity }) })
  let broker: LaunchedBroker = await launchBroker({ dataDir })
  proxy.forwardTo(broker.nativePort)
  const load = await startLoad(proxy.url)
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(randomInt(20, 600))
    await broker.kill()
    broker = await launchBroker({ dataDir })
    proxy.forwardTo(broker.nativePort)
  }
  await pause(200)
  await load.stop()
  await check(load, broker.url)
  report(`${load.ledger.sentCount} messages over ${KILLS} kills`)
  await load.client.close()
  await proxy.close()
  await broker.stop()
})

test(`${CUTS} connections broken anywhere lose nothing either`, async () => {
  const broker = await launchBroker({ dataDir: scratch.next('data') })
  // From inside the handshake to far into the load, in either direction.
  const budget = (): { up: number; down: number } => {
    const bytes = 2 ** randomInt(5, 19) + randomInt(1_000)
    return randomInt(2) === 0 ? { up: bytes, down: Infinity } : { up: Infinity, down: bytes }
  }
  let isCutting = false
  const proxy = await FaultProxy.listen({
    budget: () => (isCutting ? budget() : { up: Infinity, down: Infinity }),
  })
  proxy.forwardTo(broker.nativePort)
  const load = await startLoad(proxy.url)
  isCutting = true
  proxy.cutAll()
  await eventually('enough is broken', () => proxy.cutCount >= CUTS, byDepth(90_000, 1_000_000))
  isCutting = false
  proxy.cutAll()
  await load.stop()
  await check(load, broker.url)
  report(`${load.ledger.sentCount} messages over ${proxy.cutCount} broken connections`)
  await load.client.close()
  await proxy.close()
  await broker.stop()
})

const STOPS = byDepth(4, 20)

test(`${STOPS} stops in order lose nothing, and the client is told of each`, async () => {
  const dataDir = scratch.next('data')
  const proxy = await FaultProxy.listen({ budget: () => ({ up: Infinity, down: Infinity }) })
  let broker: LaunchedBroker = await launchBroker({ dataDir })
  proxy.forwardTo(broker.nativePort)
  const load = await startLoad(proxy.url)
  const statuses = new Set<string>()
  load.client.on('status', ({ type }) => statuses.add(type))
  for (let stop = 0; stop < STOPS; stop++) {
    await pause(randomInt(50, 400))
    const ending = await broker.stop()
    expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
    broker = await launchBroker({ dataDir })
    proxy.forwardTo(broker.nativePort)
  }
  await pause(200)
  await load.stop()
  await check(load, broker.url)
  expect([...statuses].sort()).toEqual(['connected', 'connecting', 'going-away', 'reconnecting'])
  report(`${load.ledger.sentCount} messages over ${STOPS} stops`)
  await load.client.close()
  await proxy.close()
  await broker.stop()
})

test('what was deleted while a reader was away is a gap, and the reader is told', async () => {
  const broker = await launchBroker({ dataDir: scratch.next('data') })
  const proxy = await FaultProxy.listen({ budget: () => ({ up: Infinity, down: Infinity }) })
  proxy.forwardTo(broker.nativePort)
  const direct = await connect(broker.url)
  await direct.admin.createTopic('short', { partitions: 1 })
  const producer = direct.producer<string>('short', { codec: 'string' })
  const reader = await connect(proxy.url, { reconnect })
  const consumer = reader.consume<string>('short', { codec: 'string', from: 'start' })
  const gaps: unknown[] = []
  consumer.on('gap', ({ from, to, error }) => gaps.push([from, to, error.code]))
  const iterator = consumer[Symbol.asyncIterator]()
  for (const text of ['a', 'b']) await producer.send(text)
  const seen = [(await iterator.next()).value?.payload, (await iterator.next()).value?.payload]
  // Nobody answers the reader until it is all over.
  proxy.forwardTo(1)
  proxy.cutAll()
  await eventually('the reader has noticed', () => !reader.isOpen)
  for (const text of ['lost', 'lost too', 'c']) await producer.send(text)
  expect(await direct.admin.deleteRecords('short', { 0: 4 })).toEqual([
    { partition: 0, earliest: 4 },
  ])
  proxy.forwardTo(broker.nativePort)
  seen.push((await iterator.next()).value?.payload)
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(gaps).toEqual([[2, 4, 'ERR_OFFSET_OUT_OF_RANGE']])
  await Promise.all([reader.close(), direct.close()])
  await proxy.close()
  await broker.stop()
})

test('a topic that was deleted and created again is not taken for the old one', async () => {
  const broker = await launchBroker({ dataDir: scratch.next('data') })
  const proxy = await FaultProxy.listen({ budget: () => ({ up: Infinity, down: Infinity }) })
  proxy.forwardTo(broker.nativePort)
  const direct = await connect(broker.url)
  await direct.admin.createTopic('twice', { partitions: 1 })
  const client = await connect(proxy.url, { reconnect })
  const producer = client.producer<string>('twice', { codec: 'string' })
  for (const text of ['a', 'b', 'c']) await producer.send(text)
  const consumer = client.consume<string>('twice', { codec: 'string', from: 3 })
  const iterator = consumer[Symbol.asyncIterator]()
  const reading = iterator.next().then(
    () => 'a message',
    ({ code }: { code: string }) => code,
  )
  await pause(50)
  proxy.forwardTo(1)
  proxy.cutAll()
  await eventually('the client has noticed', () => !client.isOpen)
  await direct.admin.deleteTopic('twice')
  await direct.admin.createTopic('twice', { partitions: 1 })
  for (let count = 0; count < 5; count++) await direct.producer<string>('twice').send(`${count}`)
  const sending = producer.send('d')
  proxy.forwardTo(broker.nativePort)
  expect((await sending).offset).toBe(5)
  expect(await reading).toBe('ERR_TOPIC_DELETED')
  await Promise.all([client.close(), direct.close()])
  await proxy.close()
  await broker.stop()
})
