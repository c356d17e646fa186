/** How many Produce requests of one small record does the broker's core take? */
import { connect } from '@millrace/client-node'
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import {
  generatorFact,
  grouped,
  kernelFact,
  rateFact,
  recordsPerSecond,
  round,
  shareOfCore,
  syncFact,
} from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf, sum } from '../statistics.ts'
import type { Produced } from '../tasks/produce-with-client.ts'
import type { Worker } from '../worker.ts'

const RUN_MS = 2_000
const BARE_MS = 1_000
const RECORD_BYTES = 100
const CONNECTIONS = 8
const WINDOW_COUNT = 128
const REQUESTS_PER_SECOND_MIN = 60_000

const load = { payloadBytes: RECORD_BYTES, connectionCount: CONNECTIONS, windowCount: WINDOW_COUNT }

const produceOnce = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  durability: string,
): Promise<Costs<Produced>> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  try {
    await client.admin.createTopic(topic, { durability })
    const port = Number(broker.kafka.split(':')[1])
    const parameters = { ...load, port, topic, durationMs: bench.runMs(RUN_MS) }
    const costs = await bench.costsOf(broker, generator, () =>
      generator.run('produceKafkaRaw', parameters),
    )
    await client.admin.deleteTopic(topic)
    return costs
  } finally {
    await client.close()
  }
}

/** The same generator against a program that only answers: what it can do at most. */
const produceBare = async (bench: Bench, generator: Worker, server: Worker): Promise<number> => {
  const topic = bench.name('topic')
  const { port, done } = await server.serve('serveAnswers', { topic, connectionCount: CONNECTIONS })
  const parameters = { ...load, port, topic, durationMs: bench.runMs(BARE_MS) }
  const produced = await generator.run('produceKafkaRaw', parameters)
  await done
  return recordsPerSecond(produced)
}

/** Of all its threads together: what a single core would do if it had nothing else. */
const requestsPerCore = ({ result, brokerCpuMs }: Costs<Produced>): number =>
  result.recordCount / (brokerCpuMs / 1000)

const costFact = (name: string, runs: readonly Costs<Produced>[]): string => {
  const cpuMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const requests = sum(runs.map(({ result }) => result.recordCount))
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  return (
    `broker, ${name}: ${round((cpuMs * 1000) / requests, 2)} µs CPU a request, ` +
    `${shareOfCore(cpuMs, elapsedMs)} with all threads`
  )
}

const measure = async (
  bench: Bench,
  broker: BrokerUnderTest,
  durability: string,
): Promise<Row[]> => {
  const generator = bench.worker('generator')
  const server = bench.worker('answer-server')
  // Not measured: code gets hot, segment files are made.
  await produceOnce(bench, broker, generator, durability)
  await produceBare(bench, generator, server)
  const { first, second } = await interleave(
    bench.repeats,
    () => produceOnce(bench, broker, generator, durability),
    () => produceBare(bench, generator, server),
  )
  const target = { bound: 'at least' as const, value: REQUESTS_PER_SECOND_MIN }
  const unit = 'requests/s' as const
  const rates = first.map(({ result }) => recordsPerSecond(result))
  return [
    {
      label: `Produce requests of one 100-byte record, ${durability}`,
      unit,
      measured: spreadOf(rates),
      target,
      facts: [
        `${grouped(CONNECTIONS)} connections, ${grouped(WINDOW_COUNT)} requests under way on each`,
        rateFact('same generator, bare program that only answers', second, 'requests/s'),
        syncFact(durability, first),
        generatorFact(durability, first),
      ],
    },
    {
      label: `Produce requests of one 100-byte record, ${durability}, by a core of the broker`,
      unit,
      measured: spreadOf(first.map(requestsPerCore)),
      target,
      facts: [costFact(durability, first), kernelFact(durability, first)],
    },
  ]
}

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await bench.broker()
  const rows: Row[] = []
  for (const durability of ['persisted', 'memory']) {
    rows.push(...(await measure(bench, broker, durability)))
  }
  return { rows, durability: 'persisted and memory' }
}

export const kafkaSingle: Question = {
  name: 'kafka-single',
  title: 'Kafka Produce requests of a single 100-byte record, many under way',
  answer,
}
