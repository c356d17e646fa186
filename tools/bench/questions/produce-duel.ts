/** The produce path against the bare copy of a socket to a file, in turns. */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { megabytesPerSecond, rateFact, round } from '../facts.ts'
import { interleave } from '../interleave.ts'
import { cpuMsOf } from '../process-stat.ts'
import { sum } from '../statistics.ts'
import type { Transferred } from '../tasks/copy-client.ts'
import type { ProduceParameters, Produced } from '../tasks/produce-with-client.ts'
import type { Worker } from '../worker.ts'

/** Without syncs there is no group to take over. */
const UNSYNCED_GROUP_BYTES = 1024 * 1024
const GROUP_BYTES_MIN = 4096
const WARM_UP_MS = 1_000

export interface ProduceRun {
  readonly durability: 'persisted' | 'memory'
  readonly partitions?: number
  readonly load: Omit<ProduceParameters, 'url' | 'topic' | 'durationMs'>
  readonly durationMs: number
}

/** One run into a topic of its own, which is gone afterwards. */
export const runProduce = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  run: ProduceRun,
): Promise<Costs<Produced>> => {
  const client = await connect(broker.url)
  try {
    const topic = bench.name('topic')
    const { partitions = 1, durability, durationMs, load } = run
    await client.admin.createTopic(topic, { partitions, durability })
    const parameters = { ...load, url: broker.url, topic, durationMs }
    const costs = await bench.costsOf(broker, generator, () =>
      generator.run('produceWithClient', parameters),
    )
    await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

export const warmUp = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  run: ProduceRun,
): Promise<void> => {
  await runProduce(bench, broker, generator, { ...run, durationMs: bench.runMs(WARM_UP_MS) })
}

/** What the bare program has done, and at what cost of its own. */
export interface BareRun extends Transferred {
  readonly cpuMs: number
}

export interface Duel {
  readonly broker: readonly Costs<Produced>[]
  readonly bare: readonly BareRun[]
}

const groupBytesOf = ({ counters }: Costs<unknown>): number => {
  const { syncs, bytesAppended } = counters
  if (!(syncs > 0)) return UNSYNCED_GROUP_BYTES
  return Math.max(GROUP_BYTES_MIN, Math.round(bytesAppended / syncs))
}

export interface BarePair {
  readonly copyClient: Worker
  readonly copyServer: Worker
}

/** The bare program gets the group size that the broker has just had. */
export const runBareCopy = async (
  bench: Bench,
  { copyClient, copyServer }: BarePair,
  costs: Costs<unknown>,
  { durability, durationMs }: Pick<ProduceRun, 'durability' | 'durationMs'>,
): Promise<BareRun> => {
  const isSynced = durability === 'persisted'
  const parameters = { path: bench.path('copy'), groupBytes: groupBytesOf(costs), isSynced }
  const cpuBeforeMs = await cpuMsOf(copyServer.pid)
  const { port, done } = await copyServer.serve('serveCopy', parameters)
  const sent = await copyClient.run('sendBytes', { port, durationMs })
  await done
  return { ...sent, cpuMs: (await cpuMsOf(copyServer.pid)) - cpuBeforeMs }
}

export const runDuel = async (
  bench: Bench,
  broker: BrokerUnderTest,
  run: ProduceRun,
): Promise<Duel> => {
  const generator = bench.worker('generator')
  const copyServer = bench.worker('copy-server')
  await warmUp(bench, broker, generator, run)
  const pairs = await interleave(
    bench.repeats,
    () => runProduce(bench, broker, generator, run),
    (costs) => runBareCopy(bench, { copyClient: generator, copyServer }, costs, run),
  )
  return { broker: pairs.first, bare: pairs.second }
}

export const bareRatesOf = ({ bare }: Pick<Duel, 'bare'>): number[] =>
  bare.map(({ byteCount, elapsedMs }) => megabytesPerSecond({ payloadBytes: byteCount, elapsedMs }))

export const bareFacts = (
  duel: Pick<Duel, 'bare'>,
  name = 'bare copy with the same groups',
): string[] => {
  const cpuMs = sum(duel.bare.map((run) => run.cpuMs))
  const gigabytes = sum(duel.bare.map(({ byteCount }) => byteCount)) / 1e9
  return [
    rateFact(name, bareRatesOf(duel), 'MB/s'),
    `bare copy: ${round(cpuMs / 1000 / gigabytes, 2)} s CPU a GB`,
  ]
}
