/** What does a copy cost when a message goes to a hundred queues? */
import type { Bench, Costs } from '../bench.ts'
import type { Contender } from '../contender.ts'
import { type Load, grouped, rateFact, recordsPerSecond, round, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row, Target } from '../question.ts'
import { spreadOf } from '../statistics.ts'
import {
  declareFanout,
  declareQueues,
  deleteExchange,
  deleteQueues,
} from '../tasks/amqp-entities.ts'
import type { Worker } from '../worker.ts'
import { contenderFacts, cpuUsPerMessage, openContenders } from './amqp-duel.ts'
import { persistentLoad } from './amqp-persistent.ts'

const RUN_MS = 2_000
const QUEUES = 100
const RATIO_MAX = 1 / 3
const WARM_UP_COUNT = 10_000
/** Into a hundred queues: each of them is a hundred messages. */
const WIDE_WARM_UP_COUNT = 500
/** Enough for CPU that is counted in hundredths of a second. */
const QUICK_COUNT = 4_000
const QUICK_WIDE_COUNT = 100

interface WideAndNarrow {
  readonly wide: Costs<Load>
  readonly narrow: Costs<Load>
}

/** Persistent messages with confirms, into queues that nobody reads and that go afterwards. */
const publish = async (
  bench: Bench,
  contender: Contender,
  producer: Worker,
  queueCount: number,
  messageCount: number,
): Promise<Costs<Load>> => {
  const port = contender.amqpPort
  const exchange = bench.name('exchange')
  const queues = Array.from({ length: queueCount }, () => bench.name('queue'))
  await declareQueues(port, queues)
  await declareFanout(port, exchange, queues)
  const { payloadBytes, isPersistent, windowCount } = persistentLoad
  const message = { port, exchange, routingKeys: [''], payloadBytes, isPersistent }
  const costs = await bench.costsOf(contender, producer, async () => {
    const produced = await producer.run('produceAmqp', { ...message, windowCount, messageCount })
    return { ...produced, recordCount: messageCount }
  })
  await deleteExchange(port, exchange)
  await deleteQueues(port, queues)
  return costs
}

const preparing = async (
  bench: Bench,
  contender: Contender,
  producer: Worker,
): Promise<() => Promise<WideAndNarrow>> => {
  const countFor = async (
    queueCount: number,
    warmUpCount: number,
    quickCount: number,
  ): Promise<number> => {
    const count = bench.size(warmUpCount, quickCount)
    const { result } = await publish(bench, contender, producer, queueCount, count)
    return bench.size(Math.ceil((recordsPerSecond(result) * RUN_MS) / 1000), quickCount)
  }
  const wideCount = await countFor(QUEUES, WIDE_WARM_UP_COUNT, QUICK_WIDE_COUNT)
  const narrowCount = await countFor(1, WARM_UP_COUNT, QUICK_COUNT)
  return async () => ({
    wide: await publish(bench, contender, producer, QUEUES, wideCount),
    narrow: await publish(bench, contender, producer, 1, narrowCount),
  })
}

/** What the 99 queues more have cost, each of them. */
const copyUsOf = ({ wide, narrow }: WideAndNarrow): number =>
  (cpuUsPerMessage([wide]) - cpuUsPerMessage([narrow])) / (QUEUES - 1)

const rowOf = (name: string, runs: readonly WideAndNarrow[], target: Target | undefined): Row => {
  const wide = runs.map((run) => run.wide)
  const narrow = runs.map((run) => run.narrow)
  const copyRates = wide.map(({ result }) => recordsPerSecond(result) * QUEUES)
  return {
    label: `CPU of the broker for a copy in ${QUEUES} queues, of a publish into one: ${name}`,
    unit: 'ratio',
    measured: spreadOf(runs.map((run) => copyUsOf(run) / cpuUsPerMessage([run.narrow]))),
    target,
    facts: [
      `a copy: ${round(spreadOf(runs.map(copyUsOf)).median, 2)} µs of the broker's CPU`,
      rateFact('copies', copyRates, 'a second'),
      ...contenderFacts(`${grouped(QUEUES)} queues`, wide, 1),
      ...contenderFacts('one queue', narrow, 1),
      syncFact(`${grouped(QUEUES)} queues`, wide),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const { millrace, rabbitMq } = await openContenders(bench)
  const producer = bench.worker('amqp-producer')
  const runMillrace = await preparing(bench, millrace, producer)
  const runRabbitMq = await preparing(bench, rabbitMq, producer)
  const { first, second } = await interleave(bench.repeats, runMillrace, runRabbitMq)
  return {
    rows: [
      rowOf('Millrace', first, { bound: 'at most', value: RATIO_MAX }),
      rowOf('RabbitMQ', second, undefined),
    ],
    durability: 'persisted',
  }
}

export const amqpFanout: Question = {
  name: 'amqp-fanout',
  title: 'AMQP: persistent 1 KiB messages to 100 queues at once, beside RabbitMQ',
  answer,
}
