/** What does it cost the broker to recognise a batch that is sent twice? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { generatorFact, rateFact, recordsPerSecond, round, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question } from '../question.ts'
import { median, ratiosOf, spreadOf } from '../statistics.ts'
import type { Produced } from '../tasks/produce-with-client.ts'
import type { Worker } from '../worker.ts'

const RUN_MS = 2_000
const RECORD_BYTES = 100
/** Requests under way; the broker allows 1,024. */
const WINDOW_COUNT = 1_000

const produceOnce = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  isIdempotent: boolean,
): Promise<Costs<Produced>> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  try {
    await client.admin.createTopic(topic)
    const costs = await bench.costsOf(broker, generator, () =>
      generator.run('produceRaw', {
        url: broker.url,
        topics: [topic],
        payloadBytes: RECORD_BYTES,
        durationMs: bench.runMs(RUN_MS),
        windowCount: WINDOW_COUNT,
        isIdempotent,
      }),
    )
    await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

const microsecondsOf = ({ brokerCpuMs, result }: Costs<Produced>): number =>
  (brokerCpuMs * 1000) / result.recordCount

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await bench.broker()
  const generator = bench.worker('generator')
  const produceStamped = (): Promise<Costs<Produced>> => produceOnce(bench, broker, generator, true)
  const producePlain = (): Promise<Costs<Produced>> => produceOnce(bench, broker, generator, false)
  // Not measured: code gets hot, segment files are made.
  await produceStamped()
  await producePlain()
  const { first, second } = await interleave(bench.repeats, produceStamped, producePlain)
  const [stampedUs, plainUs] = [first.map(microsecondsOf), second.map(microsecondsOf)]
  const rates = (runs: readonly Costs<Produced>[]): number[] =>
    runs.map(({ result }) => recordsPerSecond(result))
  const row = {
    label: "broker's CPU for a batch of one record, with the producer's number, of without",
    unit: 'ratio' as const,
    measured: spreadOf(ratiosOf(stampedUs, plainUs)),
    target: undefined,
    facts: [
      `with: ${round(median(stampedUs), 2)} µs CPU a batch, without: ${round(median(plainUs), 2)} µs`,
      rateFact('with', rates(first), 'batches/s'),
      rateFact('without', rates(second), 'batches/s'),
      syncFact('with', first),
      syncFact('without', second),
      generatorFact('with', first),
      generatorFact('without', second),
    ],
  }
  return { rows: [row], durability: 'persisted' }
}

export const idempotence: Question = {
  name: 'idempotence',
  title: 'Batches of one 100-byte record from an idempotent producer, against an ordinary one',
  answer,
}
