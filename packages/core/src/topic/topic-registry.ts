/**
 * The topics of every namespace: created, altered, deleted through the metadata, with their logs.
 *
 * The order of a creation is: logs, then definition, in one stream of the journal; of a deletion:
 * definition to the graveyard, a grace period, tombstones, files, and last the grave. A crash at any
 * point leaves either nothing or something that the next boot finishes.
 */
import { BrokerError } from '@millrace/codec'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import type { TopicSettings, TopicSettingsPatch } from '../engine/operations.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import type { MetadataChanges, MetadataStore } from '../meta/metadata-store.ts'
import { checkName, checkNamespace, DEFAULT_NAMESPACE } from '../names.ts'
import { PARTITIONS_MAX, applySettings, defaultTopicSettings } from './topic-settings.ts'
import { Topic, type TopicDefinition } from './topic.ts'
import { checkTopicQuota, type TopicQuota } from './topic-quota.ts'

const TOPIC = 'topic/'
const GRAVE = 'grave/'
const NAMESPACE = 'namespace/'
const IDS = 'ids'
const GRAVE_RETRY_MS = 5_000

interface Grave {
  readonly id: number
  readonly logIds: readonly number[]
  readonly deletedAtMs: number
}

interface Ids {
  readonly nextTopicId: number
}

export interface Forgotten {
  readonly changes: MetadataChanges
  apply(): void
}

const nothingElse: Forgotten = { changes: new Map(), apply: () => undefined }

export interface TopicDefaults {
  readonly settings: TopicSettings
  readonly partitions: number
}

const keyOf = (namespace: string, name: string): string => `${namespace}\u0000${name}`

export class TopicRegistry {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #metadata: MetadataStore
  readonly #defaults: TopicDefaults
  readonly #deleteGraceMs: number
  /** Above every id that a definition or a grave names. */
  #unusedTopicId = 1
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<number, Topic>()
  readonly #graveTimers = new Map<number, TimerHandle>()
  #isClosed = false
  /** What goes with a topic that is deleted, in the same change: bindings that lead to it. */
  forget: (topic: Topic) => Forgotten = () => nothingElse

  constructor(
    environment: Environment,
    store: LogStore,
    metadata: MetadataStore,
    defaults: TopicDefaults,
    deleteGraceMs: number,
  ) {
    this.#environment = environment
    this.#store = store
    this.#metadata = metadata
    this.#defaults = defaults
    this.#deleteGraceMs = deleteGraceMs
    for (const [, value] of metadata.entries(TOPIC)) this.#adopt(value as TopicDefinition)
    for (const [, value] of metadata.entries(GRAVE)) this.#scheduleGrave(value as Grave)
  }

  all(): Iterable<Topic> {
    return this.#byId.values()
  }

  byId(id: number): Topic | undefined {
    return this.#byId.get(id)
  }

  find(namespace: string, name: string): Topic | undefined {
    return this.#byName.get(keyOf(namespace, name))
  }

  get(namespace: string, name: string): Topic {
    checkName(name)
    const topic = this.find(namespace, name)
    if (topic === undefined) throw new BrokerError('ERR_TOPIC_NOT_FOUND', [name])
    return topic
  }

  /** The namespace's topics by name. */
  list(namespace: string, prefix: string): Topic[] {
    const topics: Topic[] = []
    for (const topic of this.#byId.values()) {
      const { definition } = topic
      if (definition.namespace === namespace && definition.name.startsWith(prefix))
        topics.push(topic)
    }
    return topics.sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
  }

  hasNamespace(namespace: string): boolean {
    return (
      namespace === DEFAULT_NAMESPACE || this.#metadata.get(NAMESPACE + namespace) !== undefined
    )
  }

  async createNamespace(namespace: string): Promise<void> {
    checkNamespace(namespace)
    await this.#metadata.change(async (commit) => {
      if (this.hasNamespace(namespace)) return
      const value = { name: namespace, createdAtMs: this.#environment.clock.now() }
      await commit(new Map([[NAMESPACE + namespace, value]]))
    })
  }

  create(request: {
    namespace: string
    name: string
    partitions: number | undefined
    settings: TopicSettingsPatch
    ifNotExists: boolean
    quota?: TopicQuota | undefined
  }): Promise<Topic> {
    checkName(request.name)
    const partitions = request.partitions ?? this.#defaults.partitions
    checkPartitionCount(partitions, 1)
    const defaults = this.#defaults.settings
    const settings = applySettings(defaults, request.settings, defaults)
    return this.#metadata.change(async (commit) => {
      const { namespace, name } = request
      if (!this.hasNamespace(namespace))
        throw new BrokerError('ERR_NAMESPACE_NOT_FOUND', [namespace])
      const existing = this.find(namespace, name)
      if (existing !== undefined && request.ifNotExists) return existing
      if (existing !== undefined) throw new BrokerError('ERR_TOPIC_EXISTS', [name])
      checkTopicQuota(request.quota, this.#countOf(namespace))
      this.#refuseWhenFull()
      const next = (this.#metadata.get(IDS) as Ids | undefined)?.nextTopicId ?? 1
      const id = Math.max(next, this.#unusedTopicId)
      const logs = this.#createLogs(partitions, settings)
      const definition: TopicDefinition = {
        id,
        namespace,
        name,
        revision: 1,
        createdAtMs: this.#environment.clock.now(),
        settings,
        logIds: logs.map((log) => log.id),
      }
      const changes = new Map<string, object>([
        [TOPIC + id, definition],
        [IDS, { nextTopicId: id + 1 }],
      ])
      await this.#commitOrDrop(commit, changes, logs)
      return this.#adopt(definition)
    })
  }

  alter(request: {
    namespace: string
    name: string
    settings: TopicSettingsPatch
    partitions: number | undefined
    revision: number | undefined
  }): Promise<Topic> {
    return this.#metadata.change(async (commit) => {
      const topic = this.get(request.namespace, request.name)
      const before = topic.definition
      checkRevision(topic, request.revision)
      const settings = applySettings(before.settings, request.settings, this.#defaults.settings)
      if (settings.durability !== before.settings.durability)
        throw new BrokerError('ERR_INVALID_ARGUMENT', [
          'settings.durability',
          'it is fixed when the topic is created: create another topic',
        ])
      const count = request.partitions ?? before.logIds.length
      checkPartitionCount(count, before.logIds.length)
      if (count > before.logIds.length) this.#refuseWhenFull()
      const added = this.#createLogs(count - before.logIds.length, settings)
      const definition = {
        ...before,
        settings,
        revision: before.revision + 1,
        logIds: [...before.logIds, ...added.map((log) => log.id)],
      }
      await this.#commitOrDrop(commit, new Map([[TOPIC + before.id, definition]]), added)
      topic.definition = definition
      topic.logs.push(...added)
      topic.applySettings()
      if (added.length > 0) topic.emit({ kind: 'partitions-added', handle: topic.handle })
      return topic
    })
  }

  delete(request: {
    namespace: string
    name: string
    revision: number | undefined
  }): Promise<void> {
    return this.#metadata.change(async (commit) => {
      const topic = this.get(request.namespace, request.name)
      checkRevision(topic, request.revision)
      const { id, namespace, name, logIds } = topic.definition
      const grave: Grave = { id, logIds, deletedAtMs: this.#environment.clock.now() }
      const forgotten = this.forget(topic)
      await commit(new Map([...forgotten.changes, [TOPIC + id, null], [GRAVE + id, grave]]))
      forgotten.apply()
      topic.isDeleted = true
      this.#byName.delete(keyOf(namespace, name))
      this.#byId.delete(id)
      topic.emit({ kind: 'deleted' })
      for (const log of topic.logs) log?.notifyWatchers()
      this.#scheduleGrave(grave)
    })
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#graveTimers.values()) timer.cancel()
  }

  #countOf(namespace: string): number {
    let count = 0
    for (const { definition } of this.#byId.values())
      if (definition.namespace === namespace) count++
    return count
  }

  /** The crash story: the counters of ids were in a damaged range, and what they counted was not. */
  #noteIds({ id, logIds }: { readonly id: number; readonly logIds: readonly number[] }): void {
    this.#unusedTopicId = Math.max(this.#unusedTopicId, id + 1)
    for (const logId of logIds) this.#store.logs.noteId(logId)
  }

  #adopt(stored: TopicDefinition): Topic {
    // A version that knew fewer settings may have written it.
    const settings = { ...defaultTopicSettings, ...stored.settings }
    const definition = { ...stored, settings }
    this.#noteIds(definition)
    const logs = definition.logIds.map(
      (id) => this.#store.logs.get(id) ?? this.#restore(definition, id),
    )
    const topic = new Topic(definition, logs)
    this.#byId.set(definition.id, topic)
    this.#byName.set(keyOf(definition.namespace, definition.name), topic)
    return topic
  }

  #restore(definition: TopicDefinition, logId: number): Log {
    const { segmentBytes, segmentMs, durability } = definition.settings
    const { name } = definition
    this.#environment.log.error('a partition lost its log and begins a new one', { name, logId })
    return this.#store.logs.restore(logId, { segmentBytes, segmentMs }, durability === 'memory')
  }

  #createLogs(count: number, settings: TopicSettings): Log[] {
    const { segmentBytes, segmentMs } = settings
    const isVolatile = settings.durability === 'memory'
    return Array.from({ length: count }, () =>
      this.#store.logs.create({ segmentBytes, segmentMs }, { isVolatile }),
    )
  }

  async #commitOrDrop(
    commit: (changes: ReadonlyMap<string, object>) => Promise<void>,
    changes: ReadonlyMap<string, object>,
    logs: readonly Log[],
  ): Promise<void> {
    try {
      await commit(changes)
    } catch (error) {
      for (const log of logs) this.#store.logs.delete(log.id)
      throw error
    }
  }

  #refuseWhenFull(): void {
    const refusal = this.#store.refusal()
    if (refusal !== undefined) throw refusal
  }

  /** The grace period counts from the deletion by the wall clock, and at least anew from a boot. */
  #scheduleGrave(grave: Grave, delayMs = this.#deleteGraceMs): void {
    if (this.#isClosed) return
    this.#noteIds(grave)
    const timer = this.#environment.timers.after(delayMs, () => void this.#bury(grave))
    this.#graveTimers.set(grave.id, timer)
  }

  async #bury(grave: Grave): Promise<void> {
    this.#graveTimers.delete(grave.id)
    if (this.#isClosed || this.#store.failure !== undefined) return
    try {
      for (const id of grave.logIds) await this.#store.deleteLog(id)
      await this.#metadata.change((commit) => commit(new Map([[GRAVE + grave.id, null]])))
    } catch (error) {
      this.#environment.log.warn('deletion is tried again', { error: describeError(error) })
      this.#scheduleGrave(grave, GRAVE_RETRY_MS)
    }
  }
}

const checkPartitionCount = (count: number, min: number): void => {
  if (Number.isSafeInteger(count) && count >= min && count <= PARTITIONS_MAX) return
  const reason =
    min > 1
      ? `it must be from ${min} (partitions are never taken away) to ${PARTITIONS_MAX}`
      : `it must be from 1 to ${PARTITIONS_MAX}`
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['partitions', reason])
}

const checkRevision = (topic: Topic, revision: number | undefined): void => {
  const { name, revision: current } = topic.definition
  if (revision !== undefined && revision !== current)
    throw new BrokerError('ERR_REVISION_CONFLICT', [revision, name, current])
}
