/** Sentences under a result: what the numbers mean for the machine. */
import type { Costs } from './bench.ts'
import type { Latencies, Spread } from './statistics.ts'
import { median, sum } from './statistics.ts'

const MB = 1_000_000
const GB = 1_000_000_000
/** A generator that is busy for this share of a core may be what was measured. */
const BUSY_SHARE = 0.95

export interface Load {
  readonly recordCount: number
  readonly payloadBytes: number
  readonly elapsedMs: number
}

export const round = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : 'n/a'

export const grouped = (value: number): string =>
  Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : 'n/a'

export const formatLatencies = ({ p50, p99, p999, max, count }: Latencies): string =>
  `p50 ${round(p50, 3)}, p99 ${round(p99, 3)}, p99.9 ${round(p999, 3)}, max ${round(max, 2)} ms ` +
  `(${grouped(count)} samples)`

/** `12 (11 to 14)`. */
export const formatSpread = (spread: Spread, format: (value: number) => string): string =>
  spread.count === 1
    ? format(spread.median)
    : `${format(spread.median)} (${format(spread.min)} to ${format(spread.max)})`

export const recordsPerSecond = ({ recordCount, elapsedMs }: Load): number =>
  recordCount / (elapsedMs / 1000)

export const megabytesPerSecond = (load: { payloadBytes: number; elapsedMs: number }): number =>
  load.payloadBytes / MB / (load.elapsedMs / 1000)

export const shareOfCore = (cpuMs: number, elapsedMs: number): string =>
  `${round((cpuMs / elapsedMs) * 100, 0)} % of a core`

export const cpuSecondsPerGigabyte = (cpuMs: number, bytes: number): number =>
  cpuMs / 1000 / (bytes / GB)

/** How much of the broker's CPU the kernel had: copies, sockets, files. */
export const kernelFact = (name: string, runs: readonly Costs<unknown>[]): string => {
  const cpuMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const systemMs = sum(runs.map(({ brokerSystemMs }) => brokerSystemMs))
  return `kernel, ${name}: ${round((systemMs / cpuMs) * 100, 0)} % of the broker's CPU`
}

/** The broker's CPU, for all runs together. */
export const brokerFact = (name: string, runs: readonly Costs<Load>[]): string => {
  const cpuMs = sum(runs.map(({ brokerCpuMs }) => brokerCpuMs))
  const records = sum(runs.map(({ result }) => result.recordCount))
  const bytes = sum(runs.map(({ result }) => result.payloadBytes))
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  return (
    `broker, ${name}: ${round((cpuMs * 1000) / records, 2)} µs CPU a record, ` +
    `${round(cpuSecondsPerGigabyte(cpuMs, bytes), 2)} s a GB, ${shareOfCore(cpuMs, elapsedMs)}`
  )
}

/** Whether the load generator, of so many processes, could have done more. */
export const generatorFact = (
  name: string,
  runs: readonly Costs<Load>[],
  processCount = 1,
): string => {
  const cpuMs = sum(runs.map(({ generatorCpuMs }) => generatorCpuMs))
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  const isLimit = cpuMs / elapsedMs / processCount >= BUSY_SHARE
  const verdict = isLimit ? 'it may be the limit' : 'not the limit'
  const processes = processCount === 1 ? '' : ` in ${processCount} processes`
  return `generator, ${name}: ${shareOfCore(cpuMs, elapsedMs)}${processes}, ${verdict}`
}

export const syncFact = (name: string, runs: readonly Costs<Load>[]): string => {
  const syncs = sum(runs.map(({ counters }) => counters.syncs))
  const bytes = sum(runs.map(({ counters }) => counters.bytesAppended))
  const records = sum(runs.map(({ result }) => result.recordCount))
  const elapsedMs = sum(runs.map(({ result }) => result.elapsedMs))
  const direct = sum(runs.map(({ counters }) => counters.directAppends))
  if (Number.isNaN(syncs)) return `syncs, ${name}: not told`
  if (syncs === 0) return `syncs, ${name}: none`
  return (
    `syncs, ${name}: ${grouped(syncs)}, ${grouped(syncs / (elapsedMs / 1000))} a second, ` +
    `${grouped(records / syncs)} records and ${grouped(bytes / syncs / 1024)} KiB each, ` +
    `${grouped(direct)} direct appends`
  )
}

export const rateFact = (name: string, rates: readonly number[], unit: string): string =>
  `${name}: ${grouped(median(rates))} ${unit} ` +
  `(${grouped(Math.min(...rates))} to ${grouped(Math.max(...rates))})`
