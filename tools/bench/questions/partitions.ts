/** Does a topic with many partitions cost anything? */
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, generatorFact, rateFact, recordsPerSecond, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import { INJECTED_SYNC_MS } from './injected-sync.ts'
import { type ProduceRun, runProduce, warmUp } from './produce-duel.ts'

const RUN_MS = 3_000
const RECORD_BYTES = 1024
const PARTITIONS = 16

interface Case {
  readonly name: string
  readonly syncDelayMs: number
  readonly spreadOver: number
  readonly ratioMin: number
}

const cases: readonly Case[] = [
  { name: 'the SDK chooses', syncDelayMs: 0, spreadOver: 0, ratioMin: 0.9 },
  { name: 'record by record', syncDelayMs: 0, spreadOver: PARTITIONS, ratioMin: 0.9 },
  {
    name: `the SDK chooses, ${INJECTED_SYNC_MS} ms sync injected`,
    syncDelayMs: INJECTED_SYNC_MS,
    spreadOver: 0,
    ratioMin: 0.8,
  },
  {
    name: `record by record, ${INJECTED_SYNC_MS} ms sync injected`,
    syncDelayMs: INJECTED_SYNC_MS,
    spreadOver: PARTITIONS,
    ratioMin: 0.8,
  },
]

/** The SDK's default for each of many partitions, and as much in all for a single one. */
const WINDOW_BATCHES = 5 * PARTITIONS

const measure = async (bench: Bench, broker: BrokerUnderTest, one: Case): Promise<Row> => {
  const generator = bench.worker('generator')
  const runWith = (partitions: number, spreadOver: number): ProduceRun => ({
    durability: 'persisted',
    partitions,
    load: {
      payloadBytes: RECORD_BYTES,
      spreadOver,
      options: { inFlightBatchesMax: WINDOW_BATCHES / partitions },
    },
    durationMs: bench.runMs(RUN_MS),
  })
  const many = runWith(PARTITIONS, one.spreadOver)
  const single = runWith(1, one.spreadOver === 0 ? 0 : 1)
  await warmUp(bench, broker, generator, many)
  const { first, second } = await interleave(
    bench.repeats,
    () => runProduce(bench, broker, generator, many),
    () => runProduce(bench, broker, generator, single),
  )
  const manyRates = first.map(({ result }) => recordsPerSecond(result))
  const singleRates = second.map(({ result }) => recordsPerSecond(result))
  return {
    label: `${PARTITIONS} partitions, ${one.name}, of one partition`,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(manyRates, singleRates)),
    target: { bound: 'at least', value: one.ratioMin },
    facts: [
      rateFact(`${PARTITIONS} partitions`, manyRates, 'records/s'),
      rateFact('one partition', singleRates, 'records/s'),
      syncFact(`${PARTITIONS} partitions`, first),
      syncFact('one partition', second),
      brokerFact(`${PARTITIONS} partitions`, first),
      brokerFact('one partition', second),
      generatorFact(`${PARTITIONS} partitions`, first),
      generatorFact('one partition', second),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const rows: Row[] = []
  for (const one of cases) {
    const broker = await bench.broker({ syncDelayMs: one.syncDelayMs })
    rows.push(await measure(bench, broker, one))
    await bench.closeAll()
  }
  return { rows, durability: 'persisted' }
}

export const partitions: Question = {
  name: 'partitions',
  title: '1 KiB records into 16 partitions against one',
  answer,
}
