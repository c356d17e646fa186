import { hashText } from '../../src/routing/string-hash.ts'
import { HASH_WEIGHT_MAX } from '../../src/routing/limits.ts'
import { RoutingBench, messageOf } from './support.ts'
import type { Exchange } from '../../src/routing/exchange.ts'

const keys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`)

/** `route` of the bench expects much of each message, which takes its time for thousands. */
const ownersOf = (bench: RoutingBench, exchange: Exchange): string[] => {
  const owners: string[] = []
  for (const key of keys)
    bench.table.route(exchange, messageOf(key), ({ name }) => owners.push(name))
  expect(owners).toHaveLength(keys.length)
  return owners
}

const countsOf = (owners: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  return counts
}

const weighted = (weights: Readonly<Record<string, number>>) => {
  const bench = new RoutingBench()
  const exchange = bench.exchange('x', { type: 'consistent-hash' })
  const bounds = Object.entries(weights).map(([name, weight]) =>
    bench.bind(exchange, name, { routingKey: String(weight) }),
  )
  return { bench, exchange, bounds }
}

describe('a consistent-hash exchange', () => {
  it('gives each key to one target, by weight', () => {
    const { bench, exchange } = weighted({ a: 1, b: 1, c: 2, d: 4 })
    const counts = countsOf(ownersOf(bench, exchange))
    for (const [name, weight] of Object.entries({ a: 1, b: 1, c: 2, d: 4 })) {
      const share = (counts.get(name) ?? 0) / keys.length
      expect(share).toBeGreaterThan((weight / 8) * 0.7)
      expect(share).toBeLessThan((weight / 8) * 1.3)
    }
  })

  it('gives a key to the same target in another life, in whatever order bindings came', () => {
    const one = weighted({ a: 1, b: 3, c: 2 })
    const other = weighted({ c: 2, gone: 5, a: 1, b: 3 })
    other.bench.unbind(other.bounds[1]!)
    expect(ownersOf(other.bench, other.exchange)).toEqual(ownersOf(one.bench, one.exchange))
  })

  it('moves keys only to a target that comes, and only from one that goes', () => {
    const { bench, exchange } = weighted({ a: 1, b: 1, c: 1 })
    const before = ownersOf(bench, exchange)
    const bound = bench.bind(exchange, 'd', { routingKey: '1' })
    const between = ownersOf(bench, exchange)
    for (const [index, owner] of between.entries())
      if (owner !== 'd') expect(owner).toBe(before[index])
    expect(between).toContain('d')
    bench.unbind(bound)
    expect(ownersOf(bench, exchange)).toEqual(before)
  })

  it('shares by weight also when there is no room for all places', () => {
    const { bench, exchange } = weighted({ a: 20_000, b: 10_000 })
    bench.bind(exchange, 'c', { routingKey: '10000' })
    const counts = countsOf(ownersOf(bench, exchange))
    expect((counts.get('a') ?? 0) / keys.length).toBeCloseTo(0.5, 1)
    expect((counts.get('c') ?? 0) / keys.length).toBeCloseTo(0.25, 1)
  })

  it('serves the largest weights and thousands of targets', () => {
    const { bench, exchange } = weighted({ a: HASH_WEIGHT_MAX, b: 1 })
    for (let index = 0; index < 5_000; index++)
      bench.bind(exchange, `q${index}`, { routingKey: String(HASH_WEIGHT_MAX) })
    expect(countsOf(ownersOf(bench, exchange)).size).toBeGreaterThan(3_000)
  })

  it('refuses a binding whose key is no weight, and stays as it was', () => {
    const { bench, exchange } = weighted({ a: 1 })
    const wrong = [
      '',
      '0',
      '-1',
      '1.5',
      'x',
      '1e3',
      ' 1',
      String(HASH_WEIGHT_MAX + 1),
      '9'.repeat(40),
    ]
    for (const routingKey of wrong)
      expect(() => bench.bind(exchange, 'b', { routingKey })).toThrow('is no weight')
    expect(exchange.bindingCount).toBe(1)
    expect([...bench.table.bindingsTo(bench.target('b'))]).toEqual([])
    bench.bind(exchange, 'b', { routingKey: String(HASH_WEIGHT_MAX) })
    expect(bench.route(exchange, 'k')).toEqual(['b'])
  })

  it('goes by a header where it has the name of one', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'consistent-hash', hashHeader: 'customer' })
    for (const name of ['a', 'b', 'c', 'd']) bench.bind(exchange, name, { routingKey: '1' })
    const ownerOf = (key: string, headers: Record<string, string>) =>
      bench.route(exchange, messageOf(key, headers))[0]
    const first = ownerOf('k1', { customer: 's7' })
    for (const key of keys.slice(0, 50)) expect(ownerOf(key, { customer: 's7' })).toBe(first)
    const owners = keys.slice(0, 50).map((key) => ownerOf('k', { customer: key }))
    expect(new Set(owners).size).toBe(4)
    expect(new Set(keys.slice(0, 50).map((key) => ownerOf(key, {}))).size).toBe(1)
  })

  it('has one target for a message with several keys, and none without bindings', () => {
    const { bench, exchange, bounds } = weighted({ a: 1, b: 1, c: 1 })
    expect(bench.route(exchange, messageOf('k', {}, keys))).toEqual(bench.route(exchange, 'k'))
    for (const bound of bounds) bench.unbind(bound)
    expect(bench.route(exchange, 'k')).toEqual([])
  })
})

describe('a modulus-hash exchange', () => {
  const even = (names: readonly string[]) => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'modulus-hash' })
    const bounds = names.map((name) => bench.bind(exchange, name, { routingKey: 'ignored' }))
    return { bench, exchange, bounds }
  }

  it('shares keys out evenly, the same in another life', () => {
    const { bench, exchange } = even(['a', 'b', 'c', 'd'])
    const owners = ownersOf(bench, exchange)
    for (const count of countsOf(owners).values()) {
      expect(count).toBeGreaterThan(2_300)
      expect(count).toBeLessThan(2_700)
    }
    const other = even(['d', 'b', 'a', 'gone', 'c'])
    other.bench.unbind(other.bounds[3]!)
    expect(ownersOf(other.bench, other.exchange)).toEqual(owners)
  })

  it('goes by the hash modulo the count', () => {
    const { bench, exchange } = even(['a', 'b', 'c'])
    for (const key of keys.slice(0, 20))
      expect(bench.route(exchange, key)).toEqual([['a', 'b', 'c'][hashText(key) % 3]])
  })

  it('has no target without bindings', () => {
    const { bench, exchange, bounds } = even(['a'])
    bench.unbind(bounds[0]!)
    expect(bench.route(exchange, 'k')).toEqual([])
  })
})

describe('a random exchange', () => {
  it('takes one binding after what chance says, and no other', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'random' })
    const bounds = ['a', 'b', 'c'].map((name) => bench.bind(exchange, name))
    const draw = (count: number) =>
      Array.from({ length: count }, () => bench.route(exchange, messageOf('k', {}, ['l']))).flat()
    expect(draw(6)).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
    bench.unbind(bounds[0]!)
    expect(draw(4).sort()).toEqual(['b', 'b', 'c', 'c'])
    bench.unbind(bounds[2]!)
    expect(draw(2)).toEqual(['b', 'b'])
    bench.unbind(bounds[1]!)
    expect(draw(1)).toEqual([])
  })
})

it('hashes text as it always did', () => {
  // Owners of keys change with these numbers: they are for ever.
  const hashes = ['', 'a', 'key-1', 'größe🙂'].map((text) => hashText(text))
  expect(hashes).toEqual([2_872_998_923, 444_641_715, 1_675_941_015, 3_829_226_198])
})
