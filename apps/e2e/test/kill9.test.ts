/**
 * `kill -9` at random moments while producers of every kind are at work, again and again on one data
 * directory, also while the broker is starting. What this cannot show is a sync that was left out:
 * the page cache survives the process. That is the matter of sync-order.test.ts and the simulator.
 */
import { randomInt } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from '@millrace/client-node'
import { launchAndKill, launchBroker, type LaunchedBroker } from './support/broker.ts'
import { CrashLedger, type LedgerTopic, type ReadRecord } from './support/crash-ledger.ts'
import { type ProducerKind, startLoad } from './support/crash-producers.ts'
import { byDepth, report } from './support/depth.ts'
import { within } from './support/eventually.ts'
import { readPackageLines } from './support/package-lines.ts'
import { createScratch, type Scratch } from './support/scratch.ts'

const ROUNDS = byDepth(10, 50)
const ATTEMPTS_MAX = ROUNDS * 3
const KILL_AFTER_MS_MAX = 800
const START_KILL_MS = { from: 100, to: 450 }

jest.setTimeout(byDepth(180_000, 1_800_000))

const topic = (name: string, partitions: number, isMemory = false): LedgerTopic => ({
  name,
  partitions,
  isMemory,
})

const orders = topic('orders', 1)
const events = topic('events', 4)
const blobs = topic('blobs', 2)
const singles = topic('singles', 3)
const ticks = topic('ticks', 2, true)
const topics = [orders, events, blobs, singles, ticks]

const KIB = 1024

/** Small and large, alone and in batches, below and above the direct append's threshold of 256 KiB. */
const kinds: readonly ProducerKind[] = [
  { topic: orders, isKeyed: false, window: 1_000 },
  { topic: orders, isKeyed: false, window: 50, options: { lingerMs: 2 } },
  { topic: events, isKeyed: true, window: 500 },
  {
    topic: events,
    isKeyed: false,
    window: 40,
    bytes: [10 * KIB, 30 * KIB],
    options: { batchBytesMax: 600 * KIB, lingerMs: 5 },
  },
  { topic: blobs, isKeyed: true, window: 4, bytes: [200 * KIB, 700 * KIB] },
  { topic: singles, isKeyed: true, window: 1, bytes: [0, 100] },
  { topic: ticks, isKeyed: true, window: 500 },
]

/** Small files, so that segments roll, checkpoints are taken and journal files are used again. */
const configuration = [
  'topics: { segmentBytes: 4MiB, batchBytes: 1MiB }',
  'storage: { journalFileBytes: 4MiB, checkpointBytes: 8MiB, unflushedBytes: 8MiB }',
].join('\n')

let scratch: Scratch
let dataDir: string
let args: readonly string[]

beforeAll(() => {
  scratch = createScratch('kill9')
  dataDir = scratch.next('data')
  const file = scratch.next('config.yaml')
  writeFileSync(file, configuration)
  args = ['--config', file]
})

afterAll(() => scratch.remove())

const createTopics = async (broker: LaunchedBroker): Promise<void> => {
  const client = await connect(broker.url)
  for (const { name, partitions, isMemory } of topics) {
    const durability = isMemory ? 'memory' : 'persisted'
    await client.admin.createTopic(name, { partitions, settings: { durability } })
  }
  await client.close()
}

/** Reads everything there is; the number of records that this round sent. */
const verifyAll = async (
  broker: LaunchedBroker,
  ledger: CrashLedger,
  round: number,
): Promise<number> => {
  const client = await connect(broker.url)
  let recovered = 0
  for (const at of topics) {
    const records: ReadRecord[] = []
    const consumer = client.consume(at.name, { from: 'start', follow: false, codec: 'bytes' })
    for await (const batch of consumer.batches()) records.push(...batch)
    const count = ledger.verify(at, records, round)
    if (!at.isMemory) recovered += count
  }
  await client.close()
  return recovered
}

interface Round {
  readonly acknowledged: number
  readonly inFlight: number
  readonly memoryAcknowledged: number
  readonly killedAfterMs: number
}

const produceUntilKilled = async (
  broker: LaunchedBroker,
  ledger: CrashLedger,
  round: number,
): Promise<Round> => {
  const load = await startLoad(broker.url, kinds, topics, ledger, round)
  const killedAfterMs = randomInt(5, KILL_AFTER_MS_MAX)
  await new Promise((resolve) => setTimeout(resolve, killedAfterMs))
  const ending = await broker.kill()
  expect(ending.signal).toBe('SIGKILL')
  await within('every message has its outcome', 20_000, load.ended)
  const { sent, acknowledged, memoryAcknowledged } = ledger.countsOf(round)
  return { acknowledged, inFlight: sent - acknowledged, memoryAcknowledged, killedAfterMs }
}

/** Kills starts, too, wherever they are; how many of them did not get to serving. */
const killStarts = async (): Promise<number> => {
  let early = 0
  for (let count = randomInt(3); count > 0; count--) {
    const afterMs = randomInt(START_KILL_MS.from, START_KILL_MS.to)
    await launchAndKill({ dataDir, args }, afterMs)
    if (!existsSync(`${dataDir}.ready.json`)) early++
  }
  return early
}

interface Totals {
  rounds: number
  attempts: number
  acknowledged: number
  inFlight: number
  recovered: number
  starts: number
}

/** Kills, starts again, and holds what is there against the ledger; the broker that serves now. */
const playRound = async (
  broker: LaunchedBroker,
  ledger: CrashLedger,
  totals: Totals,
): Promise<LaunchedBroker> => {
  const attempt = totals.attempts++
  const round = await produceUntilKilled(broker, ledger, attempt)
  const starts = await killStarts()
  const next = await launchBroker({ dataDir, args })
  const recovered = await within('read all', 60_000, verifyAll(next, ledger, attempt))
  const { acknowledged, inFlight, memoryAcknowledged, killedAfterMs } = round
  if (inFlight > 0) {
    totals.rounds++
    totals.acknowledged += acknowledged
    totals.inFlight += inFlight
    totals.recovered += recovered
    totals.starts += starts
  }
  const name = inFlight > 0 ? `round ${totals.rounds}` : 'repeated, nothing was in flight'
  report(
    `${name}: acknowledged ${acknowledged}, in flight ${inFlight}, recovered ${recovered}; ` +
      `${memoryAcknowledged} more in memory; killed after ${killedAfterMs} ms, ` +
      `then ${starts} times before it served`,
  )
  expect(ledger.problems).toEqual([])
  expect(recovered).toBeGreaterThanOrEqual(acknowledged)
  expect(recovered).toBeLessThanOrEqual(acknowledged + inFlight)
  expect(next.stdout()).not.toMatch(/damaged|unreadable|internal-error/)
  return next
}

test(`${ROUNDS} kills while producing lose nothing that was acknowledged`, async () => {
  const ledger = new CrashLedger(readPackageLines())
  const totals = { rounds: 0, attempts: 0, acknowledged: 0, inFlight: 0, recovered: 0, starts: 0 }
  let broker = await launchBroker({ dataDir, args })
  await createTopics(broker)
  while (totals.rounds < ROUNDS && totals.attempts < ATTEMPTS_MAX)
    broker = await playRound(broker, ledger, totals)
  const ending = await broker.stop()
  expect({ code: ending.code, stderr: ending.stderr }).toEqual({ code: 0, stderr: '' })
  report(
    `${totals.rounds} rounds: acknowledged ${totals.acknowledged}, in flight ${totals.inFlight}, ` +
      `recovered ${totals.recovered}; ${totals.starts} kills before it served`,
  )
  expect(totals.rounds).toBe(ROUNDS)
})
