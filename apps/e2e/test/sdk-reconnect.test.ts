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
