/** How much memory does a queue hold that nobody uses? */
import { setTimeout as wait } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import type { Contender } from '../contender.ts'
import { grouped, round } from '../facts.ts'
import type { Answer, Question, Row } from '../question.ts'
import { median, spreadOf } from '../statistics.ts'
import { declareQueues } from '../tasks/amqp-entities.ts'
import { openContenders } from './amqp-duel.ts'

const KB = 1_000
const MB = 1_000_000
const QUEUES = 10_000
const QUICK_QUEUES = 50
const QUEUE_KB_MAX = 5
/** Declaring leaves garbage, which goes when the broker is left alone. */
const SETTLE_MS = 20_000
const QUICK_SETTLE_MS = 50
const SAMPLE_MS = 500
const QUICK_SAMPLE_MS = 5
const SAMPLES = 9

interface Held {
  readonly before: number
  readonly after: number
}

const residentBytes = async (bench: Bench, contender: Contender): Promise<number> => {
  const samples: number[] = []
  await wait(bench.size(SETTLE_MS, QUICK_SETTLE_MS))
  for (let count = 0; count < SAMPLES; count++) {
    samples.push(await contender.residentBytes())
    await wait(bench.size(SAMPLE_MS, QUICK_SAMPLE_MS))
  }
  return median(samples)
}

const hold = async (
  bench: Bench,
  contender: Contender,
  queues: readonly string[],
): Promise<Held> => {
  const before = await residentBytes(bench, contender)
  await declareQueues(contender.amqpPort, queues)
  return { before, after: await residentBytes(bench, contender) }
}

const perQueueKb = ({ before, after }: Held, queueCount: number): number =>
  Math.max(0, after - before) / queueCount / KB

const factOf = (name: string, held: Held, queueCount: number): string =>
  `${name}: ${round(held.before / MB, 1)} MB before, ${round(held.after / MB, 1)} MB with ` +
  `${grouped(queueCount)} queues, ${round(perQueueKb(held, queueCount), 2)} KB each`

const restarted = async (bench: Bench, broker: BrokerUnderTest): Promise<BrokerUnderTest> => {
  await broker.kill()
  return bench.broker({ dataDir: broker.dataDir })
}

/** Found again after a kill, of a broker that found a single queue: a recovery leaves garbage. */
const holdFound = async (bench: Bench, declared: BrokerUnderTest): Promise<Held> => {
  const small = await bench.broker()
  await declareQueues(small.amqpPort, [bench.name('queue')])
  const before = await residentBytes(bench, await restarted(bench, small))
  return { before, after: await residentBytes(bench, await restarted(bench, declared)) }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const { millrace, rabbitMq } = await openContenders(bench)
  const queueCount = bench.size(QUEUES, QUICK_QUEUES)
  const queues = Array.from({ length: queueCount }, () => bench.name('queue'))
  const held = await hold(bench, millrace, queues)
  const heldByRabbitMq = await hold(bench, rabbitMq, queues)
  const found = await holdFound(bench, millrace)
  const rowOf = (label: string, one: Held, facts: readonly string[]): Row => ({
    label: `${label}, each`,
    unit: 'KB',
    measured: spreadOf([perQueueKb(one, queueCount)]),
    target: { bound: 'at most', value: QUEUE_KB_MAX },
    facts,
  })
  const name = `resident memory of ${grouped(queueCount)} idle durable queues`
  return {
    rows: [
      rowOf(name, held, [
        factOf('Millrace', held, queueCount),
        factOf('RabbitMQ', heldByRabbitMq, queueCount),
      ]),
      rowOf(`${name} after kill -9 and start`, found, [factOf('Millrace', found, queueCount)]),
    ],
    durability: 'persisted',
  }
}

export const amqpIdle: Question = {
  name: 'amqp-idle',
  title: 'AMQP: resident memory of 10,000 idle queues, beside RabbitMQ',
  answer,
}
