/**
 * The engine's calls as plain data (STORAGE 7): a session submits operations and is told of their
 * completion in batches. Nothing here is a class of the engine, so that an operation on a log that
 * is led elsewhere can be forwarded as it is.
 *
 * - `bytes` are borrowed for the call unless `isOwned`; the engine copies what it keeps.
 * - A submit that returns false did nothing: the session's credit is spent; submit again after
 *   `onWritable`.
 * - Completions never run inside the call. Appends complete in submit order within a session.
 *   Reads complete when they are ready, in any order.
 */
import type { BatchCompression, BrokerError } from '@millrace/codec'
import type { BackupReport, CareCounters, StorageCheckReport } from '../care/reports.ts'
import type { Identity } from '../identity/identity.ts'
import type { Grant } from '../identity/permission.ts'
import type { SessionAccess } from '../identity/session-access.ts'
import type { DurationBuckets } from '../log/latency-window.ts'
import type { Messaging, PropertyFormat, QueueDescription } from './messaging.ts'
import type { TrafficCounters } from './traffic.ts'

export type Durability = 'memory' | 'replicated' | 'persisted'

/** Who acts. Sessions get one from the authenticator. */
export interface Principal {
  readonly name: string
  readonly isAnonymous: boolean
  /** What differs for this principal from the quotas of the configuration. */
  readonly quotas?: PrincipalQuotas
  /** Of a stored user: a session does not outlive the user it is of. */
  readonly userId?: number
  /** A token's own grants: with them its bearer may do what they say and nothing else. */
  readonly scopes?: readonly Grant[]
}

/** 0 means no limit. */
export interface PrincipalQuotas {
  readonly bytesInPerSecond?: number
  readonly bytesOutPerSecond?: number
  readonly connections?: number
  /** It creates no topic in a namespace that has this many. */
  readonly topics?: number
}

/** A topic resolved for a session: names and permissions were checked when it was opened. */
export interface TopicHandle {
  readonly topicId: number
  /** Changes when the name is deleted and created again: a handle of the old one is stale. */
  readonly generation: number
  readonly namespace: string
  readonly topic: string
  readonly partitionCount: number
  readonly durability: Durability
}

export interface AppendOperation {
  /** The caller's own token, given back in the completion. */
  readonly sequence: number
  readonly handle: TopicHandle
  readonly partition: number
  /** Exactly one record batch v2; base offset and leader epoch are overwritten. */
  readonly bytes: Uint8Array
  /** The caller gives the buffer away: nobody else reads or writes it again. */
  readonly isOwned: boolean
  /** `topic`: complete when the topic's promise is kept. `memory`: complete once accepted. */
  readonly durability: 'topic' | 'memory'
}

/** The outcome of one append. The object is the engine's: read it during `onCompletions` only. */
export interface AppendCompletion {
  readonly sequence: number
  readonly error: BrokerError | undefined
  readonly baseOffset: number
  readonly nextOffset: number
  /** Milliseconds since 1970 with log-append time, -1 with create time. */
  readonly appendTimestamp: number
  readonly epoch: number
  readonly durability: Durability
  /** The batch of an idempotent producer was stored before: the offsets are those of the original. */
  readonly isDuplicate: boolean
}

/** A part of an open file that does not change while the lease lasts. */
export interface FileRange {
  /** For the operating system. Missing where files are not its own. */
  readonly descriptor: number | undefined
  readonly position: number
  readonly byteLength: number
  /** Reads from `at`, counted from the front of the range; short only when the file is. */
  read(target: Uint8Array, at: number): Promise<number>
}

/** Bytes of whole batches, held until `release()`; retention frees nothing under a lease. */
export interface ReadLease {
  readonly parts: readonly Uint8Array[]
  /** Instead of parts, and only for who asked with `mayStayInFile`: bytes that nobody has read. */
  readonly range?: FileRange | undefined
  readonly byteLength: number
  release(): void
}

export interface ReadResult {
  readonly error: BrokerError | undefined
  readonly highWatermark: number
  readonly earliestOffset: number
  /** Where the next read goes on: after the last batch of the lease, or past a gap. */
  readonly nextOffset: number
  readonly epoch: number
  /** Whole batches; the first may begin below the asked offset. `undefined` when there is none. */
  readonly lease: ReadLease | undefined
}

export interface FetchOperation {
  readonly handle: TopicHandle
  readonly partition: number
  readonly offset: number
  readonly bytesMax: number
  /** 0 completes at once with what there is. */
  readonly bytesMin: number
  readonly waitMsMax: number
  /** The lease goes to a connection as it is, so it may be a range of a file that nobody has read. */
  readonly mayStayInFile?: boolean | undefined
}

/** A read or a subscription under way. */
export interface Cancellable {
  /** Stops it: its callback does not run any more. */
  cancel(): void
}

export interface SubscribeOperation {
  readonly handle: TopicHandle
  readonly partition: number
  readonly offset: number
  readonly bytesPerDeliveryMax: number
  readonly creditBytes: number
  /** As in a fetch. */
  readonly mayStayInFile?: boolean | undefined
}

export interface SubscriptionSink {
  /** Whole batches above the cursor and below the high watermark. The sink releases the lease. */
  deliver(partition: number, result: ReadResult): void
  /** The subscription ended by itself: topic deleted, offset lost, data damaged. */
  end(partition: number, error: BrokerError): void
}

export interface PartitionSubscription extends Cancellable {
  readonly partition: number
  addCredit(bytes: number): void
}

export interface SessionOptions {
  readonly principal: Principal
  readonly namespace: string
  readonly inFlightCountMax: number
  readonly inFlightBytesMax: number
  /**
   * Codec numbers of batches that the peer can read; what it cannot is inflated for it. Default: all.
   */
  readonly codecs?: readonly number[]
  /** Counts what this session moves, together with others. */
  readonly traffic?: TrafficCounters
  /** Set by the façade, never by its callers: what this session may do with topics. */
  readonly access?: SessionAccess
  /** `completions[0..count)` in submit order. Array and objects are reused after the call. */
  onCompletions(completions: readonly AppendCompletion[], count: number): void
  /** Credit is there again after a refused submit. */
  onWritable(): void
}

/** One authenticated peer's access to the hot path. */
export interface EngineSession {
  /** False: refused, nothing was done. An invalid operation is accepted and completes with its error. */
  append(operation: AppendOperation): boolean
  fetch(operation: FetchOperation, done: (result: ReadResult) => void): Cancellable
  subscribe(operation: SubscribeOperation, sink: SubscriptionSink): PartitionSubscription
  /** The peer has shown anew who it is: the same name, perhaps with other rights. */
  renew(principal: Principal): void
  /** Ends it: reads and subscriptions are cancelled, appends under way finish unheard. */
  close(): void
}

export interface TopicSettings {
  readonly durability: Durability
  /** A segment is closed when the next batch would take it past this many bytes. */
  readonly segmentBytes: number
  /** A segment is closed when its first record is older than this. */
  readonly segmentMs: number
  readonly timestampType: 'create' | 'append'
  readonly batchBytesMax: number
  /** A segment whose records are all older than this is removed; -1 keeps for ever. */
  readonly retentionMs: number
  /** The oldest segments of a partition are removed when the rest holds this much; -1 for no limit. */
  readonly retentionBytes: number
  readonly cleanupPolicy: CleanupPolicy
  /** With compaction: a record is left alone until it is this old. */
  readonly compactionLagMs: number
  /** With compaction: a tombstone is kept at least this long after it became the last of its key. */
  readonly tombstoneMs: number
}

/** `delete`: by age and size. `compact`: the last record of a key stays. Or both. */
export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete'

/** What an idempotent producer stamps its batches with. */
export interface ProducerIdentity {
  readonly producerId: number
  readonly epoch: number
}

/** Settings as given: a missing one takes the default, `null` goes back to the default. */
export type TopicSettingsPatch = { readonly [K in keyof TopicSettings]?: TopicSettings[K] | null }

export interface PartitionDescription {
  readonly partition: number
  readonly earliest: number
  readonly next: number
  readonly highWatermark: number
  readonly epoch: number
  readonly bytes: number
  /** Damaged ranges that recovery or a read has put aside. */
  readonly quarantined: readonly { readonly from: number; readonly to: number }[]
}

export interface TopicDescription {
  readonly namespace: string
  readonly topic: string
  readonly id: number
  readonly revision: number
  readonly createdAtMs: number
  readonly settings: TopicSettings
  readonly partitions: readonly PartitionDescription[]
}

export interface TopicSummary {
  readonly topic: string
  readonly id: number
  readonly revision: number
  readonly partitionCount: number
  readonly durability: Durability
}

export type OffsetQuery = 'earliest' | 'latest' | { readonly timestamp: number }

export interface OffsetAnswer {
  readonly partition: number
  readonly offset: number
  /** The timestamp of the record at that offset, -1 when none was asked for or there is none. */
  readonly timestamp: number
  readonly highWatermark: number
}

/** What every control call carries: who asks, and in which namespace. */
export interface Caller {
  readonly principal: Principal
  readonly namespace: string
}

/** The façade that sessions and gateways call. All errors are BrokerErrors. */
export interface Broker {
  /** Users, permissions, and the decisions made from them. */
  readonly identity: Identity
  /** Exchanges, bindings and queues. */
  readonly messaging: Messaging
  openSession(options: SessionOptions): EngineSession
  openTopic(caller: Caller, topic: string, options: { create: boolean }): Promise<TopicHandle>
  createTopic(
    caller: Caller,
    request: {
      topic: string
      partitions?: number
      settings?: TopicSettingsPatch
      ifNotExists?: boolean
    },
  ): Promise<TopicDescription>
  listTopics(caller: Caller, options?: { prefix?: string }): readonly TopicSummary[]
  describeTopic(caller: Caller, topic: string): TopicDescription
  alterTopic(
    caller: Caller,
    request: {
      topic: string
      settings?: TopicSettingsPatch
      partitions?: number
      revision?: number
    },
  ): Promise<TopicDescription>
  deleteTopic(caller: Caller, request: { topic: string; revision?: number }): Promise<void>
  listOffsets(
    caller: Caller,
    request: { topic: string; partitions?: readonly number[]; at: OffsetQuery },
  ): Promise<readonly OffsetAnswer[]>
  /** A producer id that nobody had before. Durable: it is given to nobody else after a crash. */
  initProducer(caller: Caller): Promise<ProducerIdentity>
  /**
   * Removes the records below an offset, -1 for all that are visible; answers what the partitions
   * begin with. Durable when it resolves; an offset above the high watermark is refused.
   */
  deleteRecords(
    caller: Caller,
    request: {
      topic: string
      partitions: readonly { readonly partition: number; readonly before: number }[]
    },
  ): Promise<readonly { readonly partition: number; readonly earliest: number }[]>
  /**
   * Removes the records at and after an offset. Their offsets are not used again: the partition goes
   * on at `next`, with a new epoch.
   */
  truncateTopic(
    caller: Caller,
    request: { topic: string; partition: number; from: number },
  ): Promise<{ readonly next: number }>
  hasNamespace(namespace: string): boolean
  createNamespace(caller: Caller, namespace: string): Promise<void>
  /** Runs `listener` when partitions are added to or the topic of the handle is deleted. */
  watchTopic(handle: TopicHandle, listener: (event: TopicEvent) => void): Cancellable
  /**
   * Checks everything that is stored, or a topic, now; what is damaged is put aside. One at a time:
   * another is ERR_BUSY.
   */
  checkStorage(caller: Caller, request: { topic?: string }): Promise<StorageCheckReport>
  /**
   * Takes a consistent backup of everything into the directory of backups. One at a time: another is
   * ERR_BUSY. A name that is taken or is none is ERR_INVALID_ARGUMENT.
   */
  backUp(caller: Caller, request: { name?: string }): Promise<BackupReport>
  status(): BrokerStatus
  /** Every topic of every namespace, for the operator. Made one by one: take a pause where needed. */
  inspectTopics(): Iterable<TopicInspection>
  /** Every queue of every namespace, likewise. */
  inspectQueues(): Iterable<QueueDescription>
  /** Every exchange that keeps messages, of all namespaces. */
  inspectDelayed(): Iterable<KeptMessages>
  /** Syncs, writes a checkpoint, gives the directory back. Later calls fail with ERR_CLOSED. */
  close(): Promise<void>
}

export type TopicEvent =
  { readonly kind: 'partitions-added'; readonly handle: TopicHandle } | { readonly kind: 'deleted' }

export interface TopicInspection {
  readonly namespace: string
  readonly topic: string
  /** Since the broker was opened. */
  readonly traffic: TrafficCounters
  readonly partitions: readonly PartitionDescription[]
}

export interface BrokerStatus {
  readonly isServing: boolean
  /** Names of topics whose durability is below `persisted`, at most 100. */
  readonly topicsBelowPersisted: readonly string[]
  readonly topicCount: number
  readonly partitionCount: number
  readonly queues: QueueTotals
  readonly storage: StorageCounters
}

/** Of all queues together. */
export interface QueueTotals {
  readonly queueCount: number
  readonly consumerCount: number
  readonly readyCount: number
  readonly inFlightCount: number
}

/** Counted since the broker was opened. */
export interface StorageCounters {
  readonly batchesAppended: number
  readonly bytesAppended: number
  readonly groupsWritten: number
  readonly syncs: number
  readonly directAppends: number
  readonly segmentRolls: number
  readonly journalFilesRecycled: number
  readonly checkpoints: number
  readonly tailReads: number
  readonly segmentReads: number
  /** Offsets in ranges that were found damaged. */
  readonly offsetsQuarantined: number
  readonly indexesRebuilt: number
  /** Batches that their producers sent again and that were stored before. */
  readonly duplicateBatches: number
  /** Idempotent producers that are remembered, once for every partition they write to. */
  readonly producersRemembered: number
  /** Segments that retention or a deletion of records removed. */
  readonly segmentsRemoved: number
  readonly segmentsCompacted: number
  readonly recordsCompacted: number
  readonly isFull: boolean
  /** Journal sync latency over the last 1,024 syncs. */
  readonly syncMsP50: number
  readonly syncMsP99: number
  /** Every sync since the broker was opened. */
  readonly syncDurations: DurationBuckets
  readonly recovery: RecoveryReport
  readonly care: CareCounters
}

export interface RecoveryReport {
  readonly durationMs: number
  readonly groupsReplayed: number
  readonly bytesReplayed: number
  readonly tornGroups: number
  readonly corruptGroups: number
  readonly quarantinedRanges: number
}

export interface BrokerOptions {
  readonly directory: string
  readonly autoCreateTopics: boolean
  /** Defaults for new topics. */
  readonly topicDefaults?: Partial<TopicSettings> & { readonly partitions?: number }
  readonly storage?: Partial<StorageOptions>
  /** How to read property blocks of queued messages, by format. */
  readonly propertyFormats?: ReadonlyMap<number, PropertyFormat>
  /** Where backups go; default: `backups` in the data directory. */
  readonly backupDirectory?: string
  /** No topic is created in a namespace that has this many; 0, the default, for no limit. */
  readonly topicsPerNamespaceMax?: number
  /**
   * Whether permissions count at the moment. Without it they do not: everybody may do everything,
   * as befits a broker inside one's own process.
   */
  readonly isAuthorizationEnforced?: (identity: { readonly userCount: number }) => boolean
  /** Without it only uncompressed batches are taken. */
  readonly compression?: BatchCompression
  /** Freed buffers are overwritten, so that a view kept too long shows. For tests. */
  readonly poisonFreedBuffers?: boolean
  /**
   * Called once when a sync failed or the engine can no longer keep its promises. No append
   * completes after it. The application must end the process with a non-zero status.
   */
  onFatal(error: BrokerError): void
}

/** What a delayed exchange keeps until it is due. */
export interface KeptMessages {
  readonly namespace: string
  readonly exchange: string
  readonly keptCount: number
}

export interface StorageOptions {
  readonly journalFileBytes: number
  /** Journal bytes after which a checkpoint is taken; bounds the time of a recovery. */
  readonly checkpointBytes: number
  /** Bytes gathered for one log in one group from which they go straight to its segment. */
  readonly directAppendBytes: number
  /** A group is closed at this many journal bytes. */
  readonly groupBytesMax: number
  /** Appended but not yet written to segments; above it appends wait. */
  readonly unflushedBytesMax: number
  /** A deleted topic's files are kept this long. */
  readonly deleteGraceMs: number
  /** Kept on disk as a reserve for acks, deletes and checkpoints on a full disk. */
  readonly ballastBytes: number
  readonly openFilesMax: number
  /** Less of a file than this is read, also where it could be sent as it is. */
  readonly fileRangeBytesMin: number
  /** An idempotent producer that appended nothing for so long is forgotten. */
  readonly producerExpiryMs: number
  /**
   * Idempotent producers that are remembered, each once for every partition it writes to; of more,
   * the one that was idle longest is forgotten.
   */
  readonly producersMax: number
  /** At most so much of sealed segments is read again and verified; 0 for not at all. */
  readonly scrubBytesPerSecond: number
  /** A segment is read again when it was last found good so long ago. */
  readonly scrubIntervalMs: number
  /** How often retention and compaction look for something to do. */
  readonly retentionCheckMs: number
  /** Compaction reads no faster than this. */
  readonly compactionBytesPerSecond: number
  /** Memory for the keys of one pass of compaction; more keys take more passes. */
  readonly compactionKeyBytesMax: number
  /** A segment of a queue's log. A message takes a quarter of it at most. */
  readonly queueSegmentBytes: number
  /** A queue's ledger is written anew when so much was added to it, and as much as it needs itself. */
  readonly ledgerBytesMin: number
  /** Deliveries go ahead of what the ledger knows of them by less than so many messages. */
  readonly deliveryCeilingStep: number
  /** An emptied queue gives its last segment back when it is this large. */
  readonly emptySegmentBytesMin: number
  /** What non-durable queues may hold in memory together; beyond it they go to unsynced files. */
  readonly memoryQueueBytesMax: number
  /** Messages that one delayed exchange keeps; more are refused. */
  readonly keptCountMax: number
}
