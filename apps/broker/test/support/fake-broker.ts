/**
 * A `Broker` in memory for tests of the server: batches in arrays, completions a turn later, appends
 * that can be held back. It checks nothing that the real engine's own tests check.
 */
import { batchNextOffset, batchRecordCount, BrokerError, writeBatchPrefix } from '@millrace/codec'
import {
  type AppendCompletion,
  type AppendOperation,
  type Broker,
  type BrokerStatus,
  type Caller,
  type Cancellable,
  defaultTopicSettings,
  type EngineSession,
  type FetchOperation,
  Identity,
  type OffsetAnswer,
  type PartitionSubscription,
  type ReadLease,
  type ReadResult,
  type SessionOptions,
  type SubscribeOperation,
  type SubscriptionSink,
  type TopicDescription,
  type TopicEvent,
  type TopicHandle,
  type TopicInspection,
  type TopicSettings,
  TrafficCounters,
  volatileIdentityStorage,
  type Messaging,
  type QueueDescription,
} from '@millrace/core'

const settings: TopicSettings = { ...defaultTopicSettings, batchBytesMax: 1 << 20 }

interface StoredBatch {
  readonly bytes: Uint8Array
  readonly base: number
  readonly next: number
}

class FakePartition {
  readonly batches: StoredBatch[] = []
  next = 0

  append(bytes: Uint8Array): { base: number; next: number } {
    const copy = new Uint8Array(bytes)
    const base = this.next
    writeBatchPrefix(copy, 0, base, copy.length, 0)
    this.next = base + batchRecordCount(copy, 0)
    this.batches.push({ bytes: copy, base, next: this.next })
    return { base, next: this.next }
  }

  read(offset: number, bytesMax: number): { parts: Uint8Array[]; next: number } {
    const parts: Uint8Array[] = []
    let bytes = 0
    let next = offset
    for (const batch of this.batches) {
      if (batch.next <= offset) continue
      if (parts.length > 0 && bytes + batch.bytes.length > bytesMax) break
      parts.push(batch.bytes)
      bytes += batch.bytes.length
      next = batch.next
    }
    return { parts, next }
  }
}

export class FakeTopic {
  readonly partitions: FakePartition[]
  readonly watchers = new Set<(event: TopicEvent) => void>()
  isDeleted = false
  handle: TopicHandle

  constructor(topicId: number, topic: string, partitionCount: number) {
    this.partitions = Array.from({ length: partitionCount }, () => new FakePartition())
    const fixed = { namespace: '/', durability: 'persisted' } as const
    this.handle = { ...fixed, topicId, generation: topicId, topic, partitionCount }
  }
}

export class FakeBroker implements Broker {
  readonly identity = new Identity({
    storage: volatileIdentityStorage(),
    clock: { now: () => 0, monotonic: () => 0 },
  })
  /** Set it where exchanges and queues come up. */
  messaging = undefined as unknown as Messaging
  readonly topics = new Map<string, FakeTopic>()
  readonly sessions = new Set<FakeSession>()
  readonly changed = new Set<() => void>()
  /** Set to keep appends from completing until `releaseAppends`. */
  isHoldingAppends = false
  autoCreateTopics = true
  openLeases = 0
  isClosed = false
  topicsBelowPersisted: string[] = []
  #producerCount = 0
  #nextId = 1

  openSession(options: SessionOptions): EngineSession {
    const session = new FakeSession(this, options)
    this.sessions.add(session)
    return session
  }

  openTopic(_caller: Caller, topic: string, options: { create: boolean }): Promise<TopicHandle> {
    const known = this.topics.get(topic)
    if (known !== undefined) return Promise.resolve(known.handle)
    if (!options.create || !this.autoCreateTopics) return reject('ERR_TOPIC_NOT_FOUND', [topic])
    return Promise.resolve(this.add(topic, 1).handle)
  }

  add(topic: string, partitionCount: number): FakeTopic {
    const created = new FakeTopic(this.#nextId++, topic, partitionCount)
    this.topics.set(topic, created)
    return created
  }

  createTopic(
    caller: Caller,
    request: { topic: string; partitions?: number; ifNotExists?: boolean },
  ): Promise<TopicDescription> {
    const { topic, partitions, ifNotExists } = request
    const isKnown = this.topics.has(topic)
    if (isKnown && ifNotExists !== true) return reject('ERR_TOPIC_EXISTS', [topic])
    if (!isKnown) this.add(topic, partitions ?? 1)
    return Promise.resolve(this.describeTopic(caller, topic))
  }

  listTopics(_caller: Caller, options: { prefix?: string } = {}) {
    return [...this.topics.values()]
      .filter(({ handle }) => handle.topic.startsWith(options.prefix ?? ''))
      .map(({ handle }) => ({ ...handle, id: handle.topicId, revision: 1 }))
  }

  describeTopic(_caller: Caller, topic: string): TopicDescription {
    const found = this.find(topic)
    const partitions = found.partitions.map(({ next, batches }, partition) => ({
      partition,
      earliest: 0,
      next,
      highWatermark: next,
      epoch: 0,
      bytes: batches.reduce((sum, batch) => sum + batch.bytes.length, 0),
      quarantined: [],
    }))
    const { topicId: id, namespace } = found.handle
    return { namespace, topic, id, revision: 1, createdAtMs: 0, settings, partitions }
  }

  async alterTopic(
    caller: Caller,
    request: { topic: string; partitions?: number },
  ): Promise<TopicDescription> {
    const found = this.find(request.topic)
    const partitionCount = request.partitions ?? found.partitions.length
    while (found.partitions.length < partitionCount) found.partitions.push(new FakePartition())
    found.handle = { ...found.handle, partitionCount }
    const event = { kind: 'partitions-added', handle: found.handle } as const
    for (const watcher of found.watchers) watcher(event)
    return Promise.resolve(this.describeTopic(caller, request.topic))
  }

  async deleteTopic(_caller: Caller, request: { topic: string }): Promise<void> {
    const found = this.find(request.topic)
    found.isDeleted = true
    this.topics.delete(request.topic)
    for (const watcher of [...found.watchers]) watcher({ kind: 'deleted' })
    return Promise.resolve()
  }

  async listOffsets(
    _caller: Caller,
    request: { topic: string; partitions?: readonly number[]; at: unknown },
  ): Promise<readonly OffsetAnswer[]> {
    const { partitions } = this.find(request.topic)
    const asked = request.partitions ?? partitions.map((_, at) => at)
    const answers = asked.map((partition) => {
      const next = partitions[partition]?.next ?? 0
      const offset = request.at === 'earliest' ? 0 : next
      return { partition, offset, timestamp: -1, highWatermark: next }
    })
    return Promise.resolve(answers)
  }

  initProducer(): Promise<{ producerId: number; epoch: number }> {
    this.#producerCount += 1
    return Promise.resolve({ producerId: this.#producerCount, epoch: 0 })
  }

  /** Answers what was asked: what is removed is the engine's own affair. */
  async deleteRecords(
    _caller: Caller,
    request: {
      topic: string
      partitions: readonly { readonly partition: number; readonly before: number }[]
    },
  ): Promise<readonly { readonly partition: number; readonly earliest: number }[]> {
    const { partitions } = this.find(request.topic)
    const earliest = request.partitions.map(({ partition, before }) => ({
      partition,
      earliest: before < 0 ? (partitions[partition]?.next ?? 0) : before,
    }))
    return Promise.resolve(earliest)
  }

  async truncateTopic(
    _caller: Caller,
    request: { topic: string; partition: number; from: number },
  ): Promise<{ readonly next: number }> {
    return Promise.resolve({ next: this.find(request.topic).partitions[request.partition]!.next })
  }

  hasNamespace(namespace: string): boolean {
    return namespace === '/'
  }

  checkStorage(): Promise<never> {
    return reject('ERR_UNSUPPORTED_FEATURE', ['this fake'])
  }

  backUp(): Promise<never> {
    return reject('ERR_UNSUPPORTED_FEATURE', ['this fake'])
  }

  createNamespace(): Promise<void> {
    return reject('ERR_UNSUPPORTED_FEATURE', ['this fake'])
  }

  watchTopic(handle: TopicHandle, listener: (event: TopicEvent) => void): Cancellable {
    const { watchers } = this.find(handle.topic)
    watchers.add(listener)
    return { cancel: () => watchers.delete(listener) }
  }

  *inspectTopics(): Iterable<TopicInspection> {
    for (const [topic, { handle }] of this.topics) {
      const { partitions } = this.describeTopic({} as Caller, topic)
      yield { namespace: handle.namespace, topic, traffic: new TrafficCounters(), partitions }
    }
  }

  inspectQueues(): Iterable<QueueDescription> {
    return []
  }

  inspectDelayed(): Iterable<never> {
    return []
  }

  status(): BrokerStatus {
    return {
      isServing: !this.isClosed,
      topicsBelowPersisted: this.topicsBelowPersisted,
      topicCount: this.topics.size,
      partitionCount: 0,
      queues: { queueCount: 0, consumerCount: 0, readyCount: 0, inFlightCount: 0 },
      storage: {
        ...zeroCounters,
        isFull: false,
        recovery: {
          durationMs: 0,
          groupsReplayed: 0,
          bytesReplayed: 0,
          tornGroups: 0,
          corruptGroups: 0,
          quarantinedRanges: 0,
        },
      },
    }
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }

  find(topic: string): FakeTopic {
    const found = this.topics.get(topic)
    if (found === undefined) throw new BrokerError('ERR_TOPIC_NOT_FOUND', [topic])
    return found
  }

  findHandle(handle: TopicHandle): FakeTopic | undefined {
    const found = this.topics.get(handle.topic)
    return found?.handle.topicId === handle.topicId ? found : undefined
  }

  releaseAppends(): void {
    this.isHoldingAppends = false
    for (const session of this.sessions) session.flush()
  }

  notifyChanged(): void {
    for (const listener of [...this.changed]) listener()
  }

  lease(parts: readonly Uint8Array[]): ReadLease | undefined {
    if (parts.length === 0) return undefined
    this.openLeases += 1
    let isOpen = true
    const release = (): void => {
      if (!isOpen) throw new Error('a lease was released twice')
      isOpen = false
      this.openLeases -= 1
    }
    return { parts, byteLength: parts.reduce((sum, part) => sum + part.length, 0), release }
  }
}

class FakeSession implements EngineSession {
  readonly renew = (): void => undefined
  readonly #broker: FakeBroker
  readonly #options: SessionOptions
  readonly #completions: AppendCompletion[] = []
  readonly #stops = new Set<() => void>()
  #inFlightBytes = 0
  #hasRefused = false
  #isScheduled = false
  isClosed = false

  constructor(broker: FakeBroker, options: SessionOptions) {
    this.#broker = broker
    this.#options = options
  }

  append(operation: AppendOperation): boolean {
    const { inFlightCountMax, inFlightBytesMax } = this.#options
    const bytes = operation.bytes.length
    const isFull =
      this.#completions.length >= inFlightCountMax ||
      (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > inFlightBytesMax)
    if (isFull) {
      this.#hasRefused = true
      return false
    }
    this.#inFlightBytes += bytes
    this.#completions.push(this.#complete(operation))
    if (!this.#isScheduled && !this.#broker.isHoldingAppends) {
      this.#isScheduled = true
      setImmediate(() => this.flush())
    }
    return true
  }

  flush(): void {
    this.#isScheduled = false
    if (this.isClosed || this.#broker.isHoldingAppends) return
    const completions = this.#completions.splice(0)
    this.#inFlightBytes = 0
    if (completions.length > 0) this.#options.onCompletions(completions, completions.length)
    this.#broker.notifyChanged()
    if (this.#hasRefused) {
      this.#hasRefused = false
      this.#options.onWritable()
    }
  }

  fetch(operation: FetchOperation, done: (result: ReadResult) => void): Cancellable {
    const state = { isDone: false }
    const finish = (isLate: boolean): void => {
      if (state.isDone) return
      const result = this.#read(operation, operation.offset, operation.bytesMax)
      const bytes = result.lease?.byteLength ?? 0
      if (result.error === undefined && bytes < operation.bytesMin && !isLate) {
        result.lease?.release()
        return
      }
      state.isDone = true
      this.#broker.changed.delete(retry)
      clearTimeout(timer)
      done(result)
    }
    const retry = (): void => finish(false)
    const timer = setTimeout(() => finish(true), operation.waitMsMax).unref()
    this.#broker.changed.add(retry)
    setImmediate(retry)
    const cancel = (): void => {
      state.isDone = true
      clearTimeout(timer)
      this.#broker.changed.delete(retry)
    }
    this.#stops.add(cancel)
    return { cancel }
  }

  subscribe(operation: SubscribeOperation, sink: SubscriptionSink): PartitionSubscription {
    const { partition } = operation
    const state = { offset: operation.offset, credit: operation.creditBytes, isDone: false }
    const push = (): void => {
      while (!state.isDone && state.credit > 0) {
        const result = this.#read(operation, state.offset, operation.bytesPerDeliveryMax)
        if (result.error !== undefined) {
          cancel()
          sink.end(partition, result.error)
          return
        }
        if (result.lease === undefined) return
        state.offset = result.nextOffset
        state.credit -= result.lease.byteLength
        sink.deliver(partition, result)
      }
    }
    const cancel = (): void => {
      state.isDone = true
      this.#broker.changed.delete(push)
    }
    const addCredit = (bytes: number): void => {
      state.credit += bytes
      setImmediate(push)
    }
    this.#broker.changed.add(push)
    this.#stops.add(cancel)
    setImmediate(push)
    return { partition, cancel, addCredit }
  }

  close(): void {
    this.isClosed = true
    this.#broker.sessions.delete(this)
    for (const stop of this.#stops) stop()
  }

  #complete({ sequence, handle, partition, bytes }: AppendOperation): AppendCompletion {
    const fixed = {
      sequence,
      appendTimestamp: -1,
      epoch: 0,
      durability: 'persisted',
      isDuplicate: false,
    } as const
    const target = this.#broker.findHandle(handle)?.partitions[partition]
    if (target === undefined) {
      const error = new BrokerError('ERR_PARTITION_NOT_FOUND', [handle.topic, partition])
      return { ...fixed, error, baseOffset: -1, nextOffset: -1 }
    }
    if (bytes.length < 61) {
      const error = new BrokerError('ERR_INVALID_BATCH', ['it is too short'])
      return { ...fixed, error, baseOffset: -1, nextOffset: -1 }
    }
    const { base, next } = target.append(bytes)
    return { ...fixed, error: undefined, baseOffset: base, nextOffset: next }
  }

  #read(
    { handle, partition }: { handle: TopicHandle; partition: number },
    offset: number,
    bytesMax: number,
  ): ReadResult {
    const source = this.#broker.findHandle(handle)?.partitions[partition]
    const fixed = { earliestOffset: 0, epoch: 0, highWatermark: source?.next ?? 0 }
    if (source === undefined) {
      const error = new BrokerError('ERR_PARTITION_NOT_FOUND', [handle.topic, partition])
      return { ...fixed, error, nextOffset: offset, lease: undefined }
    }
    if (offset > source.next) {
      const error = new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [offset, 0, source.next])
      return { ...fixed, error, nextOffset: offset, lease: undefined }
    }
    const { parts, next } = source.read(offset, bytesMax)
    return { ...fixed, error: undefined, nextOffset: next, lease: this.#broker.lease(parts) }
  }
}

const reject = (
  code: 'ERR_TOPIC_NOT_FOUND' | 'ERR_TOPIC_EXISTS' | 'ERR_UNSUPPORTED_FEATURE',
  values: string[],
) => Promise.reject(new BrokerError(code, values))

const zeroCounters = {
  batchesAppended: 0,
  bytesAppended: 0,
  groupsWritten: 0,
  syncs: 0,
  directAppends: 0,
  segmentRolls: 0,
  journalFilesRecycled: 0,
  checkpoints: 0,
  tailReads: 0,
  segmentReads: 0,
  offsetsQuarantined: 0,
  indexesRebuilt: 0,
  duplicateBatches: 0,
  producersRemembered: 0,
  segmentsRemoved: 0,
  segmentsCompacted: 0,
  recordsCompacted: 0,
  care: {
    segmentsChecked: 0,
    bytesChecked: 0,
    damagedRanges: 0,
    sidecarsWritten: 0,
    sidecarsDamaged: 0,
    indexesDamaged: 0,
    sweeps: 0,
    backups: 0,
  },
  syncMsP50: 0,
  syncMsP99: 0,
  syncDurations: { boundsMs: [], counts: [0], totalMs: 0 },
}

export const nextOffsetOf = (batch: Uint8Array): number => batchNextOffset(batch, 0)
