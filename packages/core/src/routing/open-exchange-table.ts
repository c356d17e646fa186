/** Makes exchanges, and a namespace's table with those that it has from the beginning. */
import type { ExchangeSettings } from '../engine/messaging.ts'
import type { Random } from '../environment/environment.ts'
import { createMatcher } from './create-matcher.ts'
import { defaultExchangeSettings } from './exchange-settings.ts'
import { ExchangeTable } from './exchange-table.ts'
import { Exchange } from './exchange.ts'
import { DEFAULT_EXCHANGE, predeclaredExchanges } from './predeclared.ts'
import { QueueNameMatcher } from './queue-name-matcher.ts'
import type { RouteTarget } from './route-target.ts'

export const createExchange = (
  random: Random,
  {
    id = 0,
    name,
    settings,
    isPredeclared = false,
  }: {
    readonly id?: number
    readonly name: string
    readonly settings: ExchangeSettings
    readonly isPredeclared?: boolean
  },
): Exchange =>
  new Exchange({ id, name, settings, isPredeclared, matcher: createMatcher(settings, random) })

export const openExchangeTable = (
  random: Random,
  findQueue: (name: string) => RouteTarget | undefined,
): ExchangeTable => {
  const table = new ExchangeTable()
  const settings = defaultExchangeSettings
  const matcher = new QueueNameMatcher(findQueue)
  const ofDefault = { id: 0, name: DEFAULT_EXCHANGE, settings, isPredeclared: true, matcher }
  table.add(new Exchange(ofDefault))
  for (const { name, type } of predeclaredExchanges) {
    const typed = { ...settings, type }
    table.add(createExchange(random, { name, settings: typed, isPredeclared: true }))
  }
  return table
}
