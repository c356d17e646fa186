/** The façade of DESIGN 5 on one node: names and arguments in, plain data out. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { BackupReport, StorageCheckReport } from '../care/reports.ts'
import type { StorageCare } from '../care/storage-care.ts'
import type { DiskLock } from '../environment/disk.ts'
import type { Environment } from '../environment/environment.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import type { MetadataStore } from '../meta/metadata-store.ts'
import type { Housekeeping } from '../topic/housekeeping.ts'
import type { LocalMessaging } from '../queue/local-messaging.ts'
import type { TopicRegistry } from '../topic/topic-registry.ts'
import type { Topic } from '../topic/topic.ts'
import { type TopicQuota, topicQuotaOf } from '../topic/topic-quota.ts'
import type {
  Broker,
  BrokerOptions,
  BrokerStatus,
  Caller,
  Cancellable,
  EngineSession,
  KeptMessages,
  OffsetAnswer,
  OffsetQuery,
  PartitionDescription,
  ProducerIdentity,
  SessionOptions,
  TopicDescription,
  TopicEvent,
  TopicHandle,
  TopicInspection,
  TopicSummary,
} from './operations.ts'
import type { QueueDescription } from './messaging.ts'
import type { ProducerIds } from './producer-ids.ts'
import { asBrokerError } from './read-results.ts'
import { Session } from './session.ts'

const NAMED_TOPICS_MAX = 100

export interface LocalBrokerParts {
  readonly options: BrokerOptions
  readonly environment: Environment
  readonly store: LogStore
  readonly metadata: MetadataStore
  readonly registry: TopicRegistry
  readonly producerIds: ProducerIds
  readonly housekeeping: Housekeeping
  readonly care: StorageCare
  readonly messaging: LocalMessaging
  readonly lock: DiskLock
}

/** Checks no permission: `GuardedBroker` does, in front of every call. */
export class LocalBroker implements Omit<Broker, 'identity' | 'messaging'> {
  readonly #parts: LocalBrokerParts
  readonly #sessions = new Set<Session>()
  #isServing = true

  constructor(parts: LocalBrokerParts) {
    this.#parts = parts
  }

  openSession(options: SessionOptions): EngineSession {
    this.#checkOpen()
    const { environment, store, registry } = this.#parts
    const { compression } = this.#parts.options
    const session = new Session(environment, store, registry, options, compression, (closed) =>
      this.#sessions.delete(closed),
    )
    this.#sessions.add(session)
    return session
  }

  async openTopic(
    caller: Caller,
    topic: string,
    options: { create: boolean },
  ): Promise<TopicHandle> {
    this.#checkOpen()
    const { registry } = this.#parts
    const mayCreate = options.create && this.#parts.options.autoCreateTopics
    if (!mayCreate) return registry.get(caller.namespace, topic).handle
    const found = registry.find(caller.namespace, topic)
    if (found !== undefined) return found.handle
    const created = await registry.create({
      namespace: caller.namespace,
      name: topic,
      partitions: undefined,
      settings: {},
      ifNotExists: true,
      quota: this.#topicQuotaOf(caller),
    })
    return created.handle
  }

  async createTopic(
    caller: Caller,
    request: Parameters<Broker['createTopic']>[1],
  ): Promise<TopicDescription> {
    this.#checkOpen()
    const topic = await this.#parts.registry.create({
      namespace: caller.namespace,
      name: request.topic,
      partitions: request.partitions,
      settings: request.settings ?? {},
      ifNotExists: request.ifNotExists ?? false,
      quota: this.#topicQuotaOf(caller),
    })
    return describe(topic)
  }

  listTopics(caller: Caller, options: { prefix?: string } = {}): readonly TopicSummary[] {
    return this.#parts.registry.list(caller.namespace, options.prefix ?? '').map(summarize)
  }

  describeTopic(caller: Caller, topic: string): TopicDescription {
    return describe(this.#parts.registry.get(caller.namespace, topic))
  }

  async alterTopic(
    caller: Caller,
    request: Parameters<Broker['alterTopic']>[1],
  ): Promise<TopicDescription> {
    this.#checkOpen()
    const topic = await this.#parts.registry.alter({
      namespace: caller.namespace,
      name: request.topic,
      settings: request.settings ?? {},
      partitions: request.partitions,
      revision: request.revision,
    })
    return describe(topic)
  }

  async deleteTopic(caller: Caller, request: { topic: string; revision?: number }): Promise<void> {
    this.#checkOpen()
    const { topic: name, revision } = request
    await this.#parts.registry.delete({ namespace: caller.namespace, name, revision })
  }

  async listOffsets(
    caller: Caller,
    request: { topic: string; partitions?: readonly number[]; at: OffsetQuery },
  ): Promise<readonly OffsetAnswer[]> {
    const topic = this.#parts.registry.get(caller.namespace, request.topic)
    const partitions = request.partitions ?? topic.logs.map((_, index) => index)
    const answers: OffsetAnswer[] = []
    for (const partition of partitions)
      answers.push(await this.#offsetOf(topic, partition, request.at))
    return answers
  }

  async initProducer(_caller: Caller): Promise<ProducerIdentity> {
    this.#checkOpen()
    return { producerId: await this.#parts.producerIds.take(), epoch: 0 }
  }

  async deleteRecords(
    caller: Caller,
    request: Parameters<Broker['deleteRecords']>[1],
  ): Promise<readonly { partition: number; earliest: number }[]> {
    this.#checkOpen()
    const topic = this.#parts.registry.get(caller.namespace, request.topic)
    const targets = request.partitions.map(({ partition, before }) => {
      const log = logOf(topic, partition)
      const { earliestOffset, highWatermark } = log
      const offset = before === -1 ? highWatermark : before
      if (!Number.isSafeInteger(offset) || offset < 0 || offset > highWatermark)
        throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [before, earliestOffset, highWatermark])
      return { partition, log, offset }
    })
    for (const { log, offset } of targets)
      await this.#parts.store.trimmer.trim(log, offset).catch((error: unknown) => {
        throw asBrokerError(error)
      })
    return targets.map(({ partition, log }) => ({ partition, earliest: log.earliestOffset }))
  }

  async truncateTopic(
    caller: Caller,
    request: { topic: string; partition: number; from: number },
  ): Promise<{ next: number }> {
    this.#checkOpen()
    const { registry, housekeeping, store } = this.#parts
    const log = logOf(registry.get(caller.namespace, request.topic), request.partition)
    const { from } = request
    const { earliestOffset, highWatermark } = log
    if (!Number.isSafeInteger(from) || from < earliestOffset || from > highWatermark)
      throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [from, earliestOffset, highWatermark])
    if (log.isVolatile)
      throw new BrokerError('ERR_UNSUPPORTED_FEATURE', ['truncation of a memory topic'])
    const refusal = store.refusal()
    if (refusal !== undefined) throw refusal
    const next = await housekeeping.compactor.truncate(log, from).catch((error: unknown) => {
      throw this.#judged(error)
    })
    return { next }
  }

  /** What to answer where work on files has failed: the disk was full, or it fails the storage. */
  #judged(error: unknown): BrokerError {
    const { store } = this.#parts
    const isRefusal = isBrokerError(error) && error.code !== 'ERR_STORAGE_FAILED'
    if (isRefusal) return error
    // Whoever paces the work stops it when the broker closes.
    if (!this.#isServing && !isBrokerError(error))
      return new BrokerError('ERR_CLOSED', ['the broker'])
    store.noteBackgroundError(error)
    return store.refusal() ?? asBrokerError(error)
  }

  hasNamespace(namespace: string): boolean {
    return this.#parts.registry.hasNamespace(namespace)
  }

  async createNamespace(_caller: Caller, namespace: string): Promise<void> {
    this.#checkOpen()
    await this.#parts.registry.createNamespace(namespace)
  }

  watchTopic(handle: TopicHandle, listener: (event: TopicEvent) => void): Cancellable {
    const topic = this.#parts.registry.byId(handle.topicId)
    if (topic === undefined) throw new BrokerError('ERR_STALE_HANDLE')
    topic.listeners.add(listener)
    return { cancel: () => topic.listeners.delete(listener) }
  }

  checkStorage(caller: Caller, request: { topic?: string }): Promise<StorageCheckReport> {
    this.#checkOpen()
    const { care, registry } = this.#parts
    if (request.topic === undefined) return care.check()
    const { logs } = registry.get(caller.namespace, request.topic)
    return care.check(logs.filter((log) => log !== undefined))
  }

  backUp(_caller: Caller, request: { name?: string }): Promise<BackupReport> {
    this.#checkOpen()
    return this.#parts.care.backUp(request.name)
  }

  status(): BrokerStatus {
    const { store, registry, housekeeping, care, messaging } = this.#parts
    const { journal, reader } = store
    const below: string[] = []
    let topicCount = 0
    let partitionCount = 0
    for (const { definition } of registry.all()) {
      topicCount++
      partitionCount += definition.logIds.length
      if (definition.settings.durability !== 'persisted' && below.length < NAMED_TOPICS_MAX)
        below.push(definition.name)
    }
    return {
      isServing: this.#isServing,
      topicsBelowPersisted: below,
      topicCount,
      partitionCount,
      queues: messaging.totals(),
      storage: {
        batchesAppended: store.batchesAppended,
        bytesAppended: store.bytesAppended,
        groupsWritten: journal.groupsWritten,
        syncs: journal.syncs,
        directAppends: journal.directAppends,
        segmentRolls: store.segmentRolls,
        journalFilesRecycled: store.journalFilesRecycled,
        checkpoints: store.checkpoints,
        tailReads: reader.tailReads,
        segmentReads: store.segmentReads,
        offsetsQuarantined: store.offsetsQuarantined,
        indexesRebuilt: store.indexesRebuilt,
        duplicateBatches: store.producers.duplicates,
        producersRemembered: store.producers.count,
        segmentsRemoved: store.trimmer.segmentsRemoved,
        segmentsCompacted: housekeeping.compactor.segmentsRewritten,
        recordsCompacted: housekeeping.compactor.recordsRemoved,
        isFull: store.isFull,
        syncMsP50: journal.syncLatency.quantile(0.5),
        syncMsP99: journal.syncLatency.quantile(0.99),
        syncDurations: journal.syncLatency.buckets,
        recovery: store.recovery,
        care: care.counters(),
      },
    }
  }

  *inspectTopics(): Iterable<TopicInspection> {
    for (const topic of this.#parts.registry.all()) {
      const { namespace, name } = topic.definition
      const partitions = topic.logs.map(describePartition)
      yield { namespace, topic: name, traffic: topic.traffic, partitions }
    }
  }

  inspectQueues(): Iterable<QueueDescription> {
    return this.#parts.messaging.inspect()
  }

  inspectDelayed(): Iterable<KeptMessages> {
    return this.#parts.messaging.delayed.inspect()
  }

  async close(): Promise<void> {
    if (!this.#isServing) return
    this.#isServing = false
    const { registry, metadata, store, housekeeping, care, messaging, lock } = this.#parts
    for (const session of [...this.#sessions]) session.close()
    messaging.close()
    registry.close()
    await care.close()
    await housekeeping.close()
    await metadata.close()
    await store.close()
    await lock.release()
  }

  /** The storage failed: nothing is accepted any more; the process is about to end. */
  stopServing(): void {
    this.#isServing = false
  }

  resumeSessions(): void {
    for (const session of this.#sessions) session.resume()
    this.#parts.messaging.resumeSessions()
  }

  async #offsetOf(topic: Topic, partition: number, at: OffsetQuery): Promise<OffsetAnswer> {
    const log = logOf(topic, partition)
    const { highWatermark, earliestOffset } = log
    if (at === 'earliest')
      return { partition, offset: earliestOffset, timestamp: -1, highWatermark }
    if (at === 'latest') return { partition, offset: highWatermark, timestamp: -1, highWatermark }
    const found = await this.#parts.store.times.find(log, at.timestamp).catch((error: unknown) => {
      throw asBrokerError(error)
    })
    const offset = found?.offset ?? log.highWatermark
    return {
      partition,
      offset,
      timestamp: found?.timestamp ?? -1,
      highWatermark: log.highWatermark,
    }
  }

  #topicQuotaOf(caller: Caller): TopicQuota | undefined {
    return topicQuotaOf(caller, this.#parts.options.topicsPerNamespaceMax)
  }

  #checkOpen(): void {
    if (!this.#isServing) throw new BrokerError('ERR_CLOSED', ['the broker'])
  }
}

const logOf = (topic: Topic, partition: number): Log => {
  const log = topic.logs[partition]
  if (log !== undefined) return log
  throw new BrokerError('ERR_PARTITION_NOT_FOUND', [topic.definition.name, partition])
}

const summarize = (topic: Topic): TopicSummary => {
  const { name, id, revision, logIds, settings } = topic.definition
  return {
    topic: name,
    id,
    revision,
    partitionCount: logIds.length,
    durability: settings.durability,
  }
}

const describe = (topic: Topic): TopicDescription => {
  const { namespace, name, id, revision, createdAtMs, settings } = topic.definition
  return {
    namespace,
    topic: name,
    id,
    revision,
    createdAtMs,
    settings,
    partitions: topic.logs.map(describePartition),
  }
}

const describePartition = (log: Log | undefined, partition: number): PartitionDescription => ({
  partition,
  earliest: log?.earliestOffset ?? 0,
  next: log?.nextOffset ?? 0,
  highWatermark: log?.highWatermark ?? 0,
  epoch: log?.epoch ?? 0,
  bytes: log?.sizeBytes ?? 0,
  quarantined: log?.gaps.filter(({ to }) => to > log.earliestOffset) ?? [],
})
