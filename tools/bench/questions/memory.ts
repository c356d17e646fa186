/** How much memory does the broker hold, idle and under load that lasts? */
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from '@millrace/client-node'
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { round } from '../facts.ts'
import { residentBytesOf } from '../process-stat.ts'
import type { Answer, Question, Row } from '../question.ts'
import { median, spreadOf } from '../statistics.ts'

const MB = 1_000_000
const GB = 1_000_000_000
const QUICK_GB = 2_000_000
const IDLE_MB_MAX = 100
const GROWTH_MB_MAX = 50
const RECORD_BYTES = 1024
const GB_COUNT = 10
const SAMPLES_PER_GB = 10
const IDLE_MS = 3_000
const QUICK_IDLE_MS = 50

const residentMb = async (broker: BrokerUnderTest): Promise<number> =>
  (await residentBytesOf(broker.pid)) / MB

const measureIdle = async (bench: Bench, broker: BrokerUnderTest): Promise<Row> => {
  await wait(bench.size(IDLE_MS, QUICK_IDLE_MS))
  return {
    label: 'resident memory of an idle broker',
    unit: 'MB',
    measured: spreadOf([await residentMb(broker)]),
    target: { bound: 'at most', value: IDLE_MB_MAX },
    facts: [],
  }
}

/** Resident memory at ten moments of every gigabyte. */
const sampleWhileProducing = async (
  bench: Bench,
  broker: BrokerUnderTest,
  gigabyte: number,
): Promise<number[][]> => {
  const topic = bench.name('topic')
  const client = await connect(broker.url)
  await client.admin.createTopic(topic)
  await client.close()
  const recordCount = Math.ceil((gigabyte * GB_COUNT) / RECORD_BYTES)
  const reportEveryCount = Math.floor(recordCount / GB_COUNT / SAMPLES_PER_GB)
  const samples: Promise<number>[] = []
  const load = { url: broker.url, topic, payloadBytes: RECORD_BYTES, recordCount, reportEveryCount }
  await bench
    .worker('generator')
    .run('produceWithClient', load, () => void samples.push(residentMb(broker)))
  const taken = await Promise.all(samples)
  return Array.from({ length: GB_COUNT }, (_, index) =>
    taken.slice(index * SAMPLES_PER_GB, (index + 1) * SAMPLES_PER_GB),
  ).filter(({ length }) => length > 0)
}

const measureGrowth = async (bench: Bench, broker: BrokerUnderTest): Promise<Row> => {
  const gigabyte = bench.size(GB, QUICK_GB)
  await bench.checkRoom(gigabyte * GB_COUNT)
  const byGigabyte = await sampleWhileProducing(bench, broker, gigabyte)
  const medians = byGigabyte.map(median)
  return {
    label: 'resident memory from the first GB to the tenth: highest less lowest median of a GB',
    unit: 'MB',
    measured: spreadOf([Math.max(...medians) - Math.min(...medians)]),
    target: { bound: 'at most', value: GROWTH_MB_MAX },
    facts: [
      `median of each GB: ${medians.map((value) => round(value, 0)).join(', ')} MB`,
      `highest seen: ${round(Math.max(...byGigabyte.flat()), 0)} MB`,
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => {
  const broker = await bench.broker()
  const rows = [await measureIdle(bench, broker), await measureGrowth(bench, broker)]
  return { rows, durability: 'persisted' }
}

export const memory: Question = {
  name: 'memory',
  title: 'Resident memory, idle and over ten GB of 1 KiB records',
  answer,
}
