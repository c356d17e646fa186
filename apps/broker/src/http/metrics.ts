/** `/metrics`: the counters in the Prometheus text format. One row each; no labels that grow. */
import type { BrokerStatus } from '@millrace/core'
import type { HttpRoute } from './http-server.ts'

export interface MetricsSource {
  readonly version: string
  readonly status: () => BrokerStatus
  readonly connectionCount: () => number
  readonly nativeSessionCount: () => number
}

type Metric = readonly [name: string, type: 'counter' | 'gauge', help: string, value: number]

const storageMetrics = ({ storage }: BrokerStatus): readonly Metric[] => [
  [
    'millrace_batches_appended_total',
    'counter',
    'Record batches accepted.',
    storage.batchesAppended,
  ],
  ['millrace_bytes_appended_total', 'counter', 'Bytes of these batches.', storage.bytesAppended],
  ['millrace_journal_groups_total', 'counter', 'Journal groups written.', storage.groupsWritten],
  ['millrace_syncs_total', 'counter', 'Data syncs of the journal.', storage.syncs],
  ['millrace_direct_appends_total', 'counter', 'Appends past the journal.', storage.directAppends],
  ['millrace_segment_rolls_total', 'counter', 'Segments closed.', storage.segmentRolls],
  ['millrace_checkpoints_total', 'counter', 'Checkpoints taken.', storage.checkpoints],
  ['millrace_tail_reads_total', 'counter', 'Reads served from memory.', storage.tailReads],
  ['millrace_segment_reads_total', 'counter', 'Reads served from disk.', storage.segmentReads],
  [
    'millrace_quarantined_offsets',
    'gauge',
    'Offsets in damaged ranges.',
    storage.offsetsQuarantined,
  ],
  ['millrace_storage_full', 'gauge', '1 while the disk is full.', storage.isFull ? 1 : 0],
  ['millrace_sync_seconds_p50', 'gauge', 'Median of recent syncs.', storage.syncMsP50 / 1_000],
  ['millrace_sync_seconds_p99', 'gauge', 'p99 of recent syncs.', storage.syncMsP99 / 1_000],
  [
    'millrace_recovery_seconds',
    'gauge',
    'How long the last start took to recover.',
    storage.recovery.durationMs / 1_000,
  ],
]

const brokerMetrics = (source: MetricsSource, status: BrokerStatus): readonly Metric[] => [
  ['millrace_connections', 'gauge', 'Open connections.', source.connectionCount()],
  ['millrace_native_sessions', 'gauge', 'Native sessions.', source.nativeSessionCount()],
  ['millrace_topics', 'gauge', 'Topics.', status.topicCount],
  ['millrace_partitions', 'gauge', 'Partitions of all topics.', status.partitionCount],
  [
    'millrace_topics_below_persisted',
    'gauge',
    'Topics whose acknowledgement does not mean a sync.',
    status.topicsBelowPersisted.length,
  ],
]

const format = ([name, type, help, value]: Metric): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`

export const createMetricsRoute =
  (source: MetricsSource): HttpRoute =>
  () => {
    const status = source.status()
    const info =
      '# HELP millrace_build_info The running version.\n# TYPE millrace_build_info gauge\n' +
      `millrace_build_info{version="${source.version}"} 1\n`
    const metrics = [...brokerMetrics(source, status), ...storageMetrics(status)]
    return {
      status: 200,
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: info + metrics.map(format).join(''),
    }
  }
