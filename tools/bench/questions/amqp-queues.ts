/** Do a thousand queues cost more than one? */
import type { Bench, Costs } from '../bench.ts'
import type { Contender } from '../contender.ts'
import { grouped, syncFact } from '../facts.ts'
import { interleave } from '../interleave.ts'
import type { Answer, Question, Row, Target } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import { declareQueues } from '../tasks/amqp-entities.ts'
import {
  type Generators,
  type Passed,
  type QueueLoad,
  contenderFacts,
  openContenders,
  openGenerators,
  passThrough,
  ratesOf,
  warmUp,
} from './amqp-duel.ts'
import { persistentLoad } from './amqp-persistent.ts'

const RUN_MS = 3_000
const QUEUES = 1_000
const QUICK_QUEUES = 20
const RATIO_MIN = 0.45
/** Of each queue; as many messages are under way as with one queue. */
const PREFETCH_COUNT = 10

interface ManyAndOne {
  readonly many: Costs<Passed>
  readonly one: Costs<Passed>
}

const preparing = async (
  bench: Bench,
  contender: Contender,
  generators: Generators,
  queues: readonly string[],
): Promise<() => Promise<ManyAndOne>> => {
  const loadMany: QueueLoad = { ...persistentLoad, queues, prefetchCount: PREFETCH_COUNT }
  const loadOne: QueueLoad = { ...persistentLoad, queues: queues.slice(0, 1) }
  await declareQueues(contender.amqpPort, queues)
  const manyCount = await warmUp(bench, contender, generators, loadMany, RUN_MS)
  const oneCount = await warmUp(bench, contender, generators, loadOne, RUN_MS)
  return async () => ({
    many: await passThrough(bench, contender, generators, loadMany, manyCount),
    one: await passThrough(bench, contender, generators, loadOne, oneCount),
  })
}

const rowOf = (
  name: string,
  queueCount: number,
  runs: readonly ManyAndOne[],
  target: Target | undefined,
): Row => {
  const many = runs.map((run) => run.many)
  const one = runs.map((run) => run.one)
  return {
    label: `${grouped(queueCount)} queues round robin, persistent 1 KiB, of one queue: ${name}`,
    unit: 'ratio',
    measured: spreadOf(ratiosOf(ratesOf(many), ratesOf(one))),
    target,
    facts: [
      ...contenderFacts(`${grouped(queueCount)} queues`, many),
      ...contenderFacts('one queue', one),
      syncFact(`${grouped(queueCount)} queues`, many),
      syncFact('one queue', one),
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const { millrace, rabbitMq } = await openContenders(bench)
  const generators = openGenerators(bench)
  const queueCount = bench.size(QUEUES, QUICK_QUEUES)
  const queues = Array.from({ length: queueCount }, () => bench.name('queue'))
  const runMillrace = await preparing(bench, millrace, generators, queues)
  const runRabbitMq = await preparing(bench, rabbitMq, generators, queues)
  const { first, second } = await interleave(bench.repeats, runMillrace, runRabbitMq)
  const target = { bound: 'at least', value: RATIO_MIN } as const
  return {
    rows: [
      rowOf('Millrace', queueCount, first, target),
      rowOf('RabbitMQ', queueCount, second, undefined),
    ],
    durability: 'persisted',
  }
}

export const amqpQueues: Question = {
  name: 'amqp-queues',
  title: 'AMQP: persistent messages through 1,000 queues against one, beside RabbitMQ',
  answer,
}
