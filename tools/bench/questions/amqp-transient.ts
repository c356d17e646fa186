/** How many small transient messages go through a queue? */
import type { Bench, Costs } from '../bench.ts'
import { interleave, repeatedly } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { spreadOf } from '../statistics.ts'
import { declareQueues } from '../tasks/amqp-entities.ts'
import {
  type Contenders,
  type Generators,
  type Passed,
  type QueueLoad,
  contenderFacts,
  generatorRow,
  openContenders,
  openGenerators,
  passBare,
  passThrough,
  ratesOf,
  warmUp,
} from './amqp-duel.ts'

const RUN_MS = 3_000
const BARE_COUNT = 3_000_000
const QUICK_BARE_COUNT = 2_000
const MESSAGES_PER_SECOND_MIN = 150_000
const CONFIRM_WINDOW_COUNT = 1_000
const LABEL = 'transient messages of 16 bytes, consumed without acknowledgements'

const measure = async (
  bench: Bench,
  { millrace, rabbitMq }: Contenders,
  generators: Generators,
  load: QueueLoad,
): Promise<{ readonly millrace: Costs<Passed>[]; readonly rabbitMq: Costs<Passed>[] }> => {
  const millraceCount = await warmUp(bench, millrace, generators, load, RUN_MS)
  const rabbitMqCount = await warmUp(bench, rabbitMq, generators, load, RUN_MS)
  const { first, second } = await interleave(
    bench.repeats,
    () => passThrough(bench, millrace, generators, load, millraceCount),
    () => passThrough(bench, rabbitMq, generators, load, rabbitMqCount),
  )
  return { millrace: [...first], rabbitMq: [...second] }
}

const rowOf = (
  label: string,
  target: Row['target'],
  runs: Awaited<ReturnType<typeof measure>>,
): Row => ({
  label,
  unit: 'messages/s',
  measured: spreadOf(ratesOf(runs.millrace)),
  target,
  facts: [
    ...contenderFacts('Millrace', runs.millrace),
    ...contenderFacts('RabbitMQ', runs.rabbitMq),
  ],
})

const answer = async (bench: Bench): Promise<Answer> => {
  const contenders = await openContenders(bench)
  const generators = openGenerators(bench)
  const [queues, durableQueues] = [[bench.name('queue')], [bench.name('queue')]]
  for (const { amqpPort } of Object.values(contenders)) {
    await declareQueues(amqpPort, queues, { isDurable: false })
    await declareQueues(amqpPort, durableQueues)
  }
  const message = { queues, payloadBytes: 16, isPersistent: false }
  const load: QueueLoad = { ...message, windowCount: 0, prefetchCount: 0, isAutoAck: true }
  const confirmed: QueueLoad = { ...load, windowCount: CONFIRM_WINDOW_COUNT }
  const durable: QueueLoad = { ...load, queues: durableQueues }
  const plain = await measure(bench, contenders, generators, load)
  const withConfirms = await measure(bench, contenders, generators, confirmed)
  const inDurable = await measure(bench, contenders, generators, durable)
  const bareCount = bench.size(BARE_COUNT, QUICK_BARE_COUNT)
  const bare = await repeatedly(bench.repeats, () => passBare(bench, generators, load, bareCount))
  const target = { bound: 'at least', value: MESSAGES_PER_SECOND_MIN } as const
  return {
    rows: [
      rowOf(LABEL, target, plain),
      rowOf(`${LABEL}, with confirms`, undefined, withConfirms),
      rowOf(`${LABEL}, in a durable queue`, undefined, inDurable),
      generatorRow(LABEL, bare),
    ],
    durability: 'memory',
  }
}

export const amqpTransient: Question = {
  name: 'amqp-transient',
  title: 'AMQP: transient 16-byte messages, beside RabbitMQ',
  answer,
}
