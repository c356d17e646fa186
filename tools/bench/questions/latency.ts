/** How long does an acknowledgement take at half load, of a bare loop of syncs? */
import type { Bench } from '../bench.ts'
import { brokerFact, formatLatencies, generatorFact, grouped } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import { fullLoad, loadsOf, middleOf, produceAtHalf } from './half-load.ts'
import { INJECTED_SYNC_MS } from './injected-sync.ts'

const RUN_MS = 6_000
const PROBE_MS = 3_000
const RATIO_MAX = 3

const measure = async (bench: Bench, syncDelayMs: number): Promise<Row> => {
  const broker = await bench.broker({ syncDelayMs })
  const generator = bench.worker('generator')
  const fullRate = await fullLoad(bench, broker, generator)
  const { first, second } = await interleave(
    bench.repeats,
    () => produceAtHalf(bench, broker, generator, { fullRate, fullMs: RUN_MS }),
    () => bench.probeSync(syncDelayMs, PROBE_MS),
  )
  const acknowledged = first.map(({ result }) => result.acknowledged)
  const p99s = acknowledged.map(({ p99 }) => p99)
  const syncs = first.reduce((sum, { counters }) => sum + counters.syncs, 0)
  const loads = loadsOf(first)
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
