/** How long does an acknowledgement take at half load, of a bare loop of syncs? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, formatLatencies, generatorFact, grouped, recordsPerSecond } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { type Latencies, median, ratiosOf, spreadOf } from '../statistics.ts'
import type { Paced } from '../tasks/produce-at-rate.ts'
import type { Worker } from '../worker.ts'
import { INJECTED_SYNC_MS } from './injected-sync.ts'
import { runProduce, warmUp } from './produce-duel.ts'

const RECORD_BYTES = 1024
const FULL_LOAD_MS = 2_000
const FULL_LOAD_RUNS = 3
const RUN_MS = 6_000
const WARM_UP_MS = 1_000
const QUICK_WARM_UP_MS = 20
const PROBE_MS = 3_000
const RATIO_MAX = 3
/** A promise for each of so many records; at least 100,000 samples over all runs. */
const SAMPLE_EVERY = 4

/** What SDK and broker do at most, in a closed loop. */
const fullLoad = async (
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

const produceAtHalf = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  fullRate: number,
): Promise<Costs<Paced>> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  await client.admin.createTopic(topic)
  const parameters = {
    url: broker.url,
    topic,
    payloadBytes: RECORD_BYTES,
    recordsPerSecond: fullRate / 2,
    durationMs: bench.runMs(RUN_MS),
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
const middleOf = (runs: readonly Latencies[]): Latencies => {
  const sorted = [...runs].sort((one, other) => one.p99 - other.p99)
  return sorted[sorted.length >> 1] as Latencies
}

const measure = async (bench: Bench, syncDelayMs: number): Promise<Row> => {
  const broker = await bench.broker({ syncDelayMs })
  const generator = bench.worker('generator')
  const fullRate = await fullLoad(bench, broker, generator)
  const { first, second } = await interleave(
    bench.repeats,
    () => produceAtHalf(bench, broker, generator, fullRate),
    () => bench.probeSync(syncDelayMs, PROBE_MS),
  )
  const acknowledged = first.map(({ result }) => result.acknowledged)
  const p99s = acknowledged.map(({ p99 }) => p99)
  const syncs = first.reduce((sum, { counters }) => sum + counters.syncs, 0)
  const loads = first.map((costs) => ({
    ...costs,
    result: { ...costs.result, payloadBytes: costs.result.recordCount * RECORD_BYTES },
  }))
  const injected = syncDelayMs === 0 ? '' : `, ${syncDelayMs} ms sync injected`
  return {
    label: `p99 of acknowledgements at half load, of a bare sync loop${injected}`,
    unit: 'ratio',
    measured: spreadOf(
      ratiosOf(
        p99s,
        second.map(({ p99 }) => p99),
      ),
    ),
    target: { bound: 'at most', value: RATIO_MAX },
    facts: [
      `full load ${grouped(fullRate)} records/s, sent ${grouped(fullRate / 2)} a second`,
      `acknowledged: ${formatLatencies(middleOf(acknowledged))}`,
      `bare sync loop: ${formatLatencies(middleOf(second))}`,
      `generator late by: ${formatLatencies(middleOf(first.map(({ result }) => result.late)))}`,
      `syncs: ${grouped(syncs)}`,
      brokerFact('half load', loads),
      generatorFact('half load', loads),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const rows: Row[] = []
  for (const syncDelayMs of [0, INJECTED_SYNC_MS]) {
    rows.push(await measure(bench, syncDelayMs))
    await bench.closeAll()
  }
  return { rows, durability: 'persisted' }
}

export const latency: Question = {
  name: 'latency',
  title: 'Acknowledgements at half load, open loop',
  answer,
}
