/** Do compaction and retention of one topic make the acknowledgements of another one slower? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, formatLatencies, generatorFact, grouped } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf, sum } from '../statistics.ts'
import type { Paced } from '../tasks/produce-at-rate.ts'
import type { Worker } from '../worker.ts'
import { type HalfLoad, fullLoad, loadsOf, middleOf, produceAtHalf } from './half-load.ts'

const RUN_MS = 4_000
/** The background begins before the foreground and ends behind it. */
const BACKGROUND_MS = 5_000
const RECORD_BYTES = 1024
const BACKGROUND_RECORDS_PER_SECOND = 5_000
const KEY_COUNT = 2_000
const MIB = 1024 * 1024
const SEGMENT_BYTES = MIB
const RETENTION_BYTES = 8 * MIB
const RATIO_MAX = 1.2

type Settings = Readonly<Record<string, string | number>>

const kept: Settings = { cleanupPolicy: 'delete', retentionMs: -1, retentionBytes: -1 }

/** The same two topics with the same load, cleaned up or left alone. */
const settingsOf = (isCleaned: boolean): readonly Settings[] =>
  isCleaned
    ? [
        { cleanupPolicy: 'compact' },
        { cleanupPolicy: 'delete', retentionMs: 1_000, retentionBytes: RETENTION_BYTES },
      ]
    : [kept, kept]

interface Cast {
  readonly broker: BrokerUnderTest
  readonly foreground: Worker
  readonly background: Worker
}

const produceInBackground = async (
  bench: Bench,
  { broker, background }: Cast,
  topic: string,
): Promise<void> => {
  await background.run('produceAtRate', {
    url: broker.url,
    topic,
    payloadBytes: RECORD_BYTES,
    recordsPerSecond: BACKGROUND_RECORDS_PER_SECOND,
    durationMs: bench.runMs(BACKGROUND_MS),
    warmUpMs: 0,
    sampleEvery: BACKGROUND_RECORDS_PER_SECOND,
    keyCount: KEY_COUNT,
  })
}

const runWith = async (
  bench: Bench,
  cast: Cast,
  half: HalfLoad,
  isCleaned: boolean,
): Promise<Costs<Paced>> => {
  const client = await connect(cast.broker.url)
  try {
    const topics: string[] = []
    for (const settings of settingsOf(isCleaned)) {
      const topic = bench.name('background')
      await client.admin.createTopic(topic, { segmentBytes: SEGMENT_BYTES, ...settings })
      topics.push(topic)
    }
    const running = Promise.all(topics.map((topic) => produceInBackground(bench, cast, topic)))
    const [costs] = await Promise.all([
      produceAtHalf(bench, cast.broker, cast.foreground, half),
      running,
    ])
    for (const topic of topics) await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

const cleanedFact = (name: string, runs: readonly Costs<Paced>[]): string => {
  const compacted = sum(runs.map(({ counters }) => counters.segmentsCompacted))
  const removed = sum(runs.map(({ counters }) => counters.segmentsRemoved))
  return `${name}: ${grouped(compacted)} segments compacted, ${grouped(removed)} removed`
}

const measure = async (bench: Bench): Promise<Row> => {
  const broker = await bench.broker({
    settings: {
      MILLRACE_STORAGE__RETENTION_CHECK: '100ms',
      MILLRACE_STORAGE__COMPACTION_BYTES_PER_SECOND: '64MiB',
    },
  })
  const foreground = bench.worker('foreground')
  const cast = { broker, foreground, background: bench.worker('background') }
  const fullRate = await fullLoad(bench, broker, foreground)
  const half = { fullRate, fullMs: RUN_MS }
  const { first, second } = await interleave(
    bench.repeats,
    () => runWith(bench, cast, half, true),
    () => runWith(bench, cast, half, false),
  )
  const latencies = (runs: readonly Costs<Paced>[]) => runs.map(({ result }) => result.acknowledged)
  const p99s = (runs: readonly Costs<Paced>[]): number[] => latencies(runs).map(({ p99 }) => p99)
  return {
    label: 'p99 of acknowledgements at half load, with compaction and retention, of without',
    unit: 'ratio',
    measured: spreadOf(ratiosOf(p99s(first), p99s(second))),
    target: { bound: 'at most', value: RATIO_MAX },
    facts: [
      `full load ${grouped(fullRate)} records/s, sent ${grouped(fullRate / 2)} a second, ` +
        `and ${grouped(2 * BACKGROUND_RECORDS_PER_SECOND)} a second into two other topics`,
      `with:    ${formatLatencies(middleOf(latencies(first)))}`,
      `without: ${formatLatencies(middleOf(latencies(second)))}`,
      cleanedFact('with', first),
      cleanedFact('without', second),
      brokerFact('with', loadsOf(first)),
      brokerFact('without', loadsOf(second)),
      generatorFact('with', loadsOf(first)),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => ({
  rows: [await measure(bench)],
  durability: 'persisted',
})

export const background: Question = {
  name: 'background',
  title: 'Acknowledgements at half load while other topics are compacted and shortened',
  answer,
}
