/**
 * The two pages of metrics as routes. Scrapes that come while one is under way get its page: a
 * thousand of them cost as much as one.
 */
import type { Broker, Timers } from '@millrace/core'
import type { HttpAnswer, HttpRoute } from '../http/http-server.ts'
import { formatBrokerPage, METRICS_CONTENT_TYPE } from './broker-page.ts'
import type { Scrape } from './metric-row.ts'
import { formatPerObjectPage } from './per-object-page.ts'
import { type LoopDelayMonitor, readProcessFigures } from './process-figures.ts'

export interface MetricsSources extends Omit<
  Scrape,
  'status' | 'sessionCounts' | 'process' | 'loopDelay'
> {
  readonly broker: Broker
  readonly timers: Timers
  readonly sessionCounts: () => ReadonlyMap<string, number>
  readonly loopDelay: LoopDelayMonitor
  readonly topicsMax: number
}

export const createMetricsRoutes = (
  sources: MetricsSources,
): Readonly<Record<string, HttpRoute>> => ({
  '/metrics': shared(() => scrapeBroker(sources)),
  '/metrics/per-object': shared(() => scrapeObjects(sources)),
})

const scrapeBroker = async (sources: MetricsSources): Promise<string> => {
  const process = await readProcessFigures()
  return formatBrokerPage({
    ...sources,
    process,
    status: sources.broker.status(),
    sessionCounts: sources.sessionCounts(),
    loopDelay: sources.loopDelay.read(),
  })
}

const scrapeObjects = ({ broker, timers, topicsMax }: MetricsSources): Promise<string> =>
  formatPerObjectPage({
    topics: broker.inspectTopics(),
    queues: broker.inspectQueues(),
    delayed: broker.inspectDelayed(),
    topicsMax,
    pause: () => new Promise((resolve) => timers.defer(resolve)),
  })

/** Who asks while a page is being made gets that one. */
export const shared = (scrape: () => Promise<string>): (() => Promise<HttpAnswer>) => {
  let underWay: Promise<HttpAnswer> | undefined
  const run = async (): Promise<HttpAnswer> => {
    try {
      return { status: 200, contentType: METRICS_CONTENT_TYPE, body: await scrape() }
    } finally {
      underWay = undefined
    }
  }
  return () => (underWay ??= run())
}
