/**
 * Every metric of `/metrics`: one row each, held against docs/operations.md by a test. Names follow
 * the conventions of Prometheus: base units, `_total` for what only grows.
 */
import type { BrokerStatus, StorageCounters, TrafficCounters } from '@millrace/core'
import {
  bucketSamples,
  counter,
  delaySamples,
  gauge,
  histogram,
  labelled,
  type MetricRow,
  type Sample,
  type Scrape,
  summary,
} from './metric-row.ts'

const ofStorage =
  (read: (storage: StorageCounters) => number) =>
  ({ status }: Scrape): number =>
    read(status.storage)

const ofStatus =
  (read: (status: BrokerStatus) => number) =>
  ({ status }: Scrape): number =>
    read(status)

const byProtocol =
  (read: (traffic: TrafficCounters) => number) =>
  ({ guards: { meters } }: Scrape): readonly Sample[] =>
    labelled(
      'protocol',
      Array.from(meters.trafficByProtocol, ([name, traffic]) => [name, read(traffic)] as const),
    )

const aboutTheBroker: readonly MetricRow[] = [
  gauge('millrace_build_info', 'The running version, as a label.', ({ version }) => [
    { labels: { version, node: process.versions.node }, value: 1 },
  ]),
  gauge(
    'millrace_topics',
    'Topics.',
    ofStatus(({ topicCount }) => topicCount),
  ),
  gauge(
    'millrace_partitions',
    'Partitions of all topics.',
    ofStatus(({ partitionCount }) => partitionCount),
  ),
  gauge(
    'millrace_queues',
    'Queues.',
    ofStatus(({ queues }) => queues.queueCount),
  ),
  gauge(
    'millrace_queue_consumers',
    'Consumers of all queues.',
    ofStatus(({ queues }) => queues.consumerCount),
  ),
  gauge(
    'millrace_queue_messages_ready',
    'Messages that wait for a consumer, in all queues.',
    ofStatus(({ queues }) => queues.readyCount),
  ),
  gauge(
    'millrace_queue_messages_in_flight',
    'Messages that were delivered and not settled, of all queues.',
    ofStatus(({ queues }) => queues.inFlightCount),
  ),
  gauge(
    'millrace_topics_below_persisted',
    'Topics whose acknowledgement does not mean a sync.',
    ofStatus(({ topicsBelowPersisted }) => topicsBelowPersisted.length),
  ),
]

const aboutPeers: readonly MetricRow[] = [
  gauge('millrace_connections', 'Open connections by protocol.', ({ sessionCounts }) =>
    labelled('protocol', sessionCounts),
  ),
  gauge(
    'millrace_connections_max',
    'Connections that are let in, of all protocols but HTTP.',
    ({ counter: { countMax } }) => countMax,
  ),
  counter(
    'millrace_connections_accepted_total',
    'Connections that were let in.',
    ({ counter: { acceptedCount } }) => acceptedCount,
  ),
  counter(
    'millrace_connections_refused_total',
    'Connections that were one too many.',
    ({ counter: { refusedCount } }) => refusedCount,
  ),
  counter(
    'millrace_messages_received_total',
    'Records taken from producers.',
    byProtocol(({ recordsIn }) => recordsIn),
  ),
  counter(
    'millrace_received_bytes_total',
    'Bytes of the batches that were taken.',
    byProtocol(({ bytesIn }) => bytesIn),
  ),
  counter(
    'millrace_messages_delivered_total',
    'Records given to consumers, by their offsets.',
    byProtocol(({ recordsOut }) => recordsOut),
  ),
  counter(
    'millrace_delivered_bytes_total',
    'Bytes of the batches that were given.',
    byProtocol(({ bytesOut }) => bytesOut),
  ),
  counter(
    'millrace_append_requests_total',
    'Batches that producers sent, taken or not.',
    byProtocol(({ appendRequests }) => appendRequests),
  ),
  counter('millrace_errors_total', 'Requests and connections that failed, by code.', (scrape) =>
    labelled('code', scrape.guards.meters.errorsByCode),
  ),
  counter(
    'millrace_failed_logins_total',
    'Peers that could not show who they are.',
    ({ guards }) => guards.meters.failedLogins,
  ),
  gauge(
    'millrace_buffered_bytes',
    'Unsent and unfinished bytes of all connections.',
    ({ memory }) => memory.bytes,
  ),
]

const KINDS = ['memory', 'disk'] as const
const DIRECTIONS = ['in', 'out'] as const

const aboutGuards: readonly MetricRow[] = [
  gauge(
    'millrace_unauthenticated_connections',
    'Connections whose peers have not shown who they are.',
    ({ guards }) => guards.strangers.count,
  ),
  counter(
    'millrace_quota_throttled_total',
    'Times that a connection had to wait for a quota, by direction.',
    ({ guards: { quotas } }) =>
      labelled(
        'direction',
        DIRECTIONS.map((direction) => [direction, quotas[direction].count] as const),
      ),
  ),
  counter(
    'millrace_quota_throttled_seconds_total',
    'How long these waits were meant to be.',
    ({ guards: { quotas } }) =>
      labelled(
        'direction',
        DIRECTIONS.map((direction) => [direction, quotas[direction].totalMs / 1_000] as const),
      ),
  ),
  gauge(
    'millrace_alarm_raised',
    '1 while memory or disk run short, by kind.',
    ({ guards: { alarms } }) =>
      labelled(
        'kind',
        KINDS.map((kind) => [kind, alarms.isRaised(kind) ? 1 : 0] as const),
      ),
  ),
  counter('millrace_alarms_total', 'How often they ran short.', ({ guards: { alarms } }) =>
    labelled(
      'kind',
      KINDS.map((kind) => [kind, alarms.raisedCount(kind)] as const),
    ),
  ),
  gauge(
    'millrace_flow_control_active',
    '1 while publishers are not read, because of an alarm.',
    ({ guards: { alarms } }) => (alarms.isThrottling ? 1 : 0),
  ),
  gauge(
    'millrace_disk_free_bytes',
    'Free space of the data directory.',
    ({ guards: { alarms } }) => alarms.freeDiskBytes,
  ),
]

const aboutStorage: readonly MetricRow[] = [
  counter(
    'millrace_batches_appended_total',
    'Record batches accepted.',
    ofStorage(({ batchesAppended }) => batchesAppended),
  ),
  counter(
    'millrace_bytes_appended_total',
    'Bytes of these batches.',
    ofStorage(({ bytesAppended }) => bytesAppended),
  ),
  counter(
    'millrace_journal_groups_total',
    'Groups written to the journal.',
    ofStorage(({ groupsWritten }) => groupsWritten),
  ),
  counter(
    'millrace_journal_files_recycled_total',
    'Files of the journal that were used again.',
    ofStorage(({ journalFilesRecycled }) => journalFilesRecycled),
  ),
  counter(
    'millrace_syncs_total',
    'Data syncs of the journal.',
    ofStorage(({ syncs }) => syncs),
  ),
  histogram(
    'millrace_fsync_duration_seconds',
    'How long a data sync of the journal took.',
    ({ status }) => bucketSamples(status.storage.syncDurations),
  ),
  counter(
    'millrace_direct_appends_total',
    'Appends past the journal.',
    ofStorage(({ directAppends }) => directAppends),
  ),
  counter(
    'millrace_segment_rolls_total',
    'Segments closed.',
    ofStorage(({ segmentRolls }) => segmentRolls),
  ),
  counter(
    'millrace_checkpoints_total',
    'Checkpoints taken.',
    ofStorage(({ checkpoints }) => checkpoints),
  ),
  counter(
    'millrace_indexes_rebuilt_total',
    'Indexes that were missing or damaged and made again.',
    ofStorage(({ indexesRebuilt }) => indexesRebuilt),
  ),
  counter(
    'millrace_tail_reads_total',
    'Reads served from memory.',
    ofStorage(({ tailReads }) => tailReads),
  ),
  counter(
    'millrace_segment_reads_total',
    'Reads served from disk.',
    ofStorage(({ segmentReads }) => segmentReads),
  ),
  gauge(
    'millrace_sendfile_enabled',
    '1 when segments go to plain sockets by sendfile.',
    ({ fileSending }) => (fileSending === undefined ? 0 : 1),
  ),
  counter(
    'millrace_sendfile_bytes_total',
    'Bytes that sendfile moved.',
    ({ fileSending }) => fileSending?.sentBytes ?? 0,
  ),
  gauge(
    'millrace_quarantined_offsets',
    'Offsets in ranges that were found damaged.',
    ofStorage(({ offsetsQuarantined }) => offsetsQuarantined),
  ),
  gauge(
    'millrace_storage_full',
    '1 while the disk is full.',
    ofStorage(({ isFull }) => (isFull ? 1 : 0)),
  ),
]

const aboutItsCare: readonly MetricRow[] = [
  counter(
    'millrace_duplicate_batches_total',
    'Batches that were sent again and had been stored before.',
    ofStorage(({ duplicateBatches }) => duplicateBatches),
  ),
  gauge(
    'millrace_producers_remembered',
    'Idempotent producers, once for every partition they write to.',
    ofStorage(({ producersRemembered }) => producersRemembered),
  ),
  counter(
    'millrace_segments_removed_total',
    'Segments that retention or a deletion removed.',
    ofStorage(({ segmentsRemoved }) => segmentsRemoved),
  ),
  counter(
    'millrace_segments_compacted_total',
    'Segments that were compacted.',
    ofStorage(({ segmentsCompacted }) => segmentsCompacted),
  ),
  counter(
    'millrace_records_compacted_total',
    'Records that compaction took away.',
    ofStorage(({ recordsCompacted }) => recordsCompacted),
  ),
  counter(
    'millrace_scrubbed_segments_total',
    'Segments that the scrubber has read.',
    ofStorage(({ care }) => care.segmentsChecked),
  ),
  counter(
    'millrace_scrubbed_bytes_total',
    'Bytes that the scrubber has read.',
    ofStorage(({ care }) => care.bytesChecked),
  ),
  counter(
    'millrace_scrub_sweeps_total',
    'Times that the scrubber has been through everything.',
    ofStorage(({ care }) => care.sweeps),
  ),
  counter(
    'millrace_scrub_damaged_ranges_total',
    'Damaged ranges that the scrubber has found.',
    ofStorage(({ care }) => care.damagedRanges),
  ),
  counter(
    'millrace_scrub_damaged_indexes_total',
    'Damaged indexes that the scrubber has found.',
    ofStorage(({ care }) => care.indexesDamaged),
  ),
  counter(
    'millrace_sidecars_written_total',
    'Sidecars that were written.',
    ofStorage(({ care }) => care.sidecarsWritten),
  ),
  counter(
    'millrace_sidecars_damaged_total',
    'Sidecars that were found damaged.',
    ofStorage(({ care }) => care.sidecarsDamaged),
  ),
  counter(
    'millrace_backups_total',
    'Backups taken.',
    ofStorage(({ care }) => care.backups),
  ),
]

const aboutTheLastStart: readonly MetricRow[] = [
  gauge(
    'millrace_recovery_seconds',
    'How long the last start took to recover.',
    ofStorage(({ recovery }) => recovery.durationMs / 1_000),
  ),
  gauge(
    'millrace_recovery_bytes',
    'Bytes of the journal that the last start replayed.',
    ofStorage(({ recovery }) => recovery.bytesReplayed),
  ),
  gauge(
    'millrace_recovery_torn_groups',
    'Groups whose writing the end of the last run cut short.',
    ofStorage(({ recovery }) => recovery.tornGroups),
  ),
  gauge(
    'millrace_recovery_corrupt_groups',
    'Groups that the last start found damaged.',
    ofStorage(({ recovery }) => recovery.corruptGroups),
  ),
]

const aboutTheProcess: readonly MetricRow[] = [
  summary(
    'millrace_event_loop_delay_seconds',
    'How long everybody waits for a turn of the event loop.',
    ({ loopDelay }) => delaySamples(loopDelay),
  ),
  counter('process_cpu_seconds_total', 'CPU time used.', (scrape) => scrape.process.cpuSeconds),
  gauge(
    'process_resident_memory_bytes',
    'Memory that the process holds.',
    (scrape) => scrape.process.residentBytes,
  ),
  gauge('process_open_fds', 'Open file descriptors.', (scrape) => scrape.process.openFiles),
  gauge(
    'process_max_fds',
    'File descriptors that the process may open.',
    (scrape) => scrape.process.openFilesMax,
  ),
  gauge(
    'process_start_time_seconds',
    'When the process started, in seconds since 1970.',
    (scrape) => scrape.process.startedAtSeconds,
  ),
  gauge(
    'nodejs_heap_used_bytes',
    'Heap in use by JavaScript.',
    (scrape) => scrape.process.heapUsedBytes,
  ),
  gauge(
    'nodejs_external_memory_bytes',
    'Buffers outside of that heap.',
    (scrape) => scrape.process.externalBytes,
  ),
]

export const metricTable: readonly MetricRow[] = [
  ...aboutTheBroker,
  ...aboutPeers,
  ...aboutGuards,
  ...aboutStorage,
  ...aboutItsCare,
  ...aboutTheLastStart,
  ...aboutTheProcess,
]
