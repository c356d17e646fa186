/**
 * The SDK's promises about queues over a broker that dies and connections that break: what was
 * confirmed is delivered, what was settled on disk stays settled, and a queue that drops doubles has
 * every message once, over every kill of the broker. Nothing here helps the client but time.
 */
import { randomInt } from 'node:crypto'
import {
  type Client,
  connect,
  type Delivery,
  isBrokerError,
  type Queue,
  type Worker,
} from '@millrace/client-node'
import { type LaunchedBroker, launchBroker } from './support/broker.ts'
import { byDepth, report } from './support/depth.ts'
import { eventually, within } from './support/eventually.ts'
import { FaultProxy } from './support/fault-proxy.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const KILLS = byDepth(5, 40)
const CUTS = byDepth(30, 400)
const LANES = 20

jest.setTimeout(byDepth(180_000, 1_200_000))

let scratch: Scratch

beforeAll(() => {
  scratch = createScratch('sdk-queues')
})

afterAll(() => scratch.remove())

/** A test that failed half way must not leave a broker or a client behind. */
const leftOvers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of leftOvers.splice(0).reverse()) await end()
})

/** Waits short enough for a test; the shape is the real one. */
const reconnect = { delayMsMin: 5, delayMsMax: 200 }

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What was sent, and what became of it. A message that is stored twice has two offsets. */
class Ledger {
  readonly #confirmed = new Set<string>()
  /** Offsets that are settled on disk, as far as the broker said. */
  readonly #settled = new Set<number>()
  readonly #textAt = new Map<number, string>()
  readonly #delivered = new Set<string>()
  readonly problems: string[] = []
  sentCount = 0

  nextText(): string {
    this.sentCount += 1
    return `${this.sentCount}:${'x'.repeat(randomInt(300))}`
  }

  confirm(text: string): void {
    this.#confirmed.add(text)
  }

  deliver({ payload, offset, isRedelivered }: Delivery<string>): void {
    const known = this.#textAt.get(offset)
    if (this.#settled.has(offset)) this.problems.push(`settled, and it came again: ${offset}`)
    if (known !== undefined && !isRedelivered)
      this.problems.push(`came again and does not say so: ${offset}`)
    if (known !== undefined && known !== payload)
      this.problems.push(`another message at the same offset: ${offset}`)
    this.#textAt.set(offset, payload)
    this.#delivered.add(payload)
  }

  settle(offset: number): void {
    this.#settled.add(offset)
  }

  get missing(): string[] {
    return [...this.#confirmed].filter((text) => !this.#delivered.has(text))
  }

  get settledCount(): number {
    return this.#settled.size
  }

  /** How many messages were stored more than once. */
  get doubleCount(): number {
    return this.#textAt.size - this.#delivered.size
  }
}

interface Load {
  readonly client: Client
  readonly queue: Queue<string>
  readonly ledger: Ledger
  stop(): Promise<void>
}

/** What only a lost connection may do to an ack. */
const isExpected = (error: unknown): boolean =>
  isBrokerError(error) && ['ERR_CONNECTION_LOST', 'ERR_GOING_AWAY'].includes(error.code)

const consumeAll = async (
  queue: Queue<string>,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> => {
  try {
    for await (const delivery of queue.consume({ prefetch: 50, signal })) {
      ledger.deliver(delivery)
      const settled = delivery.ack({ durable: true })
      settled.then(
        () => ledger.settle(delivery.offset),
        (error: unknown) => {
          if (!isExpected(error)) ledger.problems.push(`an ack failed: ${String(error)}`)
        },
      )
    }
  } catch (error) {
    if (!isBrokerError(error) || error.code !== 'ERR_ABORTED') throw error
  }
}

const startLoad = async (url: string): Promise<Load> => {
  const client = await connect(url, { reconnect, requestTimeoutMs: 20_000 })
  leftOvers.push(() => client.close())
  const queue = client.queue<string>('work', { codec: 'string' })
  await queue.declare({ dedupWindowMs: 600_000 })
  const ledger = new Ledger()
  let isOver = false
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const text = ledger.nextText()
      await queue.send(text)
      ledger.confirm(text)
    }
  }
  const sending = Promise.all(Array.from({ length: LANES }, lane))
  const ending = new AbortController()
  const consuming = Promise.all([
    consumeAll(queue, ledger, ending.signal),
    consumeAll(queue, ledger, ending.signal),
  ])
  return {
    client,
    queue,
    ledger,
    stop: async () => {
      isOver = true
      await within('every message has its outcome', 60_000, sending)
      await eventually(
        'the queue is empty',
        async () => {
          const { ready, inFlight } = await queue.describe()
          return ready === 0 && inFlight === 0
        },
        60_000,
      )
      ending.abort()
      await consuming
    },
  }
}

const check = async ({ ledger, queue }: Load): Promise<void> => {
  expect(ledger.problems.slice(0, 10)).toEqual([])
  expect(ledger.missing.slice(0, 10)).toEqual([])
  expect(await queue.get()).toBeUndefined()
}

test(`${KILLS} kills of the broker lose no confirmed message and bring back none that was settled`, async () => {
  const dataDir = scratch.next('data')
  const proxy = await FaultProxy.listen({ budget: () => ({ up: Infinity, down: Infinity }) })
  let broker: LaunchedBroker = await launchBroker({ dataDir })
  leftOvers.push(
    () => broker.kill(),
    () => proxy.close(),
  )
  proxy.forwardTo(broker.nativePort)
  const load = await startLoad(proxy.url)
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(randomInt(50, 800))
    await broker.kill()
    broker = await launchBroker({ dataDir })
    proxy.forwardTo(broker.nativePort)
  }
  await pause(200)
  await load.stop()
  await check(load)
  const { sentCount, settledCount, doubleCount } = load.ledger
  // What had no answer when the broker died was sent again, and the next one knew it.
  expect(doubleCount).toBe(0)
  report(`${sentCount} messages over ${KILLS} kills, ${settledCount} settled, none twice`)
  await load.client.drain()
})

test('a message id is taken once over a kill, also of what was settled before it', async () => {
  const dataDir = scratch.next('data')
  let broker = await launchBroker({ dataDir })
  leftOvers.push(() => broker.kill())
  const sendAll = async (name: string): Promise<void> => {
    for (let id = 0; id < 50; id++)
      await client.queue<number>(name).send(id, { messageId: `id ${id}` })
  }
  let client = await connect(broker.url)
  for (const name of ['done', 'waiting'])
    await client.queue<number>(name).declare({ dedupWindowMs: 60_000 })
  await sendAll('done')
  await sendAll('waiting')
  for (let id = 0; id < 50; id++)
    await (await client.queue<number>('done').get())!.ack({ durable: true })
  await broker.kill()
  await client.close()

  broker = await launchBroker({ dataDir })
  client = await connect(broker.url)
  leftOvers.push(() => client.close())
  await sendAll('done')
  await sendAll('waiting')
  expect(await client.queue('done').describe()).toMatchObject({ ready: 0, inFlight: 0 })
  expect(await client.queue('waiting').describe()).toMatchObject({ ready: 50, inFlight: 0 })
  await client.queue<number>('done').send(50, { messageId: 'another' })
  expect((await client.queue<number>('done').get())?.payload).toBe(50)
})

test(`${CUTS} connections broken anywhere lose nothing, and store nothing twice`, async () => {
  const broker = await launchBroker({ dataDir: scratch.next('data') })
  leftOvers.push(() => broker.kill())
  // From inside the handshake to far into the load, in either direction.
  const budget = (): { up: number; down: number } => {
    const bytes = 2 ** randomInt(5, 19) + randomInt(1_000)
    return randomInt(2) === 0 ? { up: bytes, down: Infinity } : { up: Infinity, down: bytes }
  }
  let isCutting = false
  const proxy = await FaultProxy.listen({
    budget: () => (isCutting ? budget() : { up: Infinity, down: Infinity }),
  })
  leftOvers.push(() => proxy.close())
  proxy.forwardTo(broker.nativePort)
  const load = await startLoad(proxy.url)
  isCutting = true
  proxy.cutAll()
  await eventually('enough is broken', () => proxy.cutCount >= CUTS, byDepth(90_000, 1_000_000))
  isCutting = false
  proxy.cutAll()
  await load.stop()
  await check(load)
  const { counters } = await load.queue.describe()
  // The broker lived on, so that it has seen each message, however often it was sent.
  expect(counters.published).toBe(load.ledger.sentCount)
  expect(load.ledger.doubleCount).toBe(0)
  report(`${load.ledger.sentCount} messages over ${proxy.cutCount} broken connections`)
  await load.client.drain()
})

describe('with one broker', () => {
  let broker: LaunchedBroker
  let client: Client

  beforeAll(async () => {
    broker = await launchBroker({ dataDir: scratch.next('data') })
    client = await connect(broker.url, { reconnect })
  })

  afterAll(async () => {
    await client?.drain()
    await broker?.stop()
  })

  test.each(['tcp', 'websocket'])('a job goes its whole way over %s', async (transport) => {
    const url = transport === 'tcp' ? broker.url : `ws://127.0.0.1:${broker.httpPort}/ws`
    await using peer = await connect(url)
    const exchange = peer.exchange<{ id: number }>(`orders-${transport}`)
    await exchange.declare({ type: 'topic' })
    const queue = peer.queue<{ id: number }>(`jobs-${transport}`)
    const failed = peer.queue<{ id: number }>(`failed-${transport}`)
    await failed.declare()
    await queue.declare({ deadLetterExchange: '', deadLetterKey: failed.name })
    await queue.bind(exchange.name, { routingKey: 'eu.#' })
    const attempts = new Map<number, number>()
    const worker: Worker<{ id: number }> = peer.work(
      queue,
      ({ payload: { id } }, { attempt }) => {
        attempts.set(id, attempt)
        if (id % 2 === 1 && attempt < 3) throw new Error('try again')
        if (id === 4) throw new Error('never')
      },
      { concurrency: 4, retries: 2, backoff: { delayMsMin: 5, delayMsMax: 20 } },
    )
    const results = await Promise.all(
      [1, 2, 3, 4].map((id) => exchange.publish(`eu.${id}`, { id }, { headers: { id: `${id}` } })),
    )
    expect(results).toEqual([1, 1, 1, 1].map((targets) => ({ targets })))
    expect(await exchange.publish('us.1', { id: 9 })).toEqual({ targets: 0 })
    const dead = await eventually('one is given up', () => failed.get())
    expect([...attempts].sort()).toEqual([
      [1, 3],
      [2, 1],
      [3, 3],
      [4, 3],
    ])
    expect(dead.payload).toEqual({ id: 4 })
    expect(dead.headers.get('id')).toBe('4')
    expect(dead.deadLetters).toMatchObject([{ queue: queue.name, reason: 'rejected', count: 1 }])
    await dead.ack({ durable: true })
    await worker.close()
    expect(await queue.describe()).toMatchObject({ ready: 0, inFlight: 0, consumers: 0 })
  })

  test('a message id is taken once in a queue that drops doubles', async () => {
    const queue = client.queue<number>('once')
    await queue.declare({ dedupWindowMs: 60_000 })
    for (let time = 0; time < 3; time++) await queue.send(time, { messageId: 'same' })
    expect(await queue.describe()).toMatchObject({ ready: 1 })
  })

  test('what a worker fails at comes again after a while that grows', async () => {
    const queue = client.queue<number>('patient')
    await queue.declare({ redeliveryDelayMsMin: 200, redeliveryDelayMsMax: 300 })
    const triedAtMs: number[] = []
    const consumer = queue.consume({ prefetch: 1 })
    await queue.send(1)
    await queue.send(2)
    const others: number[] = []
    for await (const delivery of consumer) {
      if (delivery.payload === 2) {
        others.push(triedAtMs.length)
        await delivery.ack()
        continue
      }
      triedAtMs.push(performance.now())
      if (triedAtMs.length === 3) break
      await delivery.nack()
      if (triedAtMs.length === 1) {
        const described = () => queue.describe()
        await eventually('it waits', async () => (await described()).delayed === 1)
      }
    }
    const [first, second, third] = triedAtMs as [number, number, number]
    expect(others).toEqual([1])
    expect(second - first).toBeGreaterThanOrEqual(200)
    expect(third - second).toBeGreaterThanOrEqual(300)
    await expect(queue.declare({})).rejects.toMatchObject({ code: 'ERR_QUEUE_EXISTS' })
  })

  test('a transaction moves a job, or leaves it where it was', async () => {
    const from = client.queue<number>('from')
    const to = client.queue<number>('to')
    await from.declare()
    await to.declare()
    await from.send(1)
    const first = (await from.get()) as Delivery<number>
    const failing = client.transaction((tx) => {
      tx.send(to, 1)
      tx.ack(first)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await to.get()).toBeUndefined()
    await client.transaction((tx) => {
      tx.send(to, 1)
      tx.ack(first)
    })
    expect((await to.get())?.payload).toBe(1)
    expect(await from.describe()).toMatchObject({ ready: 0, inFlight: 0 })
  })

  test('an exclusive queue is gone with its connection, and locked for others', async () => {
    const owner = await connect(broker.url)
    await owner.queue('mine').declare({ exclusive: true })
    const locked: unknown = await client
      .queue('mine')
      .describe()
      .catch((error: unknown) => error)
    expect(locked).toMatchObject({ code: 'ERR_QUEUE_LOCKED' })
    await owner.drain()
    await eventually('it is gone', async () => {
      const queues = await client.admin.listQueues({ prefix: 'mine' })
      return queues.length === 0
    })
  })

  test('a large payload arrives whole', async () => {
    const queue = client.queue<Uint8Array>('large', { codec: 'bytes' })
    await queue.declare()
    const payload = Buffer.alloc(5 * 1024 * 1024, 'millrace')
    await queue.send(payload)
    const delivery = await queue.get()
    expect(Buffer.compare(Buffer.from(delivery?.bytes ?? []), payload)).toBe(0)
    await delivery?.ack()
  })
})
