/** How long from the command to a broker that serves? */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from '@millrace/client-node'
import type { Bench } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { grouped, rateFact, round } from '../facts.ts'
import { repeatedly } from '../interleave.ts'
import type { Answer, Question, Row } from '../question.ts'
import { median, spreadOf } from '../statistics.ts'
import type { Worker } from '../worker.ts'

const EMPTY_MS_MAX = 500
const FULL_MS_MAX = 2_000
const RECORD_BYTES = 100
const RECORD_COUNT = 10_000_000
const QUICK_RECORD_COUNT = 5_000
/** Before each further `kill -9`. */
const MORE_COUNT = 1_000_000
const QUICK_MORE_COUNT = 2_000
const KILL_AFTER_SHARE = 0.9

/** A bare Node program that ends at once: what no program written for Node can be faster than. */
const startBareNode = async (): Promise<number> => {
  const beganAt = performance.now()
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await once(child, 'exit')
  return performance.now() - beganAt
}

const startEmpty = async (bench: Bench): Promise<number> => {
  const broker = await bench.broker()
  await bench.closeAll()
  return broker.startedInMs
}

const measureEmpty = async (bench: Bench): Promise<Row> => {
  const bareMs = await repeatedly(bench.repeats, startBareNode)
  const startsMs = await repeatedly(bench.repeats, () => startEmpty(bench))
  return {
    label: 'empty directory: from the command to the ready file',
    unit: 'ms',
    measured: spreadOf(startsMs),
    target: { bound: 'at most', value: EMPTY_MS_MAX },
    facts: [rateFact('a bare Node program, from the command to its end', bareMs, 'ms')],
  }
}

/** Kills it in the middle of the load, with acknowledgements under way. */
const fillAndKill = async (
  broker: BrokerUnderTest,
  generator: Worker,
  topic: string,
  recordCount: number,
): Promise<void> => {
  const load = { url: broker.url, topic, payloadBytes: RECORD_BYTES, recordCount }
  await new Promise<void>((resolve) => {
    const reportEveryCount = Math.floor(recordCount * KILL_AFTER_SHARE)
    const kill = (): void => void broker.kill().then(resolve)
    generator.run('produceWithClient', { ...load, reportEveryCount }, kill).then(kill, () => {
      // The broker was killed under it.
    })
  })
}

const measureRecovery = async (bench: Bench): Promise<Row> => {
  const dataDir = bench.path('data')
  const topic = bench.name('topic')
  let broker = await bench.broker({ dataDir })
  const client = await connect(broker.url)
  await client.admin.createTopic(topic)
  await client.close()
  const generator = bench.worker('generator')
  const recordCount = bench.size(RECORD_COUNT, QUICK_RECORD_COUNT)
  const load = { url: broker.url, topic, payloadBytes: RECORD_BYTES, recordCount }
  await generator.run('produceWithClient', load)
  const startsMs: number[] = []
  const recoveriesMs: number[] = []
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    await fillAndKill(broker, generator, topic, bench.size(MORE_COUNT, QUICK_MORE_COUNT))
    broker = await bench.broker({ dataDir })
    startsMs.push(broker.startedInMs)
    recoveriesMs.push((await broker.counters()).recoverySeconds * 1000)
  }
  return {
    label: `${grouped(recordCount)} records after kill -9: from the command to the ready file`,
    unit: 'ms',
    measured: spreadOf(startsMs),
    target: { bound: 'at most', value: FULL_MS_MAX },
    facts: [
      `recovery itself: ${round(median(recoveriesMs), 0)} ms`,
      'killed while producing, with the page cache warm',
    ],
  }
}

const answer = async (bench: Bench): Promise<Answer> => ({
  rows: [await measureEmpty(bench), await measureRecovery(bench)],
  durability: 'persisted',
})

export const start: Question = {
  name: 'start',
  title: 'From the start of the command to a broker that serves',
  answer,
}
