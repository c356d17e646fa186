/**
 * Results of routing by exchange and routing key, of one namespace, bounded in entries, in targets and
 * in the length of keys.
 *
 * Invariants: any change of exchanges or bindings empties it, so what it holds is what a walk would
 * find; a result, once remembered, never changes. A key is remembered when it comes a second time, so
 * that keys which are new every time, by habit or on purpose, cost two bits each and push nothing out.
 */
import type { Exchange } from './exchange.ts'
import {
  ROUTE_CACHE_ENTRIES_MAX,
  ROUTE_CACHE_KEY_CHARACTERS_MAX,
  ROUTE_CACHE_RESULT_TARGETS_MAX,
  ROUTE_CACHE_TARGETS_MAX,
} from './limits.ts'
import type { RouteTarget } from './route-target.ts'
import { SeenKeys } from './seen-keys.ts'

/** A full cache loses the oldest of each exchange, down to this share. */
const KEPT_SHARE = 0.75

export type Route = readonly RouteTarget[]

export class RouteCache {
  readonly #exchanges = new Set<Exchange>()
  readonly #seen = new SeenKeys()
  #entryCount = 0
  #targetCount = 0

  get entryCount(): number {
    return this.#entryCount
  }

  get targetCount(): number {
    return this.#targetCount
  }

  /** Whether a result that was just found is to be remembered. */
  admits(exchange: Exchange, routingKey: string, targetCount: number): boolean {
    if (targetCount > ROUTE_CACHE_RESULT_TARGETS_MAX) return false
    if (routingKey.length > ROUTE_CACHE_KEY_CHARACTERS_MAX) return false
    return this.#seen.note(routingKey, exchange.seed)
  }

  put(exchange: Exchange, routingKey: string, route: Route): void {
    if (exchange.routes === undefined) {
      exchange.routes = new Map()
      this.#exchanges.add(exchange)
    }
    exchange.routes.set(routingKey, route)
    this.#entryCount++
    this.#targetCount += route.length
    const isFull =
      this.#entryCount > ROUTE_CACHE_ENTRIES_MAX || this.#targetCount > ROUTE_CACHE_TARGETS_MAX
    if (isFull) this.#sweep()
  }

  clear(): void {
    if (this.#entryCount === 0) return
    for (const exchange of this.#exchanges) exchange.routes = undefined
    this.#exchanges.clear()
    this.#entryCount = 0
    this.#targetCount = 0
  }

  #sweep(): void {
    for (const exchange of this.#exchanges) {
      const routes = exchange.routes!
      let excess = Math.ceil(routes.size * (1 - KEPT_SHARE))
      for (const [key, route] of routes) {
        if (excess-- <= 0) break
        routes.delete(key)
        this.#entryCount--
        this.#targetCount -= route.length
      }
      if (routes.size > 0) continue
      exchange.routes = undefined
      this.#exchanges.delete(exchange)
    }
  }
}
