/** Exchanges, targets and messages for tests of routing, without a registry. */
import type { Binding, ExchangeSettings, TargetKind } from '../../src/engine/messaging.ts'
import { BoundBinding } from '../../src/routing/bound-binding.ts'
import { createMatcher } from '../../src/routing/create-matcher.ts'
import { ExchangeTable } from '../../src/routing/exchange-table.ts'
import { Exchange } from '../../src/routing/exchange.ts'
import type { Matcher } from '../../src/routing/matcher.ts'
import type { RoutedMessage, RouteTarget } from '../../src/routing/route-target.ts'

export const targetNamed = (
  name: string,
  kind: TargetKind = 'queue',
  isDurable = true,
): RouteTarget => ({ kind, name, isDurable, visitedBy: 0 })

export const settingsOf = (changed: Partial<ExchangeSettings> = {}): ExchangeSettings => ({
  type: 'direct',
  isDurable: true,
  isAutoDelete: false,
  isInternal: false,
  alternateExchange: undefined,
  hashHeader: undefined,
  delayedType: undefined,
  labels: {},
  ...changed,
})

export const messageOf = (
  routingKey: string,
  headers: Readonly<Record<string, string>> = {},
  extraRoutingKeys?: readonly string[],
): RoutedMessage => {
  const map = new Map(Object.entries(headers))
  return { routingKey, extraRoutingKeys, matchHeaders: () => map, neutralHeaders: () => [] }
}

/** Counts up: what it gives is known beforehand. */
export const countingRandom = () => {
  let count = 0
  return { uint32: () => count++ }
}

export class RoutingBench {
  readonly table = new ExchangeTable()
  readonly random = countingRandom()
  readonly #targets = new Map<string, RouteTarget>()

  exchange(name: string, changed: Partial<ExchangeSettings> = {}, matcher?: Matcher): Exchange {
    const settings = settingsOf(changed)
    const made = matcher ?? createMatcher(settings, this.random)
    const exchange = new Exchange({ id: 0, name, settings, isPredeclared: false, matcher: made })
    this.table.add(exchange)
    return exchange
  }

  target(name: string, kind: TargetKind = 'queue'): RouteTarget {
    const key = `${kind} ${name}`
    let target = this.#targets.get(key)
    if (target === undefined) this.#targets.set(key, (target = targetNamed(name, kind)))
    return target
  }

  bind(source: Exchange, target: RouteTarget | string, rest: Partial<Binding> = {}): BoundBinding {
    const end = typeof target === 'string' ? this.target(target) : target
    const binding: Binding = {
      exchange: source.name,
      targetKind: end.kind,
      target: end.name,
      routingKey: '',
      ...rest,
    }
    const bound = new BoundBinding(0, binding, source, end)
    this.table.addBinding(bound)
    return bound
  }

  unbind(bound: BoundBinding): void {
    this.table.removeBinding(bound)
  }

  /** Names of the targets, in order. Fails when one is told twice, or the count is not theirs. */
  route(exchange: Exchange, message: RoutedMessage | string): string[] {
    const names: string[] = []
    const routed = typeof message === 'string' ? messageOf(message) : message
    const count = this.table.route(exchange, routed, ({ name }) => void names.push(name))
    if (count !== names.length || new Set(names).size !== count)
      throw new Error(`answered ${count}, told ${names.join(', ')}`)
    return names.sort()
  }
}
