/** What the questions about AMQP share: both brokers, a load through a queue, and what it has cost. */
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { type Contender, type Measured, noCounters } from '../contender.ts'
import {
  type Load,
  generatorFact,
  rateFact,
  recordsPerSecond,
  round,
  shareOfCore,
} from '../facts.ts'
import { cpuTimesOf } from '../process-stat.ts'
import type { Row } from '../question.ts'
import type { RabbitMqUnderTest } from '../rabbitmq-under-test.ts'
import { spreadOf, sum } from '../statistics.ts'
import type { Worker } from '../worker.ts'

const WARM_UP_COUNT = 40_000
/** Enough for CPU that is counted in hundredths of a second. */
const QUICK_COUNT = 4_000

export interface Contenders {
  readonly millrace: BrokerUnderTest
  readonly rabbitMq: RabbitMqUnderTest
}

export interface Generators {
  readonly producer: Worker
  readonly consumer: Worker
}

/** Messages on their way from one producer through queues to one consumer. */
export interface QueueLoad {
  /** Round and round; published by their names through the default exchange. */
  readonly queues: readonly string[]
  readonly payloadBytes: number
  readonly isPersistent: boolean
  /** Publications whose confirm is still to come; 0: without confirms. */
  readonly windowCount: number
  /** Of each queue's consumer. */
  readonly prefetchCount: number
  readonly isAutoAck: boolean
}

export interface Passed extends Load {
  /** Frames that acknowledged something. */
  readonly ackCount: number
}

export const openContenders = async (bench: Bench): Promise<Contenders> => ({
  millrace: await bench.broker(),
  rabbitMq: await bench.rabbitMq(),
})

export const openGenerators = (bench: Bench): Generators => ({
  producer: bench.worker('amqp-producer'),
  consumer: bench.worker('amqp-consumer'),
})

const passOnce = async (
  port: number,
  { producer, consumer }: Generators,
  load: QueueLoad,
  messageCount: number,
): Promise<Passed> => {
  const { queues, prefetchCount, isAutoAck, ...publishing } = load
  const consuming = { port, queues, prefetchCount, isAutoAck, messageCount }
  const producing = { port, exchange: '', routingKeys: queues, messageCount, ...publishing }
  const { done } = await consumer.serve('consumeAmqp', consuming)
  const [{ startedAt }, { endedAt, ackCount, payloadBytes }] = await Promise.all([
    producer.run('produceAmqp', producing),
    done,
  ])
  return { recordCount: messageCount, payloadBytes, elapsedMs: endedAt - startedAt, ackCount }
}

/** From the first publication to the last delivery; the queues are there, and empty again behind it. */
export const passThrough = (
  bench: Bench,
  contender: Measured & { readonly amqpPort: number },
  generators: Generators,
  load: QueueLoad,
  messageCount: number,
): Promise<Costs<Passed>> =>
  bench.costsOf(contender, [generators.producer, generators.consumer], () =>
    passOnce(contender.amqpPort, generators, load, messageCount),
  )

/** A run that is not counted: code gets hot, files are made. Answers how many messages `runMs` takes. */
export const warmUp = async (
  bench: Bench,
  contender: Contender,
  generators: Generators,
  load: QueueLoad,
  runMs: number,
): Promise<number> => {
  const count = bench.size(WARM_UP_COUNT, QUICK_COUNT)
  const { result } = await passThrough(bench, contender, generators, load, count)
  return bench.size(Math.ceil((recordsPerSecond(result) * runMs) / 1000), QUICK_COUNT)
}

/** The same load against a program that only answers: what the generator can do at most. */
export const passBare = async (
  bench: Bench,
  generators: Generators,
  load: QueueLoad,
  messageCount: number,
): Promise<Costs<Passed>> => {
  const server = bench.worker('amqp-peer')
  // A producer and a consumer.
  const { port, done } = await server.serve('serveAmqp', { connectionCount: 2 })
  const peer = {
    amqpPort: port,
    cpuTimes: () => cpuTimesOf(server.pid),
    counters: () => Promise.resolve(noCounters),
  }
  const costs = await passThrough(bench, peer, generators, load, messageCount)
  await done
  await server.close()
  return costs
}

/** Of all runs together. */
export const cpuUsPerMessage = (runs: readonly Costs<Load>[]): number =>
  (sum(runs.map(({ brokerCpuMs }) => brokerCpuMs)) * 1000) /
  sum(runs.map(({ result }) => result.recordCount))

const cpuUsOf = ({ brokerCpuMs, result }: Costs<Load>): number =>
  (brokerCpuMs * 1000) / result.recordCount

export const cpuUsOfEach = (runs: readonly Costs<Load>[]): number[] => runs.map(cpuUsOf)

export const ratesOf = (runs: readonly Costs<Load>[]): number[] =>
  runs.map(({ result }) => recordsPerSecond(result))

/** Rate, cost and generator of one contender. */
export const contenderFacts = (
  name: string,
  runs: readonly Costs<Load>[],
  generatorCount = 2,
): string[] => {
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  const cpuMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const systemMs = sum(runs.map(({ brokerSystemMs }) => brokerSystemMs))
  return [
    rateFact(name, ratesOf(runs), 'messages/s'),
    `broker, ${name}: ${round(cpuUsPerMessage(runs), 2)} µs CPU a message, ` +
      `${shareOfCore(cpuMs, elapsedMs)}, ${round((systemMs / cpuMs) * 100, 0)} % of it the kernel's`,
    generatorFact(name, runs, generatorCount),
  ]
}

export const ackFact = (name: string, runs: readonly Costs<Passed>[]): string => {
  const messages = sum(runs.map(({ result }) => result.recordCount))
  const acks = sum(runs.map(({ result }) => result.ackCount))
  return `messages an acknowledgement, ${name}: ${round(messages / acks, 1)}`
}

/** What the generator does where nothing holds it up. */
export const generatorRow = (label: string, runs: readonly Costs<Passed>[]): Row => ({
  label: `${label}: the generator against a bare peer`,
  unit: 'messages/s',
  measured: spreadOf(ratesOf(runs)),
  target: undefined,
  facts: contenderFacts('bare peer', runs),
})
