/**
 * `/metrics`: the figures of the whole broker. No label grows with topics, users or peers; those have
 * `/metrics/per-object`.
 *
 * The registry and the text are prom-client's. Its metrics would hash labels at every count; ours keep
 * nothing and are read when they are asked for.
 */
import { type Metric, Registry } from 'prom-client'
import { type MetricRow, type Reading, type Sample, type Scrape } from './metric-row.ts'
import { metricTable } from './metric-table.ts'

interface NamedSample {
  readonly metricName: string
  readonly labels: Sample['labels']
  readonly value: number
}

const samplesOf = (reading: Reading): readonly Sample[] => {
  if (reading === undefined) return []
  return typeof reading === 'number' ? [{ labels: {}, value: reading }] : reading
}

/** What a registry asks of a metric: its name, and its values when they are wanted. */
class PulledMetric {
  readonly name: string
  readonly #row: MetricRow
  readonly #scrape: () => Scrape

  constructor(row: MetricRow, scrape: () => Scrape) {
    this.name = row.name
    this.#row = row
    this.#scrape = scrape
  }

  get(): Promise<unknown> {
    const { name, help, kind, read } = this.#row
    const values = samplesOf(read(this.#scrape())).map(
      ({ labels, value, suffix = '' }): NamedSample => ({
        metricName: name + suffix,
        labels,
        value,
      }),
    )
    return Promise.resolve({ name, help, type: kind, values, aggregator: 'sum' })
  }
}

export const formatBrokerPage = (scrape: Scrape): Promise<string> => {
  const registry = new Registry()
  for (const row of metricTable) {
    registry.registerMetric(new PulledMetric(row, () => scrape) as unknown as Metric)
  }
  return registry.metrics()
}

export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE
