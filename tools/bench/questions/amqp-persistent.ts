/** What does a persistent message through a queue cost, with confirm and acknowledgement? */
import type { Bench, Costs } from '../bench.ts'
import { syncFact } from '../facts.ts'
import { interleave, repeatedly } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { ratiosOf, spreadOf } from '../statistics.ts'
import { declareQueues } from '../tasks/amqp-entities.ts'
import {
  type Passed,
  type QueueLoad,
  ackFact,
  contenderFacts,
  cpuUsOfEach,
  generatorRow,
  openContenders,
  openGenerators,
  passBare,
  passThrough,
  ratesOf,
  warmUp,
} from './amqp-duel.ts'

const RUN_MS = 4_000
const BARE_COUNT = 500_000
const QUICK_BARE_COUNT = 2_000
const CPU_RATIO_MAX = 0.25
const RATE_RATIO_MIN = 2

export const persistentLoad = {
  payloadBytes: 1024,
  isPersistent: true,
  windowCount: 1_000,
  prefetchCount: 1_000,
  isAutoAck: false,
} as const

const rowsOf = (millrace: readonly Costs<Passed>[], rabbitMq: readonly Costs<Passed>[]): Row[] => [
  {
    label: 'CPU of the broker for a persistent message of 1 KiB, of RabbitMQ',
    unit: 'ratio',
    measured: spreadOf(ratiosOf(cpuUsOfEach(millrace), cpuUsOfEach(rabbitMq))),
    target: { bound: 'at most', value: CPU_RATIO_MAX },
    facts: [
      ...contenderFacts('Millrace', millrace),
      ...contenderFacts('RabbitMQ', rabbitMq),
      ackFact('Millrace', millrace),
      ackFact('RabbitMQ', rabbitMq),
      syncFact('Millrace', millrace),
    ],
  },
  {
    label: 'persistent messages of 1 KiB a second, of RabbitMQ',
    unit: 'ratio',
    measured: spreadOf(ratiosOf(ratesOf(millrace), ratesOf(rabbitMq))),
    target: { bound: 'at least', value: RATE_RATIO_MIN },
    facts: [],
  },
]

const answer = async (bench: Bench): Promise<Answer> => {
  const { millrace, rabbitMq } = await openContenders(bench)
  const generators = openGenerators(bench)
  const load: QueueLoad = { ...persistentLoad, queues: [bench.name('queue')] }
  await declareQueues(millrace.amqpPort, load.queues)
  await declareQueues(rabbitMq.amqpPort, load.queues)
  const millraceCount = await warmUp(bench, millrace, generators, load, RUN_MS)
  const rabbitMqCount = await warmUp(bench, rabbitMq, generators, load, RUN_MS)
  const { first, second } = await interleave(
    bench.repeats,
    () => passThrough(bench, millrace, generators, load, millraceCount),
    () => passThrough(bench, rabbitMq, generators, load, rabbitMqCount),
  )
  const bareCount = bench.size(BARE_COUNT, QUICK_BARE_COUNT)
  const bare = await repeatedly(bench.repeats, () => passBare(bench, generators, load, bareCount))
  return {
    rows: [...rowsOf(first, second), generatorRow('persistent messages of 1 KiB', bare)],
    durability: 'persisted',
  }
}

export const amqpPersistent: Question = {
  name: 'amqp-persistent',
  title: 'AMQP: persistent 1 KiB messages with confirms and acknowledgements, against RabbitMQ',
  answer,
}
