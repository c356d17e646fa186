/**
 * The exchanges of one namespace, and the router over them: a message is matched by the exchange it
 * was published to and by those that this leads to, and each target is told once.
 *
 * Here is what is in force, in memory. Definitions, names and rights are `exchange-registry.ts`.
 */
import type { BoundBinding } from './bound-binding.ts'
import type { Exchange } from './exchange.ts'
import { type Route, RouteCache } from './route-cache.ts'
import type { RouteTarget, RoutedMessage } from './route-target.ts'
import { RouteWalk } from './route-walk.ts'

export class ExchangeTable {
  readonly #exchanges = new Map<string, Exchange>()
  readonly #bindingsByTarget = new Map<RouteTarget, Set<BoundBinding>>()
  readonly #cache = new RouteCache()
  readonly #walk = new RouteWalk((name) => this.#exchanges.get(name))
  #bindingCount = 0

  get exchangeCount(): number {
    return this.#exchanges.size
  }

  get bindingCount(): number {
    return this.#bindingCount
  }

  /** Results that are remembered, and the targets in them. */
  get remembered(): { readonly entryCount: number; readonly targetCount: number } {
    const { entryCount, targetCount } = this.#cache
    return { entryCount, targetCount }
  }

  find(name: string): Exchange | undefined {
    return this.#exchanges.get(name)
  }

  exchanges(): Iterable<Exchange> {
    return this.#exchanges.values()
  }

  bindingsTo(target: RouteTarget): Iterable<BoundBinding> {
    return this.#bindingsByTarget.get(target) ?? []
  }

  add(exchange: Exchange): void {
    this.#exchanges.set(exchange.name, exchange)
    // It may be the alternate exchange that others name.
    this.#cache.clear()
  }

  /** Its bindings have been removed, in both directions. */
  remove(exchange: Exchange): void {
    this.#exchanges.delete(exchange.name)
    exchange.isDeleted = true
    this.#cache.clear()
  }

  /** Throws what the type of the source has against the binding; then nothing has changed. */
  addBinding(bound: BoundBinding): void {
    bound.source.addBinding(bound)
    let toTarget = this.#bindingsByTarget.get(bound.target)
    if (toTarget === undefined) this.#bindingsByTarget.set(bound.target, (toTarget = new Set()))
    toTarget.add(bound)
    this.#bindingCount++
    this.#cache.clear()
  }

  removeBinding(bound: BoundBinding): void {
    const toTarget = this.#bindingsByTarget.get(bound.target)
    if (toTarget === undefined || !toTarget.delete(bound)) return
    if (toTarget.size === 0) this.#bindingsByTarget.delete(bound.target)
    bound.source.removeBinding(bound)
    this.#bindingCount--
    this.#cache.clear()
  }

  /**
   * Tells `visit` of each queue and topic that the message reaches, once, and answers how many those
   * are. With it comes how long a delayed exchange on the way is to keep the message, 0 without one.
   * `visit` may route other messages.
   */
  route(
    exchange: Exchange,
    message: RoutedMessage,
    visit: (target: RouteTarget, keptMs: number) => void,
  ): number {
    const { routingKey, extraRoutingKeys } = message
    const isByOneKey = extraRoutingKeys === undefined || extraRoutingKeys.length === 0
    if (isByOneKey && exchange.routes !== undefined) {
      const route = exchange.routes.get(routingKey)
      if (route !== undefined) return visitAll(route, visit)
    }
    const walk = this.#walk
    const start = walk.foundCount
    try {
      walk.run(exchange, message)
      const end = walk.foundCount
      const { keptMs } = walk
      if (isByOneKey && walk.isRepeatable && !exchange.isTrivial)
        this.#remember(exchange, routingKey, start)
      for (let index = start; index < end; index++) visit(walk.targetAt(index), keptMs)
      return end - start
    } finally {
      walk.release(start)
    }
  }

  #remember(exchange: Exchange, routingKey: string, start: number): void {
    const targetCount = this.#walk.foundCount - start
    if (this.#cache.admits(exchange, routingKey, targetCount))
      this.#cache.put(exchange, routingKey, this.#walk.foundFrom(start))
  }
}

const visitAll = (route: Route, visit: (target: RouteTarget, keptMs: number) => void): number => {
  for (let index = 0; index < route.length; index++) visit(route[index]!, 0)
  return route.length
}
