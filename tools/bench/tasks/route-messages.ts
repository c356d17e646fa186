/**
 * Routes messages through one exchange of the engine, in this process and with nothing around it: ten
 * bindings that every message matches, and others that none does.
 */
import {
  BoundBinding,
  type ExchangeTable,
  type ExchangeType,
  type RoutedMessage,
  type RouteTarget,
  createExchange,
  defaultExchangeSettings,
  openExchangeTable,
} from '@millrace/core'

const EXCHANGE = 'bench'
const MATCHED_COUNT = 10
const QUEUE_COUNT = 1_000
const KEY = 'orders.eu.created'

export type RoutedType = Extract<ExchangeType, 'direct' | 'topic' | 'headers'>

export interface RouteMessagesParameters {
  readonly type: RoutedType
  readonly bindingCount: number
  readonly messageCount: number
  /** Every message has a routing key that was not there before; only of topic exchanges. */
  readonly hasNewKeys: boolean
}

export interface Routed {
  readonly messageCount: number
  readonly visitCount: number
  readonly cpuMs: number
}

type Asked = Pick<BoundBinding['binding'], 'routingKey' | 'match' | 'headers'>

const matched: Readonly<Record<RoutedType, (index: number) => Asked>> = {
  direct: () => ({ routingKey: KEY }),
  topic: (index) => ({
    routingKey: `${index % 2 === 0 ? '*' : 'orders'}.#.created${'.#'.repeat(index >> 1)}`,
  }),
  headers: (index) => ({
    routingKey: String(index),
    match: 'all',
    headers: { type: 'sorder', shop: 's7' },
  }),
}

const others: Readonly<Record<RoutedType, (index: number) => Asked>> = {
  direct: (index) => ({ routingKey: `orders.k${index}.created` }),
  topic: (index) => ({
    routingKey: index % 2 === 0 ? `orders.*.k${index}` : `orders.a${index}.#`,
  }),
  headers: (index) => ({
    routingKey: '',
    match: 'all',
    headers: { type: 'sorder', customer: `s${index}` },
  }),
}

const queueNamed = (name: string): RouteTarget => ({
  kind: 'queue',
  name,
  isDurable: true,
  visitedBy: 0,
})

const fill = (type: RoutedType, bindingCount: number): ExchangeTable => {
  const random = { uint32: () => 0 }
  const table = openExchangeTable(random, () => undefined)
  const settings = { ...defaultExchangeSettings, type }
  const source = createExchange(random, { name: EXCHANGE, settings })
  table.add(source)
  const queues = Array.from({ length: QUEUE_COUNT }, (_, index) => queueNamed(`queue-${index}`))
  for (let index = 0; index < bindingCount; index++) {
    const target = queues[index % QUEUE_COUNT] as RouteTarget
    const asked = (index < MATCHED_COUNT ? matched : others)[type](index)
    const ends = { exchange: EXCHANGE, targetKind: 'queue', target: target.name } as const
    table.addBinding(new BoundBinding(0, { ...ends, ...asked }, source, target))
  }
  return table
}

const headers = new Map([
  ['type', 'sorder'],
  ['shop', 's7'],
  ['priority', 'i3'],
])

export const routeMessages = (parameters: RouteMessagesParameters): Promise<Routed> => {
  const { type, bindingCount, messageCount, hasNewKeys } = parameters
  const table = fill(type, bindingCount)
  const source = table.find(EXCHANGE)!
  const keys = Array.from({ length: hasNewKeys ? messageCount : 1 }, (_, index) =>
    hasNewKeys ? `orders.n${index}.created` : KEY,
  )
  const message: { -readonly [Key in keyof RoutedMessage]: RoutedMessage[Key] } = {
    routingKey: KEY,
    extraRoutingKeys: undefined,
    matchHeaders: () => headers,
    neutralHeaders: () => [],
  }
  let visitCount = 0
  const visit = (): void => void visitCount++
  const before = process.cpuUsage()
  for (let index = 0; index < messageCount; index++) {
    message.routingKey = keys[index % keys.length] as string
    table.route(source, message, visit)
  }
  const { user, system } = process.cpuUsage(before)
  if (visitCount !== MATCHED_COUNT * messageCount)
    throw new Error(`${visitCount} targets for ${messageCount} messages`)
  return Promise.resolve({ messageCount, visitCount, cpuMs: (user + system) / 1000 })
}
