/** How many small records a second go through SDK and broker? */
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import {
  brokerFact,
  generatorFact,
  megabytesPerSecond,
  rateFact,
  recordsPerSecond,
  syncFact,
} from '../facts.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf } from '../statistics.ts'
import { type ProduceRun, bareFacts, runDuel } from './produce-duel.ts'

const RUN_MS = 4_000
const RECORD_BYTES = 100
const LARGE_BATCH_BYTES = 1024 * 1024
const RECORDS_PER_SECOND_MIN = 400_000

interface Case {
  readonly name: string
  readonly run: Omit<ProduceRun, 'durationMs'>
}

const cases: readonly Case[] = [
  { name: 'persisted', run: { durability: 'persisted', load: { payloadBytes: RECORD_BYTES } } },
  { name: 'memory', run: { durability: 'memory', load: { payloadBytes: RECORD_BYTES } } },
  {
    name: 'persisted, batches of 1 MiB',
    run: {
      durability: 'persisted',
      load: { payloadBytes: RECORD_BYTES, options: { batchBytesMax: LARGE_BATCH_BYTES } },
    },
  },
]

const measure = async (bench: Bench, broker: BrokerUnderTest, one: Case): Promise<Row> => {
  const durationMs = bench.runMs(RUN_MS)
  const duel = await runDuel(bench, broker, { ...one.run, durationMs })
  const payloadRates = duel.broker.map(({ result }) => megabytesPerSecond(result))
  return {
    label: `100-byte records, ${one.name}`,
    unit: 'records/s',
    measured: spreadOf(duel.broker.map(({ result }) => recordsPerSecond(result))),
    target: { bound: 'at least', value: RECORDS_PER_SECOND_MIN },
    facts: [
      rateFact('SDK and broker', payloadRates, 'MB/s of payload'),
      ...bareFacts(duel),
      syncFact(one.name, duel.broker),
      brokerFact(one.name, duel.broker),
      generatorFact(one.name, duel.broker),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await bench.broker()
  const rows: Row[] = []
  for (const one of cases) rows.push(await measure(bench, broker, one))
  return { rows, durability: 'persisted and memory' }
}

export const smallRecords: Question = {
  name: 'small-records',
  title: '100-byte records through the fast path of the SDK and the broker',
  answer,
}
