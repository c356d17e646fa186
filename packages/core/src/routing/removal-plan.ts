/**
 * What goes together: bindings, exchanges with all their bindings, and the exchanges that go by
 * themselves because their last binding as a source goes, with theirs in turn.
 *
 * Planned first, so that all of it is one change of the metadata, and then applied to memory. Between
 * the two nothing else may change: both happen within one `MetadataStore.change`.
 */
import type { BoundBinding } from './bound-binding.ts'
import type { ExchangeTable } from './exchange-table.ts'
import type { Exchange } from './exchange.ts'

export class RemovalPlan {
  readonly #table: ExchangeTable
  readonly #bindings = new Set<BoundBinding>()
  readonly #exchanges = new Set<Exchange>()
  /** Of each source, how many of its bindings go. */
  readonly #lostCounts = new Map<Exchange, number>()
  /** Exchanges that go, whose bindings are still to be added. */
  readonly #pending: Exchange[] = []

  constructor(table: ExchangeTable) {
    this.#table = table
  }

  exchanges(): Iterable<Exchange> {
    return this.#exchanges
  }

  bindings(): Iterable<BoundBinding> {
    return this.#bindings
  }

  removeBindings(bindings: Iterable<BoundBinding>): void {
    for (const bound of bindings) this.#addBinding(bound)
    this.#finish()
  }

  removeExchange(exchange: Exchange): void {
    this.#addExchange(exchange)
    this.#finish()
  }

  apply(): void {
    for (const bound of this.#bindings) this.#table.removeBinding(bound)
    for (const exchange of this.#exchanges) this.#table.remove(exchange)
  }

  #finish(): void {
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      for (const bound of next.bindings()) this.#addBinding(bound)
      for (const bound of this.#table.bindingsTo(next)) this.#addBinding(bound)
    }
  }

  #addBinding(bound: BoundBinding): void {
    if (this.#bindings.has(bound)) return
    this.#bindings.add(bound)
    const { source } = bound
    const lostCount = (this.#lostCounts.get(source) ?? 0) + 1
    this.#lostCounts.set(source, lostCount)
    if (source.settings.isAutoDelete && lostCount === source.bindingCount) this.#addExchange(source)
  }

  #addExchange(exchange: Exchange): void {
    if (this.#exchanges.has(exchange)) return
    this.#exchanges.add(exchange)
    this.#pending.push(exchange)
  }
}
