/** What does a gigabyte cost the broker that librdkafka produces? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { brokerFact, kernelFact, megabytesPerSecond, rateFact, round, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf, sum } from '../statistics.ts'
import type { LibrdkafkaRun } from '../tasks/run-librdkafka.ts'
import type { Worker } from '../worker.ts'
import { brokerSecondsPerGigabyte, librdkafkaFact, runWithCosts } from './librdkafka-costs.ts'
import { bareFacts, runBareCopy } from './produce-duel.ts'

const RUN_MS = 2_000
const BARE_MS = 1_000
const RECORD_BYTES = 1024
const SECONDS_PER_GB_MAX = 2.5

interface Case {
  readonly codec: 'none' | 'lz4'
  readonly durability: 'persisted' | 'memory'
}

const cases: readonly Case[] = [
  { codec: 'none', durability: 'persisted' },
  { codec: 'none', durability: 'memory' },
  { codec: 'lz4', durability: 'persisted' },
  { codec: 'lz4', durability: 'memory' },
]

const produceOnce = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  { codec, durability }: Case,
): Promise<Costs<LibrdkafkaRun>> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  try {
    await client.admin.createTopic(topic, { durability })
    const costs = await runWithCosts(bench, broker, generator, {
      mode: 'produce',
      address: broker.kafka,
      topic,
      codec,
      recordBytes: RECORD_BYTES,
      durationMs: bench.runMs(RUN_MS),
    })
    await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

/** What was appended, of the payload: above 1 without a codec, for keys and headers of records. */
const storedFact = (runs: readonly Costs<LibrdkafkaRun>[]): string => {
  const stored = sum(runs.map(({ counters }) => counters.bytesAppended))
  const payload = sum(runs.map(({ result }) => result.payloadBytes))
  return `stored: ${round((stored / payload) * 100, 0)} % of the payload`
}

const measure = async (bench: Bench, broker: BrokerUnderTest, one: Case): Promise<Row> => {
  const generator = bench.worker('librdkafka')
  const copyClient = bench.worker('copy-client')
  const copyServer = bench.worker('copy-server')
  const produceWithLibrdkafka = (): Promise<Costs<LibrdkafkaRun>> =>
    produceOnce(bench, broker, generator, one)
  // Not measured: code gets hot, segment files are made.
  await produceWithLibrdkafka()
  const durationMs = bench.runMs(BARE_MS)
  const { first, second } = await interleave(bench.repeats, produceWithLibrdkafka, (costs) =>
    runBareCopy(bench, { copyClient, copyServer }, costs, { ...one, durationMs }),
  )
  const name = `${one.codec}, ${one.durability}`
  const rates = first.map(({ result }) => megabytesPerSecond(result))
  return {
    label: `broker's CPU for a GB of 1 KiB records from librdkafka, ${name}`,
    unit: 's/GB',
    measured: spreadOf(brokerSecondsPerGigabyte(first)),
    target: { bound: 'at most', value: SECONDS_PER_GB_MAX },
    facts: [
      rateFact('librdkafka and broker', rates, 'MB/s of payload'),
      storedFact(first),
      ...bareFacts({ bare: second }),
      syncFact(name, first),
      brokerFact(name, first),
      kernelFact(name, first),
      librdkafkaFact(first),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await bench.broker()
  const rows: Row[] = []
  for (const one of cases) rows.push(await measure(bench, broker, one))
  return { rows, durability: 'persisted and memory' }
}

export const kafkaProduce: Question = {
  name: 'kafka-produce',
  title: '1 KiB records from librdkafka, acks=all, against a bare copy of a socket to a file',
  answer,
}
