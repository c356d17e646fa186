/** Half of what SDK and broker do at most, record by record at its moment. */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { type Load, recordsPerSecond } from '../facts.ts'
import { type Latencies, median } from '../statistics.ts'
import type { Paced } from '../tasks/produce-at-rate.ts'
import type { Worker } from '../worker.ts'
import { runProduce, warmUp } from './produce-duel.ts'

const RECORD_BYTES = 1024
const FULL_LOAD_MS = 2_000
const FULL_LOAD_RUNS = 3
const WARM_UP_MS = 1_000
const QUICK_WARM_UP_MS = 20
/** A promise for each of so many records; at least 100,000 samples over all runs. */
const SAMPLE_EVERY = 4

export interface HalfLoad {
  readonly fullRate: number
  /** How long a run lasts that is not quick. */
  readonly fullMs: number
}

/** What SDK and broker do at most, in a closed loop. */
export const fullLoad = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
): Promise<number> => {
  const run = {
    durability: 'persisted' as const,
    load: { payloadBytes: RECORD_BYTES },
    durationMs: bench.runMs(FULL_LOAD_MS),
  }
  await warmUp(bench, broker, generator, run)
  const rates: number[] = []
  for (let count = 0; count < bench.size(FULL_LOAD_RUNS, 1); count++) {
    rates.push(recordsPerSecond((await runProduce(bench, broker, generator, run)).result))
  }
  return median(rates)
}

export const produceAtHalf = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  { fullRate, fullMs }: HalfLoad,
): Promise<Costs<Paced>> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  await client.admin.createTopic(topic)
  const parameters = {
    url: broker.url,
    topic,
    payloadBytes: RECORD_BYTES,
    recordsPerSecond: fullRate / 2,
    durationMs: bench.runMs(fullMs),
    warmUpMs: bench.size(WARM_UP_MS, QUICK_WARM_UP_MS),
    sampleEvery: SAMPLE_EVERY,
  }
  const costs = await bench.costsOf(broker, generator, () =>
    generator.run('produceAtRate', parameters),
  )
  await client.admin.deleteTopic(topic)
  await client.close()
  return costs
}

/** The run in the middle, to quote all its percentiles. */
export const middleOf = (runs: readonly Latencies[]): Latencies => {
  const sorted = [...runs].sort((one, other) => one.p99 - other.p99)
  return sorted[sorted.length >> 1] as Latencies
}

export const loadsOf = (runs: readonly Costs<Paced>[]): Costs<Load>[] =>
  runs.map((costs) => ({
    ...costs,
    result: { ...costs.result, payloadBytes: costs.result.recordCount * RECORD_BYTES },
  }))
