import type { QueueDescription, TopicInspection } from '@millrace/core'
import { TrafficCounters } from '@millrace/core'
import { METRIC_PARTITIONS_COUNT_MAX, METRIC_PARTITIONS_PER_TURN } from '../../src/limits.ts'
import { bucketSamples } from '../../src/metrics/metric-row.ts'
import { formatPerObjectPage } from '../../src/metrics/per-object-page.ts'
import { LoopDelayMonitor } from '../../src/metrics/process-figures.ts'

const topicOf = (topic: string, partitionCount = 1): TopicInspection => ({
  namespace: '/',
  topic,
  traffic: Object.assign(new TrafficCounters(), { recordsIn: 3, bytesOut: 9 }),
  partitions: Array.from({ length: partitionCount }, (_, partition) => ({
    partition,
    earliest: 1,
    next: 4,
    highWatermark: 4,
    epoch: 0,
    bytes: 200,
    quarantined: [],
  })),
})

const pageOf = (topics: readonly TopicInspection[], topicsMax: number, pause = async () => {}) =>
  formatPerObjectPage({ topics, queues: [], delayed: [], topicsMax, pause })

const countOf = (page: string, pattern: RegExp): number => [...page.matchAll(pattern)].length

it('shows topics and partitions with their figures', async () => {
  const page = await pageOf([topicOf('a', 2)], 10)
  expect(page).toContain('millrace_topic_messages_received_total{namespace="/",topic="a"} 3\n')
  expect(page).toContain('millrace_topic_delivered_bytes_total{namespace="/",topic="a"} 9\n')
  const where = '{namespace="/",topic="a",partition="1"}'
  expect(page).toContain(`millrace_topic_log_bytes${where} 200\n`)
  expect(page).toContain(`millrace_topic_earliest_offset${where} 1\n`)
  expect(page).toContain(`millrace_topic_next_offset${where} 4\n`)
  expect(page).toContain('\nmillrace_topics_left_out 0\n')
})

it('keeps the lines of a metric together, under one heading', async () => {
  const page = await pageOf([topicOf('a'), topicOf('b')], 10)
  const names = page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('{')[0])
  const runs = names.filter((name, index) => name !== names[index - 1])
  expect(new Set(runs).size).toBe(runs.length)
  expect(countOf(page, /^# TYPE millrace_topic_log_bytes gauge$/gm)).toBe(1)
})

it('shows as many topics as it may, and says how many more there are', async () => {
  const page = await pageOf([topicOf('a'), topicOf('b'), topicOf('c')], 2)
  expect(countOf(page, /^millrace_topic_log_bytes/gm)).toBe(2)
  expect(page).toContain('\nmillrace_topics_left_out 1\n')
})

it('shows as many partitions as it may, whole topics only', async () => {
  const topics = [topicOf('most', METRIC_PARTITIONS_COUNT_MAX), topicOf('one-more')]
  const page = await pageOf(topics, 10)
  expect(countOf(page, /^millrace_topic_log_bytes/gm)).toBe(METRIC_PARTITIONS_COUNT_MAX)
  expect(page).toContain('\nmillrace_topics_left_out 1\n')
})

it('gives others a turn on its way through many partitions', async () => {
  let pauses = 0
  const topics = Array.from({ length: 100 }, (_, index) => topicOf(`t${index}`, 100))
  await pageOf(topics, 1_000, async () => void pauses++)
  const partitions = 100 * 100
  expect(pauses).toBeGreaterThan(partitions / METRIC_PARTITIONS_PER_TURN / 2)
})

const queueOf = (queue: string): QueueDescription => ({
  namespace: '/',
  queue,
  settings: { labels: {} } as unknown as QueueDescription['settings'],
  isExclusive: false,
  readyCount: 7,
  readyBytes: 70,
  delayedCount: 6,
  inFlightCount: 2,
  consumerCount: 1,
  counters: {
    published: 9,
    delivered: 4,
    redelivered: 1,
    settled: 2,
    deadLettered: 3,
    expired: 0,
    dropped: 5,
  },
})

it('shows as many queues as it may, with their figures', async () => {
  const queues = [queueOf('a'), queueOf('b')]
  const pause = async (): Promise<void> => {}
  const page = await formatPerObjectPage({ topics: [], queues, delayed: [], topicsMax: 1, pause })
  expect(page).toContain('millrace_queue_ready{namespace="/",queue="a"} 7\n')
  expect(page).toContain('millrace_queue_delayed{namespace="/",queue="a"} 6\n')
  expect(page).toContain('millrace_queue_dead_lettered_total{namespace="/",queue="a"} 3\n')
  expect(page).not.toContain('queue="b"')
  expect(page).toContain('\nmillrace_queues_left_out 1\n')
})

it('shows what as many delayed exchanges keep', async () => {
  const delayed = ['a', 'b'].map((exchange) => ({ namespace: '/', exchange, keptCount: 3 }))
  const pause = async (): Promise<void> => {}
  const page = await formatPerObjectPage({ topics: [], queues: [], delayed, topicsMax: 1, pause })
  expect(page).toContain('\nmillrace_exchange_kept{namespace="/",exchange="a"} 3\n')
  expect(page).not.toContain('exchange="b"')
})

it('escapes what the format has a meaning for', async () => {
  const page = await pageOf([topicOf('a"b\\c\nd')], 10)
  expect(page).toContain('topic="a\\"b\\\\c\\nd"')
})

it('adds up the buckets of a histogram', () => {
  const samples = bucketSamples({ boundsMs: [1, 10], counts: [2, 3, 4], totalMs: 500 })
  expect(samples).toEqual([
    { labels: { le: 0.001 }, value: 2, suffix: '_bucket' },
    { labels: { le: 0.01 }, value: 5, suffix: '_bucket' },
    { labels: { le: '+Inf' }, value: 9, suffix: '_bucket' },
    { labels: {}, value: 0.5, suffix: '_sum' },
    { labels: {}, value: 9, suffix: '_count' },
  ])
})

it('measures a delay of the event loop', async () => {
  const monitor = new LoopDelayMonitor()
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 25))
  await turn()
  const until = performance.now() + 120
  while (performance.now() < until);
  for (let count = 0; count < 4; count++) await turn()
  const { maxMs, count } = monitor.read()
  monitor.stop()
  expect(maxMs).toBeGreaterThan(50)
  expect(count).toBeGreaterThan(0)
})
