/** What librdkafka did and what it cost, for the questions that have it as generator. */
import type { Bench, Costs } from '../bench.ts'
import type { BrokerUnderTest } from '../broker-under-test.ts'
import { cpuSecondsPerGigabyte, round, shareOfCore } from '../facts.ts'
import { sum } from '../statistics.ts'
import type { LibrdkafkaParameters, LibrdkafkaRun } from '../tasks/run-librdkafka.ts'
import type { Worker } from '../worker.ts'

/** A thread that is busy for this share of a core may be what was measured. */
const BUSY_SHARE = 0.95

/** The CPU of the generator is that of its process, of which the worker is only the parent. */
export const runWithCosts = async (
  bench: Bench,
  broker: BrokerUnderTest,
  generator: Worker,
  parameters: LibrdkafkaParameters,
): Promise<Costs<LibrdkafkaRun>> => {
  const run = (): Promise<LibrdkafkaRun> => generator.run('runLibrdkafka', parameters)
  const costs = await bench.costsOf(broker, generator, run)
  const { mainThreadMs, otherThreadsMs } = costs.result
  return { ...costs, generatorCpuMs: mainThreadMs + otherThreadsMs }
}

/** The broker's CPU of each run, by the payload. */
export const brokerSecondsPerGigabyte = (runs: readonly Costs<LibrdkafkaRun>[]): number[] =>
  runs.map(({ brokerCpuMs, result }) => cpuSecondsPerGigabyte(brokerCpuMs, result.payloadBytes))

/** Nothing when it consumed. */
const queueText = (results: readonly LibrdkafkaRun[], elapsedMs: number): string => {
  const waitsMs = results.flatMap(({ waitedMs }) => (waitedMs === null ? [] : [waitedMs]))
  if (waitsMs.length === 0) return ''
  return `queue full for ${round((sum(waitsMs) / elapsedMs) * 100, 0)} % of the time, `
}

/** Whether librdkafka or Python could have done more: thread by thread, and by its full queue. */
export const librdkafkaFact = (runs: readonly Costs<LibrdkafkaRun>[]): string => {
  const results = runs.map(({ result }) => result)
  const elapsedMs = sum(results.map((result) => result.elapsedMs))
  const mainMs = sum(results.map(({ mainThreadMs }) => mainThreadMs))
  const othersMs = sum(results.map(({ otherThreadsMs }) => otherThreadsMs))
  const isLimit = Math.max(mainMs, othersMs) / elapsedMs >= BUSY_SHARE
  return (
    `librdkafka: Python's thread ${shareOfCore(mainMs, elapsedMs)}, ` +
    `its own threads ${shareOfCore(othersMs, elapsedMs)}, ` +
    queueText(results, elapsedMs) +
    (isLimit ? 'it may be the limit' : 'not the limit')
  )
}
