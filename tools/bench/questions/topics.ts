/** Do a thousand small topics cost more than one? */
import { type Client, connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import { brokerFact, generatorFact, rateFact, recordsPerSecond, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import type { Produced } from '../tasks/produce-with-client.ts'
import { INJECTED_SYNC_MS } from './injected-sync.ts'

const RUN_MS = 3_000
const RECORD_BYTES = 100
const TOPICS = 1_000
const QUICK_TOPICS = 20
/** Requests under way, whatever the number of topics; the broker allows 1,024. */
const WINDOW_COUNT = 1_000
const CREATED_TOGETHER = 100

interface Case {
  readonly name: string
  readonly syncDelayMs: number
  readonly ratioMin: number
}

const cases: readonly Case[] = [
  { name: '', syncDelayMs: 0, ratioMin: 0.45 },
  {
    name: `, ${INJECTED_SYNC_MS} ms sync injected`,
    syncDelayMs: INJECTED_SYNC_MS,
    ratioMin: 0.8,
  },
]

const createTopics = async (client: Client, names: readonly string[]): Promise<void> => {
  for (let at = 0; at < names.length; at += CREATED_TOGETHER) {
    const together = names.slice(at, at + CREATED_TOGETHER)
    await Promise.all(together.map((name) => client.admin.createTopic(name)))
  }
}

const measure = async (bench: Bench, { name, syncDelayMs, ratioMin }: Case): Promise<Row> => {
  const broker = await bench.broker({ syncDelayMs })
  const generator = bench.worker('generator')
  const count = bench.size(TOPICS, QUICK_TOPICS)
  const topics = Array.from({ length: count }, () => bench.name('topic'))
  const client = await connect(broker.url)
  await createTopics(client, topics)
  await client.close()
  const produceTo = (names: readonly string[]): Promise<Costs<Produced>> =>
    bench.costsOf(broker, generator, () =>
      generator.run('produceRaw', {
        url: broker.url,
        topics: names,
        payloadBytes: RECORD_BYTES,
        durationMs: bench.runMs(RUN_MS),
        windowCount: WINDOW_COUNT,
      }),
    )
  const produceToAll = (): Promise<Costs<Produced>> => produceTo(topics)
  const produceToOne = (): Promise<Costs<Produced>> => produceTo(topics.slice(0, 1))
  // The first of each is not measured: code gets hot, segment files are made.
  await produceToAll()
  await produceToOne()
  const { first, second } = await interleave(bench.repeats, produceToAll, produceToOne)
  const manyRates = first.map(({ result }) => recordsPerSecond(result))
  const oneRates = second.map(({ result }) => recordsPerSecond(result))
  return {
    label: `${count} topics round robin, one record a batch, of one topic${name}`,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(manyRates, oneRates)),
    target: { bound: 'at least', value: ratioMin },
    facts: [
      rateFact(`${count} topics`, manyRates, 'records/s'),
      rateFact('one topic', oneRates, 'records/s'),
      syncFact(`${count} topics`, first),
      syncFact('one topic', second),
      brokerFact(`${count} topics`, first),
      brokerFact('one topic', second),
      generatorFact(`${count} topics`, first),
      generatorFact('one topic', second),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const rows: Row[] = []
  for (const one of cases) {
    rows.push(await measure(bench, one))
    await bench.closeAll()
  }
  return { rows, durability: 'persisted' }
}

export const topics: Question = {
  name: 'topics',
  title: 'Batches of one 100-byte record into 1,000 topics against one',
  answer,
}
