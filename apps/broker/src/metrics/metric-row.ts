/** A metric of the page of the whole broker: its name, and how it is read from one scrape's figures. */
import type { BrokerStatus, DurationBuckets } from '@millrace/core'
import type { Guards } from '../guards.ts'
import type { ConnectionCounter } from '../net/connection-counter.ts'
import type { FileSending } from '../net/file-sending.ts'
import type { MemoryBudget } from '../net/memory-budget.ts'
import type { LoopDelay, ProcessFigures } from './process-figures.ts'

/** Everything a scrape reads, taken once. */
export interface Scrape {
  readonly version: string
  readonly status: BrokerStatus
  readonly sessionCounts: ReadonlyMap<string, number>
  readonly counter: ConnectionCounter
  readonly guards: Guards
  readonly memory: MemoryBudget
  readonly fileSending: FileSending | undefined
  readonly process: ProcessFigures
  readonly loopDelay: LoopDelay
}

export type MetricKind = 'counter' | 'gauge' | 'histogram' | 'summary'

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string
}

/** `undefined`: this machine does not know it. */
export type Reading = number | undefined | readonly Sample[]

export interface MetricRow {
  readonly name: string
  readonly kind: MetricKind
  readonly help: string
  readonly read: (scrape: Scrape) => Reading
}

const row =
  (kind: MetricKind) =>
  (name: string, help: string, read: MetricRow['read']): MetricRow => ({ name, kind, help, read })

export const counter: ReturnType<typeof row> = row('counter')
export const gauge: ReturnType<typeof row> = row('gauge')
export const histogram: ReturnType<typeof row> = row('histogram')
export const summary: ReturnType<typeof row> = row('summary')

export const labelled = (
  label: string,
  values: Iterable<readonly [string, number]>,
): readonly Sample[] =>
  Array.from(values, ([name, value]) => ({ labels: { [label]: name }, value }))

/** Cumulative, as the format wants them. */
export const bucketSamples = (buckets: DurationBuckets): readonly Sample[] => {
  const { boundsMs, counts, totalMs } = buckets
  let sum = 0
  const samples: Sample[] = counts.map((count, index) => {
    sum += count
    const bound = boundsMs[index]
    const le = bound === undefined ? '+Inf' : bound / 1_000
    return { labels: { le }, value: sum, suffix: '_bucket' }
  })
  const total = { labels: {}, value: totalMs / 1_000, suffix: '_sum' }
  return [...samples, total, { labels: {}, value: sum, suffix: '_count' }]
}

export const delaySamples = (delay: LoopDelay): readonly Sample[] => [
  { labels: { quantile: 0.5 }, value: delay.p50Ms / 1_000 },
  { labels: { quantile: 0.99 }, value: delay.p99Ms / 1_000 },
  { labels: { quantile: 1 }, value: delay.maxMs / 1_000 },
  { labels: {}, value: delay.totalMs / 1_000, suffix: '_sum' },
  { labels: {}, value: delay.count, suffix: '_count' },
]
