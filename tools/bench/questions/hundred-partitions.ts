/** Do a hundred partitions, twenty producers and twenty consumers cost more than one of each? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import {
  brokerFact,
  generatorFact,
  type Load,
  rateFact,
  recordsPerSecond,
  syncFact,
} from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import type { Worker } from '../worker.ts'

const PARTITIONS = 100
const CONNECTIONS = 20
const RECORD_BYTES = 1024
const RECORDS_PER_BATCH = 64
const BATCH_COUNT = 6_000
const QUICK_BATCH_COUNT = 200
/** Over all connections, however many there are. */
const WINDOW_COUNT = 100
const CREDIT_BYTES = 20 * 1024 * 1024
const RATIO_MIN = 0.8

interface Sides {
  readonly producers: Worker
  readonly consumers: Worker
}

interface Width {
  readonly partitionCount: number
  readonly connectionCount: number
}

const pump = async (
  broker: BrokerUnderTest,
  { producers, consumers }: Sides,
  shared: Width & { readonly topic: string; readonly batchCount: number },
): Promise<Load> => {
  const { batchCount, ...others } = shared
  const common = { ...others, url: broker.url }
  const recordCount = batchCount * RECORDS_PER_BATCH
  const reading = { ...common, creditBytes: CREDIT_BYTES, recordCount }
  const { done } = await consumers.serve('consumePartitions', reading)
  const { startedAt } = await producers.run('producePartitions', {
    ...common,
    payloadBytes: RECORD_BYTES,
    recordsPerBatch: RECORDS_PER_BATCH,
    batchCount,
    windowCount: WINDOW_COUNT,
  })
  const { endedAt } = await done
  return { recordCount, payloadBytes: recordCount * RECORD_BYTES, elapsedMs: endedAt - startedAt }
}

const pumpWithCosts = async (
  bench: Bench,
  broker: BrokerUnderTest,
  sides: Sides,
  width: Width,
): Promise<Costs<Load>> => {
  const topic = bench.name('topic')
  const batchCount = bench.size(BATCH_COUNT, QUICK_BATCH_COUNT)
  const client = await connect(broker.url)
  try {
    await client.admin.createTopic(topic, { partitions: width.partitionCount })
    const generators = [sides.producers, sides.consumers]
    const costs = await bench.costsOf(broker, generators, () =>
      pump(broker, sides, { ...width, topic, batchCount }),
    )
    await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

const measure = async (bench: Bench): Promise<Row> => {
  const broker = await bench.broker()
  const sides = { producers: bench.worker('producers'), consumers: bench.worker('consumers') }
  const pumpMany = (): Promise<Costs<Load>> =>
    pumpWithCosts(bench, broker, sides, {
      partitionCount: PARTITIONS,
      connectionCount: CONNECTIONS,
    })
  const pumpOne = (): Promise<Costs<Load>> =>
    pumpWithCosts(bench, broker, sides, { partitionCount: 1, connectionCount: 1 })
  // Not measured: code gets hot.
  await pumpMany()
  await pumpOne()
  const { first, second } = await interleave(bench.repeats, pumpMany, pumpOne)
  const manyRates = first.map(({ result }) => recordsPerSecond(result))
  const oneRates = second.map(({ result }) => recordsPerSecond(result))
  return {
    label: `${PARTITIONS} partitions, ${CONNECTIONS} producers and consumers, of one of each`,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(manyRates, oneRates)),
    target: { bound: 'at least', value: RATIO_MIN },
    facts: [
      rateFact(`${PARTITIONS} partitions`, manyRates, 'records/s produced and consumed'),
      rateFact('one partition', oneRates, 'records/s produced and consumed'),
      syncFact(`${PARTITIONS} partitions`, first),
      syncFact('one partition', second),
      brokerFact(`${PARTITIONS} partitions`, first),
      brokerFact('one partition', second),
      generatorFact(`${PARTITIONS} partitions`, first, 2),
      generatorFact('one partition', second, 2),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => ({
  rows: [await measure(bench)],
  durability: 'persisted',
})

export const hundredPartitions: Question = {
  name: 'hundred-partitions',
  title: 'Produced and consumed at once: 100 partitions by 20 and 20, against one by one and one',
  answer,
}
