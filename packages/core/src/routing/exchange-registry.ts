/**
 * The exchanges and bindings of every namespace: declared, deleted, bound and unbound through the
 * metadata, and in force in an `ExchangeTable` each.
 *
 * Invariants: changes run one after the other, the transient ones too, so a check holds until its
 * result is in force; what is stored is in force when it is durable, never before; only durable
 * exchanges, and bindings between durable ends, are stored; what goes together is one change.
 *
 * Not here: who may do it, and whether the namespace exists. Both are known before.
 */
import { BrokerError } from '@millrace/codec'
import type {
  Binding,
  ExchangeDescription,
  ExchangeSettings,
  TargetKind,
} from '../engine/messaging.ts'
import type { Environment } from '../environment/environment.ts'
import { checkRoutingName, shownName } from '../names.ts'
import { checkBinding, checkBindingOfType } from './binding-check.ts'
import { type BindingFilter, listBindings } from './binding-list.ts'
import { BoundBinding } from './bound-binding.ts'
import { isExchangeType, routingTypeOf } from './create-matcher.ts'
import {
  completeExchangeSettings,
  defaultExchangeSettings,
  differenceOf,
} from './exchange-settings.ts'
import type { ExchangeTable } from './exchange-table.ts'
import type { Exchange } from './exchange.ts'
import { BINDINGS_COUNT_MAX, EXCHANGES_COUNT_MAX } from './limits.ts'
import { createExchange, openExchangeTable } from './open-exchange-table.ts'
import { DEFAULT_EXCHANGE, isReservedName } from './predeclared.ts'
import { RemovalPlan } from './removal-plan.ts'
import type { KeepingTarget, RouteTarget } from './route-target.ts'
import {
  type RoutingChanges,
  type RoutingMetadata,
  RoutingStorage,
  type StoredBinding,
  type StoredExchange,
} from './routing-storage.ts'

export interface ExchangeRegistryOptions {
  readonly environment: Pick<Environment, 'random' | 'log'>
  readonly metadata: RoutingMetadata
  /** A queue or a topic. Those that are stored are there before the registry is made. */
  resolve(namespace: string, kind: TargetKind, name: string): RouteTarget | undefined
  /** For the bindings that the default exchange seems to have. */
  queueNames(namespace: string): Iterable<string>
  readonly keeping?: Keeping
  readonly exchangesCountMax?: number
  readonly bindingsCountMax?: number
}

/** What an exchange's beginning or end means for where it keeps its messages. */
export interface KeepingChange {
  /** To be committed together with the exchange's own. */
  readonly changes: RoutingChanges
  /** When that is done, and before any other change. */
  apply(): void
}

/** Where delayed exchanges keep messages. What is stored is there before the registry is made. */
export interface Keeping {
  find(namespace: string, exchange: string): KeepingTarget | undefined
  /** Within a change. `undo` when it could not be committed. */
  create(
    namespace: string,
    exchange: string,
    isDurable: boolean,
  ): KeepingChange & { readonly target: KeepingTarget; undo(): void }
  remove(target: KeepingTarget): KeepingChange
}

/** What the end of a target means for its bindings, and for exchanges that go with them. */
export interface Forgetting {
  /** To be committed together with the target's own end. */
  readonly changes: ReadonlyMap<string, object | null>
  /** When that is done, and before any other change. */
  apply(): void
}

export class ExchangeRegistry {
  readonly #options: ExchangeRegistryOptions
  readonly #storage: RoutingStorage
  readonly #tables = new Map<string, ExchangeTable>()
  readonly #exchangesCountMax: number
  readonly #bindingsCountMax: number

  constructor(options: ExchangeRegistryOptions) {
    this.#options = options
    this.#exchangesCountMax = options.exchangesCountMax ?? EXCHANGES_COUNT_MAX
    this.#bindingsCountMax = options.bindingsCountMax ?? BINDINGS_COUNT_MAX
    this.#storage = new RoutingStorage(options.metadata, options.environment.log)
    for (const stored of this.#storage.exchanges()) this.#adoptExchange(stored)
    for (const stored of this.#storage.bindings()) this.#adoptBinding(stored)
    this.#storage.logSetAside()
  }

  /** To keep, and to route by. It is made with the exchanges that every namespace has. */
  table(namespace: string): ExchangeTable {
    return this.#tables.get(namespace) ?? this.#openTable(namespace)
  }

  find(namespace: string, name: string): Exchange | undefined {
    return this.table(namespace).find(name)
  }

  /** Throws ERR_EXCHANGE_NOT_FOUND. */
  get(namespace: string, name: string): Exchange {
    const exchange = this.find(namespace, name)
    if (exchange === undefined) throw new BrokerError('ERR_EXCHANGE_NOT_FOUND', [shownName(name)])
    return exchange
  }

  /** By name. */
  list(namespace: string): Exchange[] {
    return [...this.table(namespace).exchanges()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  describe(namespace: string, exchange: Exchange): ExchangeDescription {
    const { name, settings, isPredeclared, bindingCount, keeping } = exchange
    const keptCount = keeping?.readyCount
    return { namespace, exchange: name, settings, isPredeclared, bindingCount, keptCount }
  }

  /**
   * Throws ERR_EXCHANGE_EXISTS, ERR_RESERVED_NAME, ERR_INVALID_NAME, ERR_INVALID_ARGUMENT,
   * ERR_LIMIT_EXCEEDED.
   */
  async declare(
    namespace: string,
    name: string,
    given: Partial<ExchangeSettings>,
  ): Promise<Exchange> {
    if (name === DEFAULT_EXCHANGE) throw new BrokerError('ERR_RESERVED_NAME', [name])
    checkRoutingName(name)
    const settings = completeExchangeSettings(given)
    return this.#storage.change(async (commit) => {
      const table = this.table(namespace)
      const existing = table.find(name)
      if (existing !== undefined) return checkSame(existing, settings)
      if (isReservedName(name)) throw new BrokerError('ERR_RESERVED_NAME', [shownName(name)])
      if (table.exchangeCount >= this.#exchangesCountMax)
        throw new BrokerError('ERR_LIMIT_EXCEEDED', [this.#exchangesCountMax, 'exchanges'])
      const changes: RoutingChanges = new Map()
      const definition = { namespace, exchange: name, settings }
      const id = settings.isDurable ? this.#storage.addExchange(changes, definition) : 0
      const kept = await this.#keep(namespace, name, settings, changes, commit)
      return this.#addExchange(table, id, name, settings, kept)
    })
  }

  /** One that is not there is as good as removed. Throws ERR_RESERVED_NAME, ERR_EXCHANGE_IN_USE. */
  delete(namespace: string, name: string, isIfUnused = false): Promise<void> {
    return this.#storage.change(async (commit) => {
      const table = this.table(namespace)
      const exchange = table.find(name)
      if (exchange?.isPredeclared === true)
        throw new BrokerError('ERR_RESERVED_NAME', [shownName(name)])
      if (isIfUnused && exchange !== undefined && exchange.bindingCount > 0)
        throw new BrokerError('ERR_EXCHANGE_IN_USE', [shownName(name)])
      const changes: RoutingChanges = new Map()
      const end = { kind: 'exchange', name } as const
      const asideIds = this.#storage.removeAsideOf(changes, namespace, end)
      const plan = new RemovalPlan(table)
      if (exchange !== undefined) plan.removeExchange(exchange)
      const { apply } = this.#forget(namespace, plan, changes, asideIds)
      await commit(changes)
      apply()
    })
  }

  /**
   * `admit` is asked of the target when it is certain what that is; it may throw. Throws
   * ERR_RESERVED_NAME, ERR_EXCHANGE_NOT_FOUND, ERR_QUEUE_NOT_FOUND, ERR_TOPIC_NOT_FOUND,
   * ERR_INVALID_NAME, ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED.
   */
  async bind(
    namespace: string,
    given: Binding,
    admit?: (target: RouteTarget) => void,
  ): Promise<void> {
    const binding = checkBinding(given)
    return this.#storage.change(async (commit) => {
      const source = this.get(namespace, binding.exchange)
      const target = this.#resolveOrThrow(namespace, binding)
      admit?.(target)
      if (source.findBinding(binding) !== undefined) return
      checkBindingOfType(source.settings, binding)
      const table = this.table(namespace)
      if (table.bindingCount >= this.#bindingsCountMax)
        throw new BrokerError('ERR_LIMIT_EXCEEDED', [this.#bindingsCountMax, 'bindings'])
      const changes: RoutingChanges = new Map()
      const isStored = source.isDurable && target.isDurable
      const id = isStored ? this.#storage.addBinding(changes, namespace, binding) : 0
      await commit(changes)
      this.#storage.forgetAside([id])
      table.addBinding(new BoundBinding(id, binding, source, target))
    })
  }

  /** A binding that is not there is as good as removed; its ends must be. Throws as `bind` does. */
  async unbind(
    namespace: string,
    given: Binding,
    admit?: (target: RouteTarget) => void,
  ): Promise<void> {
    const binding = checkBinding(given)
    return this.#storage.change(async (commit) => {
      const changes: RoutingChanges = new Map()
      const asideIds = this.#storage.removeAside(changes, namespace, binding)
      const bound = this.find(namespace, binding.exchange)?.findBinding(binding)
      if (bound !== undefined) admit?.(bound.target)
      else if (asideIds.length === 0) return this.#checkEnds(namespace, binding, admit)
      const plan = new RemovalPlan(this.table(namespace))
      plan.removeBindings(bound === undefined ? [] : [bound])
      const { apply } = this.#forget(namespace, plan, changes, asideIds)
      await commit(changes)
      apply()
    })
  }

  /** Those of the default exchange among them. By their names. */
  listBindings(namespace: string, filter: BindingFilter = {}): Binding[] {
    return listBindings(this.table(namespace), filter, {
      resolve: (kind, name) => this.#resolve(namespace, kind, name),
      queueNames: () => this.#options.queueNames(namespace),
    })
  }

  /** For a queue or topic that goes. Within the `MetadataStore.change` that removes it. */
  forgetTarget(namespace: string, target: RouteTarget): Forgetting {
    const table = this.table(namespace)
    const plan = new RemovalPlan(table)
    plan.removeBindings(table.bindingsTo(target))
    const changes: RoutingChanges = new Map()
    const asideIds = this.#storage.removeAsideOf(changes, namespace, target)
    return this.#forget(namespace, plan, changes, asideIds)
  }

  /** After `open`: the crash story is that only one of the two was in a damaged range. */
  async completeKeeping(): Promise<void> {
    for (const [namespace, table] of this.#tables)
      for (const exchange of table.exchanges()) {
        const { name, settings, keeping } = exchange
        if (settings.type !== 'delayed' || keeping !== undefined) continue
        this.#options.environment.log.error('what an exchange kept is not there', {
          exchange: name,
        })
        await this.#storage.change(async (commit) => {
          exchange.keeping = await this.#keep(namespace, name, settings, new Map(), commit)
        })
      }
  }

  /** Commits, with what a delayed exchange needs beside its definition. */
  async #keep(
    namespace: string,
    name: string,
    settings: ExchangeSettings,
    changes: RoutingChanges,
    commit: (changes: RoutingChanges) => Promise<void>,
  ): Promise<KeepingTarget | undefined> {
    const { keeping } = this.#options
    if (settings.type !== 'delayed' || keeping === undefined) {
      await commit(changes)
      return undefined
    }
    const created = keeping.create(namespace, name, settings.isDurable)
    try {
      await commit(new Map([...changes, ...created.changes]))
    } catch (error) {
      created.undo()
      throw error
    }
    created.apply()
    return created.target
  }

  #forget(
    namespace: string,
    plan: RemovalPlan,
    changes: RoutingChanges,
    asideIds: number[],
  ): Forgetting {
    for (const bound of plan.bindings()) this.#storage.removeBinding(changes, bound)
    const ended: KeepingChange[] = []
    for (const exchange of plan.exchanges()) {
      this.#storage.removeExchange(changes, exchange)
      if (exchange.keeping !== undefined) ended.push(this.#unkeep(exchange.keeping, changes))
      for (const id of this.#storage.removeAsideOf(changes, namespace, exchange)) asideIds.push(id)
    }
    const apply = (): void => {
      this.#storage.forgetAside(asideIds)
      plan.apply()
      for (const each of ended) each.apply()
    }
    return { changes, apply }
  }

  #unkeep(target: KeepingTarget, changes: RoutingChanges): KeepingChange {
    const removed = this.#options.keeping!.remove(target)
    for (const [key, value] of removed.changes) changes.set(key, value)
    return removed
  }

  #resolve(namespace: string, kind: TargetKind, name: string): RouteTarget | undefined {
    if (kind === 'exchange') return this.find(namespace, name)
    return this.#options.resolve(namespace, kind, name)
  }

  #checkEnds(namespace: string, binding: Binding, admit?: (target: RouteTarget) => void): void {
    this.get(namespace, binding.exchange)
    const target = this.#resolveOrThrow(namespace, binding)
    admit?.(target)
  }

  #resolveOrThrow(namespace: string, { targetKind, target }: Binding): RouteTarget {
    const found = this.#resolve(namespace, targetKind, target)
    if (found !== undefined) return found
    throw new BrokerError(missingCodes[targetKind], [shownName(target)])
  }

  #openTable(namespace: string): ExchangeTable {
    const findQueue = (name: string): RouteTarget | undefined =>
      this.#options.resolve(namespace, 'queue', name)
    const table = openExchangeTable(this.#options.environment.random, findQueue)
    this.#tables.set(namespace, table)
    return table
  }

  #addExchange(
    table: ExchangeTable,
    id: number,
    name: string,
    settings: ExchangeSettings,
    keeping: KeepingTarget | undefined,
  ): Exchange {
    const exchange = createExchange(this.#options.environment.random, { id, name, settings })
    exchange.keeping = keeping
    table.add(exchange)
    return exchange
  }

  #adoptExchange({ id, namespace, exchange, settings: stored }: StoredExchange): void {
    const table = this.table(namespace)
    // A version that knew fewer settings may have written it, and one that knows more types.
    const settings = { ...defaultExchangeSettings, ...stored }
    const isKnown = isExchangeType(settings.type) && routingTypeOf(settings) !== undefined
    if (isKnown && table.find(exchange) === undefined) {
      const isDelayed = settings.type === 'delayed'
      const keeping = isDelayed ? this.#options.keeping?.find(namespace, exchange) : undefined
      this.#addExchange(table, id, exchange, settings, keeping)
      return
    }
    const { type } = settings
    this.#options.environment.log.error('an exchange is not understood', { exchange, type })
  }

  #adoptBinding(stored: StoredBinding): void {
    const { id, namespace, binding } = stored
    const source = this.find(namespace, binding.exchange)
    const target = this.#resolve(namespace, binding.targetKind, binding.target)
    if (source === undefined || target === undefined) {
      const missing = source === undefined ? 'its exchange' : 'its target'
      return this.#storage.setAside(stored, `${missing} is not there`)
    }
    const bound = new BoundBinding(id, binding, source, target)
    if (source.hasBinding(bound)) return this.#storage.setAside(stored, 'it is there twice')
    try {
      this.table(namespace).addBinding(bound)
    } catch (error) {
      this.#storage.setAside(stored, (error as Error).message)
    }
  }
}

const missingCodes = {
  queue: 'ERR_QUEUE_NOT_FOUND',
  topic: 'ERR_TOPIC_NOT_FOUND',
  exchange: 'ERR_EXCHANGE_NOT_FOUND',
} as const

const checkSame = (existing: Exchange, settings: ExchangeSettings): Exchange => {
  const difference = differenceOf(settings, existing.settings)
  if (difference === undefined) return existing
  const { setting, asked, is } = difference
  throw new BrokerError('ERR_EXCHANGE_EXISTS', [shownName(existing.name), setting, asked, is])
}
