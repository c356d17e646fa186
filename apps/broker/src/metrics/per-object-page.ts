/**
 * `/metrics/per-object`: figures of single topics, partitions and queues, on a page of their own because their
 * number is the users' choice, and what scrapes often should not pay for it.
 *
 * Written here and not by a library: a page of many thousands of lines is made in pieces, with the
 * event loop's other work between them.
 */
import type {
  KeptMessages,
  PartitionDescription,
  QueueDescription,
  TopicInspection,
} from '@millrace/core'
import { METRIC_PARTITIONS_COUNT_MAX, METRIC_PARTITIONS_PER_TURN } from '../limits.ts'

export interface ObjectRow {
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly help: string
}

interface TopicRow extends ObjectRow {
  readonly read: (topic: TopicInspection) => number
}

interface PartitionRow extends ObjectRow {
  readonly read: (partition: PartitionDescription) => number
}

const topicRows: readonly TopicRow[] = [
  {
    name: 'millrace_topic_messages_received_total',
    kind: 'counter',
    help: 'Records taken from producers.',
    read: ({ traffic }) => traffic.recordsIn,
  },
  {
    name: 'millrace_topic_received_bytes_total',
    kind: 'counter',
    help: 'Bytes of the batches that were taken.',
    read: ({ traffic }) => traffic.bytesIn,
  },
  {
    name: 'millrace_topic_messages_delivered_total',
    kind: 'counter',
    help: 'Records given to consumers, by their offsets.',
    read: ({ traffic }) => traffic.recordsOut,
  },
  {
    name: 'millrace_topic_delivered_bytes_total',
    kind: 'counter',
    help: 'Bytes of the batches that were given.',
    read: ({ traffic }) => traffic.bytesOut,
  },
]

const partitionRows: readonly PartitionRow[] = [
  {
    name: 'millrace_topic_log_bytes',
    kind: 'gauge',
    help: 'Bytes of a partition.',
    read: ({ bytes }) => bytes,
  },
  {
    name: 'millrace_topic_earliest_offset',
    kind: 'gauge',
    help: 'The first offset that can be read.',
    read: ({ earliest }) => earliest,
  },
  {
    name: 'millrace_topic_next_offset',
    kind: 'gauge',
    help: 'The offset of the next record.',
    read: ({ next }) => next,
  },
]

interface QueueRow extends ObjectRow {
  readonly read: (queue: QueueDescription) => number
}

const queueRows: readonly QueueRow[] = [
  {
    name: 'millrace_queue_ready',
    kind: 'gauge',
    help: 'Messages of a queue that wait for a consumer.',
    read: ({ readyCount }) => readyCount,
  },
  {
    name: 'millrace_queue_ready_bytes',
    kind: 'gauge',
    help: 'Bytes of their payloads; estimated after a restart.',
    read: ({ readyBytes }) => readyBytes,
  },
  {
    name: 'millrace_queue_delayed',
    kind: 'gauge',
    help: 'Messages of a queue that came back and are not ready before their time.',
    read: ({ delayedCount }) => delayedCount,
  },
  {
    name: 'millrace_queue_in_flight',
    kind: 'gauge',
    help: 'Messages of a queue that were delivered and not settled.',
    read: ({ inFlightCount }) => inFlightCount,
  },
  {
    name: 'millrace_queue_consumer_count',
    kind: 'gauge',
    help: 'Consumers of a queue.',
    read: ({ consumerCount }) => consumerCount,
  },
  {
    name: 'millrace_queue_published_total',
    kind: 'counter',
    help: 'Messages that came into a queue.',
    read: ({ counters }) => counters.published,
  },
  {
    name: 'millrace_queue_delivered_total',
    kind: 'counter',
    help: 'Deliveries of a queue, redeliveries among them.',
    read: ({ counters }) => counters.delivered,
  },
  {
    name: 'millrace_queue_redelivered_total',
    kind: 'counter',
    help: 'Deliveries of messages that were delivered before.',
    read: ({ counters }) => counters.redelivered,
  },
  {
    name: 'millrace_queue_dead_lettered_total',
    kind: 'counter',
    help: 'Messages of a queue that went to its dead-letter exchange.',
    read: ({ counters }) => counters.deadLettered,
  },
  {
    name: 'millrace_queue_lost_total',
    kind: 'counter',
    help: 'Messages that a queue dropped by its limits, without dead letters.',
    read: ({ counters }) => counters.dropped,
  },
]

const queuesLeftOut: ObjectRow = {
  name: 'millrace_queues_left_out',
  kind: 'gauge',
  help: 'Queues that are not on this page, because it has enough.',
}

const keptRow: ObjectRow = {
  name: 'millrace_exchange_kept',
  kind: 'gauge',
  help: 'Messages that a delayed exchange keeps until they are due.',
}

const leftOut: ObjectRow = {
  name: 'millrace_topics_left_out',
  kind: 'gauge',
  help: 'Topics that are not on this page, because it has enough.',
}

/** For the documents. */
export const objectTable: readonly ObjectRow[] = [
  ...topicRows,
  ...partitionRows,
  leftOut,
  ...queueRows,
  queuesLeftOut,
  keptRow,
]

export interface PerObjectOptions {
  readonly topics: Iterable<TopicInspection>
  readonly queues: Iterable<QueueDescription>
  readonly delayed: Iterable<KeptMessages>
  /** And as many queues, and exchanges that delay. */
  readonly topicsMax: number
  /** Resolves after the other work of the event loop had its turn. */
  readonly pause: () => Promise<void>
}

export const formatPerObjectPage = async (options: PerObjectOptions): Promise<string> => {
  const { topics, queues, delayed, topicsMax, pause } = options
  const page = new PerObjectPage(topicsMax)
  let sincePause = 0
  const isTimeAfter = (count: number): boolean => {
    sincePause += count
    if (sincePause < METRIC_PARTITIONS_PER_TURN) return false
    sincePause = 0
    return true
  }
  for (const topic of topics) {
    page.add(topic)
    if (isTimeAfter(1 + topic.partitions.length)) await pause()
  }
  for (const queue of queues) {
    page.addQueue(queue)
    if (isTimeAfter(1)) await pause()
  }
  for (const kept of delayed) {
    page.addKept(kept)
    if (isTimeAfter(1)) await pause()
  }
  return page.toString()
}

class PerObjectPage {
  readonly #topicsMax: number
  readonly #topicLines = topicRows.map(headOf)
  readonly #partitionLines = partitionRows.map(headOf)
  readonly #queueLines = queueRows.map(headOf)
  #keptLines = ''
  #keptLinesCount = 0
  #queueCount = 0
  #queuesLeftOut = 0
  #topicCount = 0
  #partitionCount = 0
  #leftOutCount = 0

  constructor(topicsMax: number) {
    this.#topicsMax = topicsMax
  }

  add(topic: TopicInspection): void {
    const partitionCount = this.#partitionCount + topic.partitions.length
    if (this.#topicCount >= this.#topicsMax || partitionCount > METRIC_PARTITIONS_COUNT_MAX) {
      this.#leftOutCount += 1
      return
    }
    this.#topicCount += 1
    this.#partitionCount = partitionCount
    const labels = `namespace="${escapeLabel(topic.namespace)}",topic="${escapeLabel(topic.topic)}"`
    topicRows.forEach(({ name, read }, row) => {
      this.#topicLines[row] += `${name}{${labels}} ${read(topic)}\n`
    })
    for (const partition of topic.partitions) this.#addPartition(labels, partition)
  }

  addQueue(queue: QueueDescription): void {
    if (this.#queueCount >= this.#topicsMax) {
      this.#queuesLeftOut += 1
      return
    }
    this.#queueCount += 1
    const labels = `namespace="${escapeLabel(queue.namespace)}",queue="${escapeLabel(queue.queue)}"`
    queueRows.forEach(({ name, read }, row) => {
      this.#queueLines[row] += `${name}{${labels}} ${read(queue)}\n`
    })
  }

  /** Those that there are too many of say nothing: their number is in the list of exchanges. */
  addKept({ namespace, exchange, keptCount }: KeptMessages): void {
    if (this.#keptLinesCount >= this.#topicsMax) return
    this.#keptLinesCount += 1
    const labels = `namespace="${escapeLabel(namespace)}",exchange="${escapeLabel(exchange)}"`
    this.#keptLines += `${keptRow.name}{${labels}} ${keptCount}\n`
  }

  toString(): string {
    const lines = [
      ...this.#topicLines,
      ...this.#partitionLines,
      `${headOf(leftOut)}${leftOut.name} ${this.#leftOutCount}\n`,
      ...this.#queueLines,
      `${headOf(queuesLeftOut)}${queuesLeftOut.name} ${this.#queuesLeftOut}\n`,
      headOf(keptRow) + this.#keptLines,
    ]
    return lines.join('')
  }

  #addPartition(labels: string, partition: PartitionDescription): void {
    partitionRows.forEach(({ name, read }, row) => {
      const where = `{${labels},partition="${partition.partition}"}`
      this.#partitionLines[row] += `${name}${where} ${read(partition)}\n`
    })
  }
}

const headOf = ({ name, kind, help }: ObjectRow): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`

const escapeLabel = (text: string): string =>
  text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
