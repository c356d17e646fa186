import {
  ROUTE_CACHE_ENTRIES_MAX,
  ROUTE_CACHE_KEY_CHARACTERS_MAX,
  ROUTE_CACHE_RESULT_TARGETS_MAX,
  ROUTE_CACHE_TARGETS_MAX,
} from '../../src/routing/limits.ts'
import { SeenKeys } from '../../src/routing/seen-keys.ts'
import { RoutingBench, messageOf } from './support.ts'

const bench = (targetCount = 1) => {
  const one = new RoutingBench()
  const exchange = one.exchange('x', { type: 'topic' })
  for (let index = 0; index < targetCount; index++)
    one.bind(exchange, `q${index}`, { routingKey: '#' })
  const routeTwice = (key: string): void => {
    for (let round = 0; round < 2; round++)
      one.table.route(exchange, messageOf(key), () => undefined)
  }
  return { one, exchange, routeTwice }
}

it('remembers a key that comes a second time, and then looks no further', () => {
  const { one, exchange } = bench()
  one.route(exchange, 'k')
  expect(one.table.remembered.entryCount).toBe(0)
  one.route(exchange, 'k')
  expect(one.table.remembered).toEqual({ entryCount: 1, targetCount: 1 })
  const before = exchange.matcher.workCount
  expect(one.route(exchange, 'k')).toEqual(['q0'])
  expect(exchange.matcher.workCount).toBe(before)
})

it('remembers that a key leads nowhere', () => {
  const one = new RoutingBench()
  const exchange = one.exchange('x', { type: 'topic' })
  for (let round = 0; round < 3; round++) expect(one.route(exchange, 'k')).toEqual([])
  expect(one.table.remembered).toEqual({ entryCount: 1, targetCount: 0 })
})

it('forgets with every change of exchanges and bindings', () => {
  const { one, exchange, routeTwice } = bench()
  const other = one.exchange('other')
  const bound = one.bind(other, 'q')
  const changes = [
    () => one.bind(other, 'r'),
    () => one.unbind(bound),
    () => one.exchange('third'),
    () => one.table.remove(one.table.find('third')!),
  ]
  for (const change of changes) {
    routeTwice('k')
    expect(one.table.remembered.entryCount).toBe(1)
    change()
    expect(one.table.remembered).toEqual({ entryCount: 0, targetCount: 0 })
    expect(exchange.routes).toBeUndefined()
  }
})

it('remembers nothing of what goes by headers, by chance or by several keys, on any way', () => {
  const one = new RoutingBench()
  const sources = (['headers', 'random'] as const).map((type) => {
    const first = one.exchange(`to ${type}`, { type: 'fanout' })
    const last = one.exchange(type, { type })
    one.bind(first, last)
    one.bind(last, 'q')
    return first
  })
  const byHeader = one.exchange('hash', { type: 'consistent-hash', hashHeader: 'h' })
  one.bind(byHeader, 'q', { routingKey: '1' })
  const topic = one.exchange('topic', { type: 'topic' })
  for (let round = 0; round < 3; round++) {
    for (const source of [...sources, byHeader]) one.route(source, 'k')
    one.route(topic, messageOf('k', {}, ['l']))
  }
  expect(one.table.remembered.entryCount).toBe(0)
})

it('remembers nothing of an exchange where it would save nothing', () => {
  const one = new RoutingBench()
  const direct = one.exchange('d')
  one.bind(direct, 'q', { routingKey: 'k' })
  for (let round = 0; round < 3; round++) one.route(direct, 'k')
  expect(one.table.remembered.entryCount).toBe(0)
  one.bind(direct, one.exchange('f', { type: 'fanout' }), { routingKey: 'k' })
  for (let round = 0; round < 3; round++) one.route(direct, 'k')
  expect(one.table.remembered.entryCount).toBe(1)
})

it('has a limit of entries, and sweeps some instead of all', () => {
  const { one, exchange, routeTwice } = bench()
  for (let index = 0; index < ROUTE_CACHE_ENTRIES_MAX; index++) routeTwice(`k${index}`)
  expect(one.table.remembered.entryCount).toBe(ROUTE_CACHE_ENTRIES_MAX)
  routeTwice('one more')
  const { entryCount, targetCount } = one.table.remembered
  expect(entryCount).toBeLessThanOrEqual(ROUTE_CACHE_ENTRIES_MAX)
  expect(entryCount).toBeGreaterThan(ROUTE_CACHE_ENTRIES_MAX / 2)
  expect(targetCount).toBe(entryCount)
  expect(exchange.routes?.has('one more')).toBe(true)
})

it('has a limit of targets', () => {
  const { one, routeTwice } = bench(ROUTE_CACHE_RESULT_TARGETS_MAX)
  const count = Math.floor(ROUTE_CACHE_TARGETS_MAX / ROUTE_CACHE_RESULT_TARGETS_MAX)
  for (let index = 0; index < count; index++) routeTwice(`k${index}`)
  expect(one.table.remembered.targetCount).toBe(ROUTE_CACHE_TARGETS_MAX)
  routeTwice('one more')
  expect(one.table.remembered.targetCount).toBeLessThan(ROUTE_CACHE_TARGETS_MAX)
  expect(one.table.remembered.targetCount).toBeGreaterThan(0)
})

it('remembers a result of so many targets, and none of one more', () => {
  for (const extra of [0, 1]) {
    const { one, routeTwice } = bench(ROUTE_CACHE_RESULT_TARGETS_MAX + extra)
    routeTwice('k')
    expect(one.table.remembered.entryCount).toBe(1 - extra)
  }
})

it('remembers a key of so many characters, and none of one more', () => {
  for (const extra of [0, 1]) {
    const { one, routeTwice } = bench()
    routeTwice('k'.repeat(ROUTE_CACHE_KEY_CHARACTERS_MAX + extra))
    expect(one.table.remembered.entryCount).toBe(1 - extra)
  }
})

it('keeps what is used while 100,000 keys come that are new each time', () => {
  const { one, exchange, routeTwice } = bench()
  routeTwice('used')
  for (let index = 0; index < 100_000; index++)
    one.table.route(exchange, messageOf(`new ${index}`), () => undefined)
  expect(exchange.routes?.has('used')).toBe(true)
  // A few are taken for keys that came before.
  expect(one.table.remembered.entryCount).toBeLessThan(6_000)
})

it('tells keys of one exchange from the same keys of another', () => {
  const seen = new SeenKeys()
  expect([seen.note('k', 1), seen.note('k', 2), seen.note('k', 1)]).toEqual([false, false, true])
})
