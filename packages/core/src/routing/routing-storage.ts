/**
 * Definitions of exchanges and bindings in the metadata: their keys, their numbers, and the bindings
 * that are stored and not in force.
 *
 * A binding is set aside when one of its ends is not there at boot, or what it asks for is not
 * understood. It stays stored: that something is missing may be damage, and what is missing may come
 * back. It goes when somebody removes it, or either end of it.
 */
import type { Binding, ExchangeSettings, TargetKind } from '../engine/messaging.ts'
import type { EngineLog } from '../environment/environment.ts'
import type { MetadataStore } from '../meta/metadata-store.ts'
import { type BoundBinding, identityOf } from './bound-binding.ts'
import type { Exchange } from './exchange.ts'

const EXCHANGE = 'exchange/'
const BINDING = 'binding/'
const IDS = 'routing-ids'
/** Bindings set aside that are logged one by one; after that only their number is. */
const LOGGED_COUNT_MAX = 20

export interface StoredExchange {
  readonly id: number
  readonly namespace: string
  readonly exchange: string
  readonly settings: ExchangeSettings
}

export interface StoredBinding {
  readonly id: number
  readonly namespace: string
  readonly binding: Binding
}

/** To be committed together. */
export type RoutingChanges = Map<string, object | null>

/** What this needs of the metadata. */
export type RoutingMetadata = Pick<MetadataStore, 'entries' | 'get' | 'change'>

export class RoutingStorage {
  readonly #metadata: RoutingMetadata
  readonly #log: EngineLog
  /** Above every id that was seen: the counter may have been in a damaged range. */
  #unusedId = 1
  readonly #setAside = new Map<number, StoredBinding>()

  constructor(metadata: RoutingMetadata, log: EngineLog) {
    this.#metadata = metadata
    this.#log = log
  }

  *exchanges(): Iterable<StoredExchange> {
    for (const [, value] of this.#metadata.entries(EXCHANGE)) {
      this.#noteId(value as StoredExchange)
      yield value as StoredExchange
    }
  }

  *bindings(): Iterable<StoredBinding> {
    for (const [, value] of this.#metadata.entries(BINDING)) {
      this.#noteId(value as StoredBinding)
      yield value as StoredBinding
    }
  }

  /** Runs alone; commits when there is something to commit, and does not touch the disk otherwise. */
  change<T>(work: (commit: (changes: RoutingChanges) => Promise<void>) => Promise<T>): Promise<T> {
    return this.#metadata.change((commit) =>
      work(async (changes) => {
        if (changes.size > 0) await commit(changes)
      }),
    )
  }

  /** Answers its id. */
  addExchange(changes: RoutingChanges, exchange: Omit<StoredExchange, 'id'>): number {
    const id = this.#takeId(changes)
    changes.set(EXCHANGE + id, { id, ...exchange })
    return id
  }

  /** Answers its id: the one it has, if it is stored and was set aside. */
  addBinding(changes: RoutingChanges, namespace: string, binding: Binding): number {
    for (const { id } of this.#asideLike(namespace, binding)) return id
    const id = this.#takeId(changes)
    changes.set(BINDING + id, { id, namespace, binding })
    return id
  }

  removeExchange(changes: RoutingChanges, { id }: Exchange): void {
    if (id > 0) changes.set(EXCHANGE + id, null)
  }

  removeBinding(changes: RoutingChanges, { id }: BoundBinding): void {
    if (id > 0) changes.set(BINDING + id, null)
  }

  setAside(stored: StoredBinding, reason: string): void {
    this.#setAside.set(stored.id, stored)
    if (this.#setAside.size > LOGGED_COUNT_MAX) return
    const { namespace, binding } = stored
    const { exchange, targetKind, target, routingKey } = binding
    const fields = { namespace, exchange, targetKind, target, routingKey, reason }
    this.#log.error('a binding is not in force and is kept aside', fields)
  }

  logSetAside(): void {
    const count = this.#setAside.size
    if (count > LOGGED_COUNT_MAX) this.#log.error('bindings are kept aside', { count })
  }

  /** The binding, where it was set aside. Answers the ids, to forget when the change is done. */
  removeAside(changes: RoutingChanges, namespace: string, binding: Binding): number[] {
    const ids = [...this.#asideLike(namespace, binding)].map(({ id }) => id)
    for (const id of ids) changes.set(BINDING + id, null)
    return ids
  }

  /** Those that lead to the name or, of an exchange, from it. */
  removeAsideOf(
    changes: RoutingChanges,
    namespace: string,
    end: { readonly kind: TargetKind; readonly name: string },
  ): number[] {
    const ids: number[] = []
    for (const stored of this.#setAside.values()) {
      const { exchange, targetKind, target } = stored.binding
      const isSource = end.kind === 'exchange' && end.name === exchange
      const isTarget = end.kind === targetKind && end.name === target
      if (stored.namespace !== namespace || !(isSource || isTarget)) continue
      changes.set(BINDING + stored.id, null)
      ids.push(stored.id)
    }
    return ids
  }

  forgetAside(ids: readonly number[]): void {
    for (const id of ids) this.#setAside.delete(id)
  }

  *#asideLike(namespace: string, binding: Binding): Iterable<StoredBinding> {
    if (this.#setAside.size === 0) return
    const identity = identityOf(binding)
    for (const stored of this.#setAside.values()) {
      const isNear = stored.namespace === namespace && stored.binding.exchange === binding.exchange
      if (isNear && identityOf(stored.binding) === identity) yield stored
    }
  }

  #takeId(changes: RoutingChanges): number {
    const { nextId } = (this.#metadata.get(IDS) as { nextId: number } | undefined) ?? { nextId: 1 }
    const id = Math.max(nextId, this.#unusedId)
    changes.set(IDS, { nextId: id + 1 })
    return id
  }

  #noteId({ id }: { readonly id: number }): void {
    this.#unusedId = Math.max(this.#unusedId, id + 1)
  }
}
