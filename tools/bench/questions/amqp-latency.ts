/** How long does a confirm of a persistent message take? */
import type { Bench, Costs } from '../bench.ts'
import type { Contender } from '../contender.ts'
import { formatLatencies, grouped, round, shareOfCore } from '../facts.ts'
import { type Pairs, interleave } from '../interleave.ts'
import type { Answer, Question, Row, Target } from '../question.ts'
import { type Latencies, ratiosOf, spreadOf, sum } from '../statistics.ts'
import { declareQueues, deleteQueues } from '../tasks/amqp-entities.ts'
import type { AmqpPaced } from '../tasks/pace-amqp.ts'
import type { AmqpMessages } from '../tasks/produce-amqp.ts'
import { type Generators, openContenders, openGenerators } from './amqp-duel.ts'
import { middleOf } from './half-load.ts'
import { persistentLoad } from './amqp-persistent.ts'

const MESSAGES_PER_SECOND = 1_000
const MESSAGE_COUNT = 6_000
const WARM_UP_COUNT = 1_000
/** One at a time takes as long as it takes. */
const SINGLE_COUNT = 2_000
const SINGLE_WARM_UP_COUNT = 500
const QUICK_COUNT = 100
const QUICK_WARM_UP_COUNT = 10
const RATIO_MAX: Target = { bound: 'at most', value: 1 }

type Runs = Pairs<Costs<AmqpPaced>, Costs<AmqpPaced>>

const loadOf = ({ amqpPort }: Contender, queue: string): AmqpMessages => {
  const { payloadBytes, isPersistent } = persistentLoad
  return { port: amqpPort, exchange: '', routingKeys: [queue], payloadBytes, isPersistent }
}

/** Into a queue of its own that nobody reads. */
const paceAlone = async (
  bench: Bench,
  contender: Contender,
  { producer }: Generators,
): Promise<Costs<AmqpPaced>> => {
  const queue = bench.name('queue')
  await declareQueues(contender.amqpPort, [queue])
  const costs = await bench.costsOf(contender, producer, () =>
    producer.run('paceAmqp', {
      ...loadOf(contender, queue),
      messagesPerSecond: MESSAGES_PER_SECOND,
      messageCount: bench.size(MESSAGE_COUNT, QUICK_COUNT),
      warmUpCount: bench.size(WARM_UP_COUNT, QUICK_WARM_UP_COUNT),
    }),
  )
  await deleteQueues(contender.amqpPort, [queue])
  return costs
}

/** One message after the other, each confirmed before the next, while somebody consumes. */
const paceConsumed = async (
  bench: Bench,
  contender: Contender,
  { producer, consumer }: Generators,
): Promise<Costs<AmqpPaced>> => {
  const queue = bench.name('queue')
  const port = contender.amqpPort
  await declareQueues(port, [queue])
  const messageCount = bench.size(SINGLE_COUNT, QUICK_COUNT)
  const { prefetchCount, isAutoAck } = persistentLoad
  const costs = await bench.costsOf(contender, [producer, consumer], async () => {
    const consuming = { port, queues: [queue], messageCount, prefetchCount, isAutoAck }
    const { done } = await consumer.serve('consumeAmqp', consuming)
    const warmUpCount = bench.size(SINGLE_WARM_UP_COUNT, QUICK_WARM_UP_COUNT)
    const pace = { messageCount, warmUpCount, messagesPerSecond: 0 }
    const load = { ...loadOf(contender, queue), ...pace }
    const [paced] = await Promise.all([producer.run('paceAmqp', load), done])
    return paced
  })
  await deleteQueues(port, [queue])
  return costs
}

const factsOf = (name: string, runs: readonly Costs<AmqpPaced>[]): string[] => {
  const results = runs.map(({ result }) => result)
  const elapsedMs = sum(results.map((result) => result.elapsedMs))
  const messageCount = sum(results.map((result) => result.messageCount))
  const brokerMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const generatorMs = sum(runs.map(({ generatorCpuMs }) => generatorCpuMs))
  return [
    `confirmed by ${name}: ${formatLatencies(middleOf(results.map(({ confirmed }) => confirmed)))}`,
    `generator late by, ${name}: ${formatLatencies(middleOf(results.map(({ late }) => late)))}`,
    `${name}: ${round((brokerMs * 1000) / messageCount, 1)} µs of the broker's CPU a message; ` +
      `generator ${shareOfCore(generatorMs, elapsedMs)}`,
  ]
}

const rowOf = (
  label: string,
  part: 'p50' | 'p99',
  { first, second }: Runs,
  target: Target | undefined,
): Row => {
  const of = (runs: readonly Costs<AmqpPaced>[]): number[] =>
    runs.map(({ result }): Latencies => result.confirmed).map((confirmed) => confirmed[part])
  return {
    label: `${part} of confirms, ${label}, of RabbitMQ`,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(of(first), of(second))),
    target,
    facts: part === 'p50' ? [...factsOf('Millrace', first), ...factsOf('RabbitMQ', second)] : [],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const { millrace, rabbitMq } = await openContenders(bench)
  const generators = openGenerators(bench)
  const measure = async (run: typeof paceAlone): Promise<Runs> => {
    // The first of each is not measured: code gets hot, files are made.
    await run(bench, millrace, generators)
    await run(bench, rabbitMq, generators)
    return interleave(
      bench.repeats,
      () => run(bench, millrace, generators),
      () => run(bench, rabbitMq, generators),
    )
  }
  const alone = await measure(paceAlone)
  const consumed = await measure(paceConsumed)
  const rate = `${grouped(MESSAGES_PER_SECOND)} messages a second without a consumer`
  return {
    rows: [
      rowOf(rate, 'p50', alone, RATIO_MAX),
      rowOf(rate, 'p99', alone, RATIO_MAX),
      rowOf('one at a time with a consumer', 'p50', consumed, undefined),
      rowOf('one at a time with a consumer', 'p99', consumed, undefined),
    ],
    durability: 'persisted',
  }
}

export const amqpLatency: Question = {
  name: 'amqp-latency',
  title: 'AMQP: confirms of persistent 1 KiB messages, against RabbitMQ',
  answer,
}
