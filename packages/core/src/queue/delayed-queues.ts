/**
 * Where delayed exchanges keep their messages: a hidden queue each, made, stored and removed with its
 * exchange in one change of the metadata, and addressed by nobody.
 *
 * Invariant: what a durable exchange keeps goes when the exchange is deleted, and for no other reason.
 * The crash story: the definition of an exchange was in a damaged range, and what it keeps was not. That
 * stays aside, and is found again when the exchange is declared again.
 */
import type { MetadataStore } from '../meta/metadata-store.ts'
import type { Keeping, KeepingChange } from '../routing/exchange-registry.ts'
import type { KeepingTarget } from '../routing/route-target.ts'
import type { RoutingChanges } from '../routing/routing-storage.ts'
import { BrokerError } from '@millrace/codec'
import type { KeptMessages } from '../engine/operations.ts'
import type { DelayedLane } from './delayed-lane.ts'
import { DelayedRelease, type ReleaseParts } from './delayed-release.ts'
import type { LaneMaker } from './lane-maker.ts'
import type { QueueDefinition } from './queue-definition.ts'
import { logIdsOf, type QueueRegistry } from './queue-registry.ts'
import { completeQueueSettings } from './queue-settings.ts'
import type { Queue } from './queue.ts'

const DELAYED = 'delayed-queue/'

export interface DelayedQueuesParts extends ReleaseParts {
  readonly queues: QueueRegistry
  readonly maker: LaneMaker
  readonly metadata: MetadataStore
  readonly keptCountMax: number
  nowMs(): number
}

interface Kept {
  readonly queue: Queue
  readonly release: DelayedRelease
}

const keyOf = (namespace: string, exchange: string): string => `${namespace}\0${exchange}`

export class DelayedQueues implements Keeping {
  readonly #parts: DelayedQueuesParts
  readonly #kept = new Map<string, Kept>()

  constructor(parts: DelayedQueuesParts) {
    this.#parts = parts
  }

  /** What the metadata has. */
  async open(): Promise<void> {
    const settings = this.#settings(true)
    for (const [, value] of [...this.#parts.metadata.entries(DELAYED)]) {
      const definition = value as QueueDefinition
      const isDurable = definition.settings.isDurable
      const complete = { ...definition, settings: { ...settings, isDurable } }
      this.#parts.queues.noteIds(definition.id, logIdsOf(definition))
      const queue = await this.#parts.maker.makeStored(complete)
      if (queue !== undefined) this.#add(queue)
    }
  }

  /** Once the exchanges are there. What was kept for one that did not survive goes. */
  async start(find: (namespace: string, exchange: string) => object | undefined): Promise<void> {
    for (const { queue, release } of [...this.#kept.values()]) {
      const { namespace, name, isDurable } = queue
      if (find(namespace, name) !== undefined) release.start()
      else if (isDurable)
        this.#parts.log.error('an exchange is gone and what it keeps is not', { exchange: name })
      else {
        await this.#parts.metadata.change(async (commit) => {
          const { changes, apply } = this.remove(queue)
          await commit(changes)
          apply()
        })
      }
    }
  }

  *all(): Iterable<Queue> {
    for (const { queue } of this.#kept.values()) yield queue
  }

  *inspect(): Iterable<KeptMessages> {
    for (const { namespace, name, readyCount } of this.all())
      yield { namespace, exchange: name, keptCount: readyCount }
  }

  find(namespace: string, exchange: string): Queue | undefined {
    return this.#kept.get(keyOf(namespace, exchange))?.queue
  }

  create(
    namespace: string,
    exchange: string,
    isDurable: boolean,
  ): KeepingChange & { readonly target: KeepingTarget; undo(): void } {
    const aside = this.#kept.get(keyOf(namespace, exchange))
    if (aside !== undefined) return this.#adopt(aside, isDurable)
    const { queues, maker, store, nowMs } = this.#parts
    const refusal = store.refusal()
    if (refusal !== undefined) throw refusal
    const settings = this.#settings(isDurable)
    const changes: RoutingChanges = new Map()
    const id = queues.takeId(changes)
    const definition: QueueDefinition = {
      namespace,
      name: exchange,
      revision: 1,
      createdAtMs: nowMs(),
      settings,
      id,
      ...maker.createLogs(settings),
      ofExchange: exchange,
    }
    changes.set(DELAYED + id, definition)
    const queue = maker.makeNew(definition)
    const undo = (): void => {
      for (const logId of logIdsOf(definition)) store.logs.delete(logId)
    }
    return { target: queue, changes, apply: () => this.#add(queue).start(), undo }
  }

  remove(target: KeepingTarget): KeepingChange {
    const { definition, namespace, name } = target as Queue
    const { id } = definition
    const grave = { id, logIds: logIdsOf(definition) }
    const changes: RoutingChanges = new Map<string, object | null>([[DELAYED + id, null]])
    this.#parts.queues.dig(changes, grave)
    const apply = (): void => {
      this.#kept.get(keyOf(namespace, name))?.release.close()
      this.#kept.delete(keyOf(namespace, name))
      ;(target as Queue).end(new BrokerError('ERR_QUEUE_DELETED', [name]))
      this.#parts.queues.fill(grave)
    }
    return { changes, apply }
  }

  close(): void {
    for (const { queue, release } of this.#kept.values()) {
      release.close()
      queue.close()
    }
  }

  #adopt(
    { queue, release }: Kept,
    isDurable: boolean,
  ): KeepingChange & { readonly target: KeepingTarget; undo(): void } {
    const definition = { ...queue.definition, settings: this.#settings(isDurable) }
    const apply = (): void => {
      queue.definition = definition
      release.start()
    }
    const changes: RoutingChanges = new Map<string, object | null>([
      [DELAYED + definition.id, definition],
    ])
    return { target: queue, changes, apply, undo: () => undefined }
  }

  #add(queue: Queue): DelayedRelease {
    const release = new DelayedRelease(queue, queue.lanes[0] as DelayedLane, this.#parts)
    this.#kept.set(keyOf(queue.namespace, queue.name), { queue, release })
    return release
  }

  /** A queue that refuses what is too much: nothing that was confirmed is dropped for it. */
  #settings(isDurable: boolean): QueueDefinition['settings'] {
    const lengthMax = this.#parts.keptCountMax
    return completeQueueSettings({ isDurable, lengthMax, overflow: 'reject' })
  }
}
