/**
 * The queues of every namespace: declared, altered and deleted through the metadata, with their logs.
 *
 * The order of a creation is: logs, then definition, in one stream of the journal; of a deletion:
 * definition to the graveyard together with the bindings that lead to the queue, a grace period,
 * tombstones, files, and last the grave. Queues in memory, and what belongs to a connection, are in no
 * metadata; they take their turn with the others all the same.
 */
import { BrokerError } from '@millrace/codec'
import type { QueueSettings, QueueSettingsPatch } from '../engine/messaging.ts'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { LogStore } from '../log/store.ts'
import type { MetadataChanges, MetadataStore } from '../meta/metadata-store.ts'
import { checkRoutingName } from '../names.ts'
import type { RouteTarget } from '../routing/route-target.ts'
import { QUEUES_PER_NAMESPACE_MAX } from './limits.ts'
import type { LaneMaker } from './lane-maker.ts'
import type { QueueDefinition } from './queue-definition.ts'
import { waitingCountOf } from './queue-description.ts'
import {
  applyQueueSettings,
  completeQueueSettings,
  defaultQueueSettings,
  settingsDifference,
} from './queue-settings.ts'
import type { Queue } from './queue.ts'

const QUEUE = 'queue/'
const GRAVE = 'queue-grave/'
const IDS = 'queue-ids'
const GRAVE_RETRY_MS = 5_000

export interface Grave {
  readonly id: number
  readonly logIds: readonly number[]
}

export interface DeclareRequest {
  readonly namespace: string
  readonly name: string
  readonly settings: Partial<QueueSettings>
  readonly isExclusive: boolean
  readonly owner: object | undefined
}

export interface QueueRegistryParts {
  readonly environment: Environment
  readonly store: LogStore
  readonly metadata: MetadataStore
  readonly maker: LaneMaker
  readonly deleteGraceMs: number
  hasNamespace(namespace: string): boolean
  /** What goes with a target: changes for its own commit, and what to do when that is durable. */
  forget(
    namespace: string,
    target: RouteTarget,
  ): { readonly changes: MetadataChanges; readonly apply: () => void }
}

export class QueueRegistry {
  readonly #parts: QueueRegistryParts
  readonly #byName = new Map<string, Map<string, Queue>>()
  readonly #graveTimers = new Map<number, TimerHandle>()
  #nextTransientId = -1
  #unusedId = 1
  #isClosed = false

  constructor(parts: QueueRegistryParts) {
    this.#parts = parts
  }

  /** What the metadata has. Ledgers are read, payloads are not. */
  async open(): Promise<void> {
    const { metadata } = this.#parts
    for (const [, value] of metadata.entries(GRAVE)) this.#scheduleGrave(value as Grave)
    for (const [, value] of [...metadata.entries(QUEUE)])
      await this.#adopt(value as QueueDefinition)
  }

  /** Once routes and topics are there. */
  start(): void {
    for (const queue of this.all()) queue.start()
  }

  *all(): Iterable<Queue> {
    for (const queues of this.#byName.values()) yield* queues.values()
  }

  namesIn(namespace: string): Iterable<string> {
    return this.#byName.get(namespace)?.keys() ?? []
  }

  find(namespace: string, name: string): Queue | undefined {
    return this.#byName.get(namespace)?.get(name)
  }

  /** Throws ERR_QUEUE_NOT_FOUND, and ERR_QUEUE_LOCKED when it is another's. */
  get(namespace: string, name: string, owner: object | undefined): Queue {
    const queue = this.find(namespace, name)
    if (queue === undefined) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [name])
    if (queue.owner !== undefined && queue.owner !== owner)
      throw new BrokerError('ERR_QUEUE_LOCKED', [name])
    return queue
  }

  list(namespace: string, prefix: string): Queue[] {
    const queues = [...(this.#byName.get(namespace)?.values() ?? [])]
    return queues
      .filter(({ name }) => name.startsWith(prefix))
      .sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  declare(request: DeclareRequest): Promise<Queue> {
    checkRoutingName(request.name)
    if (request.isExclusive && request.owner === undefined)
      throw new BrokerError('ERR_INVALID_ARGUMENT', ['owner', 'an exclusive queue has one'])
    const settings = applyQueueSettings(defaultQueueSettings, request.settings)
    return this.#parts.metadata.change(async (commit) => {
      const { namespace, name } = request
      if (!this.#parts.hasNamespace(namespace))
        throw new BrokerError('ERR_NAMESPACE_NOT_FOUND', [namespace])
      const known = this.find(namespace, name)
      if (known !== undefined) return this.#same(known, request, settings)
      const count = this.#byName.get(namespace)?.size ?? 0
      if (count >= QUEUES_PER_NAMESPACE_MAX)
        throw new BrokerError('ERR_LIMIT_EXCEEDED', [QUEUES_PER_NAMESPACE_MAX, 'queues'])
      const owner = request.isExclusive ? request.owner : undefined
      const isStored = settings.isDurable && owner === undefined
      const queue = await this.#create(namespace, name, settings, owner, isStored, commit)
      this.#add(queue)
      queue.start()
      return queue
    })
  }

  alter(queue: Queue, patch: QueueSettingsPatch): Promise<Queue> {
    return this.#parts.metadata.change(async (commit) => {
      this.#checkThere(queue)
      const before = queue.definition
      const settings = applyQueueSettings(before.settings, patch)
      for (const fixed of ['isDurable', 'topic', 'isStream', 'priorityMax'] as const)
        if (settings[fixed] !== before.settings[fixed])
          throw new BrokerError('ERR_INVALID_ARGUMENT', [
            `settings.${fixed}`,
            'it is fixed when the queue is created: create another queue',
          ])
      const definition = { ...before, settings, revision: before.revision + 1 }
      if (before.id > 0) await commit(new Map([[QUEUE + before.id, definition]]))
      queue.changeSettings(definition)
      return queue
    })
  }

  /** `check` runs in turn, when nothing else changes any more. Answers how many were ready. */
  delete(queue: Queue, check: (queue: Queue) => void): Promise<number> {
    return this.#parts.metadata.change(async (commit) => {
      // A closing broker ends its queues too, and has not deleted them.
      this.#checkOpen()
      if (queue.isDeleted) return 0
      check(queue)
      const { id, namespace, name } = queue.definition
      const { changes, apply } = this.#parts.forget(namespace, this.#parts.maker.targetOf(queue))
      const all = new Map(changes)
      const grave: Grave = { id, logIds: logIdsOf(queue.definition) }
      if (id > 0) all.set(QUEUE + id, null).set(GRAVE + id, grave)
      if (all.size > 0) await commit(all)
      const count = waitingCountOf(queue)
      queue.end(new BrokerError('ERR_QUEUE_DELETED', [name]))
      this.#byName.get(namespace)?.delete(name)
      apply()
      if (id > 0) this.#scheduleGrave(grave)
      return count
    })
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#graveTimers.values()) timer.cancel()
    for (const queue of this.all()) queue.close()
  }

  async #create(
    namespace: string,
    name: string,
    settings: QueueSettings,
    owner: object | undefined,
    isStored: boolean,
    commit: (changes: MetadataChanges) => Promise<void>,
  ): Promise<Queue> {
    const { environment, store, maker } = this.#parts
    const base = { namespace, name, revision: 1, createdAtMs: environment.clock.now(), settings }
    if (!isStored && settings.topic === undefined && !settings.isStream) {
      const definition = { ...base, id: this.#nextTransientId--, logIds: [], ledgerLogId: -1 }
      return maker.makeInMemory(definition, owner)
    }
    const refusal = store.refusal()
    if (refusal !== undefined) throw refusal
    await maker.prepare(namespace, name, settings)
    const changes = new Map<string, object | null>()
    const id = this.takeId(changes)
    const logs = maker.createLogs(settings)
    // Spelled out: of two spreads the object would get a shape of its own, 400 bytes a queue.
    const { logIds, ledgerLogId } = logs
    const definition: QueueDefinition = { ...base, id, logIds, ledgerLogId }
    const queue = maker.makeNew(definition)
    try {
      await commit(changes.set(QUEUE + id, definition))
    } catch (error) {
      for (const logId of logIdsOf(definition)) store.logs.delete(logId)
      throw error
    }
    return queue
  }

  #same(known: Queue, request: DeclareRequest, settings: QueueSettings): Queue {
    const { name, owner } = request
    if (known.owner !== undefined && known.owner !== owner)
      throw new BrokerError('ERR_QUEUE_LOCKED', [name])
    if (request.isExclusive !== (known.owner !== undefined))
      throw new BrokerError('ERR_QUEUE_EXISTS', [
        name,
        'exclusive',
        String(request.isExclusive),
        String(known.owner !== undefined),
      ])
    const difference = settingsDifference(settings, known.settings)
    if (difference !== undefined)
      throw new BrokerError('ERR_QUEUE_EXISTS', [
        name,
        difference.setting,
        difference.asked,
        difference.current,
      ])
    known.used()
    return known
  }

  /** For one more queue, together with what is changed beside it. */
  takeId(changes: Map<string, object | null>): number {
    const next = (this.#parts.metadata.get(IDS) as { nextQueueId: number } | undefined)?.nextQueueId
    const id = Math.max(next ?? 1, this.#unusedId)
    changes.set(IDS, { nextQueueId: id + 1 })
    this.#unusedId = id + 1
    return id
  }

  /** Logs that go when the change is done, and after a grace period. `fill` then. */
  dig(changes: Map<string, object | null>, grave: Grave): void {
    changes.set(GRAVE + grave.id, grave)
  }

  fill(grave: Grave): void {
    this.#scheduleGrave(grave)
  }

  async #adopt(stored: QueueDefinition): Promise<void> {
    const definition = { ...stored, settings: completeQueueSettings(stored.settings) }
    this.noteIds(definition.id, logIdsOf(definition))
    const queue = await this.#parts.maker.makeStored(definition)
    if (queue !== undefined) this.#add(queue)
  }

  /** The crash story: the counters of ids were in a damaged range, and what they counted was not. */
  noteIds(id: number, logIds: readonly number[]): void {
    this.#unusedId = Math.max(this.#unusedId, id + 1)
    for (const logId of logIds) this.#parts.store.logs.noteId(logId)
  }

  #add(queue: Queue): void {
    let queues = this.#byName.get(queue.namespace)
    if (queues === undefined) this.#byName.set(queue.namespace, (queues = new Map()))
    queues.set(queue.name, queue)
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new BrokerError('ERR_CLOSED', ['the broker'])
  }

  #checkThere(queue: Queue): void {
    this.#checkOpen()
    if (queue.isDeleted) throw new BrokerError('ERR_QUEUE_NOT_FOUND', [queue.name])
  }

  #scheduleGrave(grave: Grave, delayMs = this.#parts.deleteGraceMs): void {
    if (this.#isClosed) return
    this.noteIds(grave.id, grave.logIds)
    const { timers } = this.#parts.environment
    this.#graveTimers.set(
      grave.id,
      timers.after(delayMs, () => void this.#bury(grave)),
    )
  }

  async #bury(grave: Grave): Promise<void> {
    const { store, metadata, environment } = this.#parts
    this.#graveTimers.delete(grave.id)
    if (this.#isClosed || store.failure !== undefined) return
    try {
      for (const id of grave.logIds) await store.deleteLog(id)
      await metadata.change((commit) => commit(new Map([[GRAVE + grave.id, null]])))
    } catch (error) {
      environment.log.warn('a deletion is tried again', { error: describeError(error) })
      this.#scheduleGrave(grave, GRAVE_RETRY_MS)
    }
  }
}

export const logIdsOf = ({ logIds, ledgerLogId }: QueueDefinition): number[] =>
  ledgerLogId < 0 ? [...logIds] : [...logIds, ledgerLogId]
