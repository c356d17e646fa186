/** What does a queue cost that ten million messages wait in? */
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { grouped, rateFact, round } from '../facts.ts'
import { repeatedly } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { median, spreadOf } from '../statistics.ts'
import { countReady, declareQueues } from '../tasks/amqp-entities.ts'
import { sharedNow } from '../tasks/now.ts'
import {
  type Generators,
  type QueueLoad,
  contenderFacts,
  openGenerators,
  passThrough,
  ratesOf,
  warmUp,
} from './amqp-duel.ts'
import { persistentLoad } from './amqp-persistent.ts'

const MB = 1_000_000
const MESSAGE_COUNT = 10_000_000
const QUICK_MESSAGE_COUNT = 4_000
const SHORT_COUNT = 100_000
const QUICK_SHORT_COUNT = 400
const PAYLOAD_BYTES = 100
/** On the disk: the message, what describes it, and the journal for a while. */
const ROOM_BYTES = 4_000 * MB
const RUN_MS = 4_000
/** Parts of a fill or a drain whose memory is compared. */
const PARTS = 10
const SAMPLES_PER_PART = 10
const RATE_RATIO_MIN = 0.8
const GROWTH_MB_MAX = 100
const READY_MS_MAX = 5_000
/** Published while the broker is killed. */
const MORE_COUNT = 200_000
const QUICK_MORE_COUNT = 1_000
const KILLS_MAX = 3

interface Scene {
  readonly bench: Bench
  readonly generators: Generators
  readonly queue: string
}

interface Stretch {
  readonly messagesPerSecond: number
  /** Resident memory in MB, the median of each part. */
  readonly memory: readonly number[]
}

/** Memory of the broker while `work` runs, which tells of its progress. */
const sampling = async (
  broker: BrokerUnderTest,
  work: (onProgress: () => void) => Promise<unknown>,
): Promise<number[]> => {
  const samples: Promise<number>[] = []
  await work(() => void samples.push(broker.residentBytes()))
  const taken = (await Promise.all(samples)).map((bytes) => bytes / MB)
  const partSamples = Math.ceil(taken.length / PARTS)
  return Array.from({ length: PARTS }, (_, index) =>
    taken.slice(index * partSamples, (index + 1) * partSamples),
  )
    .filter(({ length }) => length > 0)
    .map(median)
}

const fill = async (
  { generators, queue }: Scene,
  broker: BrokerUnderTest,
  messageCount: number,
): Promise<Stretch> => {
  const { isPersistent, windowCount } = persistentLoad
  const message = { exchange: '', routingKeys: [queue], payloadBytes: PAYLOAD_BYTES, isPersistent }
  const reportEveryCount = Math.floor(messageCount / PARTS / SAMPLES_PER_PART)
  const load = { port: broker.amqpPort, ...message, windowCount, messageCount, reportEveryCount }
  const beganAt = sharedNow()
  const memory = await sampling(broker, (onProgress) =>
    generators.producer.run('produceAmqp', load, onProgress),
  )
  return { messagesPerSecond: messageCount / ((sharedNow() - beganAt) / 1000), memory }
}

const drain = async (
  { generators, queue }: Scene,
  broker: BrokerUnderTest,
  messageCount: number,
): Promise<Stretch> => {
  const { prefetchCount, isAutoAck } = persistentLoad
  const reportEveryCount = Math.floor(messageCount / PARTS / SAMPLES_PER_PART)
  const load = { port: broker.amqpPort, queues: [queue], prefetchCount, isAutoAck, messageCount }
  let beganAt = Number.NaN
  let endedAt = Number.NaN
  const memory = await sampling(broker, async (onProgress) => {
    const consuming = { ...load, reportEveryCount }
    const consumed = await generators.consumer.run('consumeAmqp', consuming, () => {
      // Told first when its consumer is there.
      if (Number.isNaN(beganAt)) beganAt = sharedNow()
      onProgress()
    })
    endedAt = consumed.endedAt
  })
  // A handful may be there before the word of the first one is.
  const tookMs = Math.max(1, endedAt - beganAt)
  return { messagesPerSecond: messageCount / (tookMs / 1000), memory }
}

/** Filled with a little and drained, again and again. */
const drainShort = async (scene: Scene, broker: BrokerUnderTest): Promise<number[]> => {
  const count = scene.bench.size(SHORT_COUNT, QUICK_SHORT_COUNT)
  const once = async (): Promise<number> => {
    await fill(scene, broker, count)
    return (await drain(scene, broker, count)).messagesPerSecond
  }
  await once()
  return repeatedly(scene.bench.repeats, once)
}

/** Killed while messages come in; until it says how many wait. */
const restart = async (
  scene: Scene,
  broker: BrokerUnderTest,
): Promise<{ broker: BrokerUnderTest; readyMs: number }> => {
  const { bench, generators, queue } = scene
  const messageCount = bench.size(MORE_COUNT, QUICK_MORE_COUNT)
  const { isPersistent, windowCount } = persistentLoad
  const message = { exchange: '', routingKeys: [queue], payloadBytes: PAYLOAD_BYTES, isPersistent }
  const load = { port: broker.amqpPort, ...message, windowCount, messageCount }
  await new Promise<void>((resolve) => {
    const kill = (): void => void broker.kill().then(resolve)
    const reportEveryCount = Math.floor(messageCount / 2)
    generators.producer.run('produceAmqp', { ...load, reportEveryCount }, kill).then(kill, () => {
      // The broker was killed under it.
    })
  })
  const beganAt = sharedNow()
  const next = await bench.broker({ dataDir: broker.dataDir })
  await countReady(next.amqpPort, queue)
  return { broker: next, readyMs: sharedNow() - beganAt }
}

const rateRow = (label: string, drained: Stretch, shortRates: readonly number[]): Row => ({
  label: `messages a second from the backlog, of ${label}`,
  unit: 'ratio',
  measured: spreadOf(shortRates.map((rate) => drained.messagesPerSecond / rate)),
  target: { bound: 'at least', value: RATE_RATIO_MIN },
  facts: [
    `the backlog: ${grouped(drained.messagesPerSecond)} messages/s`,
    rateFact(label, shortRates, 'messages/s'),
  ],
})

const memoryRow = (label: string, { memory, messagesPerSecond }: Stretch): Row => ({
  label: `resident memory while it ${label}: highest less lowest median of a tenth`,
  unit: 'MB',
  measured: spreadOf([Math.max(...memory) - Math.min(...memory)]),
  target: { bound: 'at most', value: GROWTH_MB_MAX },
  facts: [
    `median of each tenth: ${memory.map((value) => round(value, 0)).join(', ')} MB`,
    `${grouped(messagesPerSecond)} messages/s`,
  ],
})

const answer = async (bench: Bench): Promise<Answer> => {
  await bench.checkRoom(bench.size(ROOM_BYTES, 0))
  const scene: Scene = { bench, generators: openGenerators(bench), queue: bench.name('queue') }
  let broker = await bench.broker()
  await declareQueues(broker.amqpPort, [scene.queue])
  const load: QueueLoad = { ...persistentLoad, payloadBytes: PAYLOAD_BYTES, queues: [scene.queue] }
  const count = await warmUp(bench, broker, scene.generators, load, RUN_MS)
  const passed = await repeatedly(bench.repeats, () =>
    passThrough(bench, broker, scene.generators, load, count),
  )
  const shortRates = await drainShort(scene, broker)
  const filled = await fill(scene, broker, bench.size(MESSAGE_COUNT, QUICK_MESSAGE_COUNT))
  const readyMs: number[] = []
  for (let kills = 0; kills < Math.min(bench.repeats, KILLS_MAX); kills++) {
    const restarted = await restart(scene, broker)
    broker = restarted.broker
    readyMs.push(restarted.readyMs)
  }
  const waiting = await countReady(broker.amqpPort, scene.queue)
  const drained = await drain(scene, broker, waiting)
  return {
    rows: [
      rateRow('a short queue that is drained', drained, shortRates),
      rateRow('a short queue, published and consumed at once', drained, ratesOf(passed)),
      memoryRow('fills', filled),
      memoryRow('drains', drained),
      {
        label: 'after kill -9 with the backlog: from the command to the count of the queue',
        unit: 'ms',
        measured: spreadOf(readyMs),
        target: { bound: 'at most', value: READY_MS_MAX },
        facts: [`${grouped(waiting)} messages waited`, ...contenderFacts('short queue', passed)],
      },
    ],
    durability: 'persisted',
  }
}

export const amqpBacklog: Question = {
  name: 'amqp-backlog',
  title: 'AMQP: ten million persistent 100-byte messages that wait in a queue',
  isDeep: true,
  answer,
}
