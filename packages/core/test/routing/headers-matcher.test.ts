import fc from 'fast-check'
import type { HeaderMatch } from '../../src/engine/messaging.ts'
import { RoutingBench, messageOf } from './support.ts'

type Wanted = Readonly<Record<string, string | null>>
type Given = Readonly<Record<string, string>>

const routes = (match: HeaderMatch | undefined, headers: Wanted | undefined, given: Given) => {
  const bench = new RoutingBench()
  const exchange = bench.exchange('x', { type: 'headers' })
  bench.bind(exchange, 'q', { match, headers })
  return bench.route(exchange, messageOf('any', given)).length === 1
}

it.each<[HeaderMatch | undefined, Wanted | undefined, Given, boolean]>([
  ['all', { a: 's1', b: 's2' }, { a: 's1', b: 's2' }, true],
  ['all', { a: 's1', b: 's2' }, { a: 's1', b: 's2', c: 's3' }, true],
  ['all', { a: 's1', b: 's2' }, { a: 's1' }, false],
  ['all', { a: 's1', b: 's2' }, { a: 's1', b: 'sX' }, false],
  ['all', { a: 's1' }, { a: 'i1' }, false],
  ['all', { a: 's1' }, {}, false],
  ['any', { a: 's1', b: 's2' }, { a: 's1' }, true],
  ['any', { a: 's1', b: 's2' }, { b: 's2', a: 'sX' }, true],
  ['any', { a: 's1', b: 's2' }, { a: 's2', b: 's1' }, false],
  ['any', { a: 's1', b: 's2' }, {}, false],
  ['all', { a: null }, { a: 's1' }, true],
  ['all', { a: null }, { a: '' }, true],
  ['all', { a: null }, { b: 's1' }, false],
  ['any', { a: null, b: 's2' }, { a: 'sX' }, true],
  ['any', { a: null, b: 's2' }, { b: 'sX' }, false],
  [undefined, { a: 's1', b: 's2' }, { a: 's1' }, false],
  [undefined, { a: 's1' }, { a: 's1' }, true],
  // Nothing asked for.
  ['all', {}, {}, true],
  ['all', undefined, { a: 's1' }, true],
  [undefined, undefined, {}, true],
  ['all-with-x', {}, {}, true],
  ['any', {}, { a: 's1' }, false],
  ['any-with-x', undefined, { a: 's1' }, false],
  // Names that begin with x-.
  ['all', { 'x-a': 's1', b: 's2' }, { b: 's2' }, true],
  ['all', { 'x-a': 's1' }, {}, true],
  ['any', { 'x-a': 's1' }, { 'x-a': 's1' }, false],
  ['all-with-x', { 'x-a': 's1', b: 's2' }, { b: 's2' }, false],
  ['all-with-x', { 'x-a': 's1', b: 's2' }, { b: 's2', 'x-a': 's1' }, true],
  ['any-with-x', { 'x-a': 's1', b: 's2' }, { 'x-a': 's1' }, true],
  ['all', { 'X-a': 's1' }, {}, false],
  ['all', { xa: 's1' }, {}, false],
  ['all', { __proto__x: 's1', constructor: 's2' }, { constructor: 's2' }, false],
])('%j of %j, given %j: %s', (match, headers, given, expected) => {
  expect(routes(match, headers, given)).toBe(expected)
})

it('finds what a look at every binding finds, also after bindings went', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'x-d')
  const wanted = fc.dictionary(name, fc.constantFrom('s1', 's2', null), { maxKeys: 4 })
  const given = fc.dictionary(name, fc.constantFrom('s1', 's2', 's3'), { maxKeys: 4 })
  const match = fc.constantFrom<HeaderMatch>('all', 'any', 'all-with-x', 'any-with-x')
  const binding = fc.record({ match, headers: wanted })
  const expects = (one: { match: HeaderMatch; headers: Wanted }, headers: Given): boolean => {
    const hits = Object.entries(one.headers)
      .filter(([key]) => one.match.endsWith('x') || !key.startsWith('x-'))
      .map(([key, value]) =>
        value === null ? Object.hasOwn(headers, key) : headers[key] === value,
      )
    return one.match.startsWith('all') ? hits.every(Boolean) : hits.some(Boolean)
  }
  fc.assert(
    fc.property(fc.array(binding, { maxLength: 12 }), fc.array(given), (all, messages) => {
      const bench = new RoutingBench()
      const exchange = bench.exchange('x', { type: 'headers' })
      const bounds = all.map((one, index) => bench.bind(exchange, `q${index}`, one))
      for (let first = 0; first <= bounds.length; first++) {
        for (const headers of messages) {
          const names = all.flatMap((one, index) =>
            index >= first && expects(one, headers) ? [`q${index}`] : [],
          )
          expect(bench.route(exchange, messageOf('', headers))).toEqual(names.sort())
        }
        if (first < bounds.length) bench.unbind(bounds[first]!)
      }
    }),
  )
})

it('keeps a target that another binding still leads to', () => {
  const bench = new RoutingBench()
  const exchange = bench.exchange('x', { type: 'headers' })
  const one = bench.bind(exchange, 'q', { match: 'all', headers: { a: 's1' } })
  const other = bench.bind(exchange, 'q', { match: 'all', headers: { a: 's1' }, routingKey: 'k' })
  bench.unbind(one)
  expect(bench.route(exchange, messageOf('', { a: 's1' }))).toEqual(['q'])
  bench.unbind(other)
  expect(bench.route(exchange, messageOf('', { a: 's1' }))).toEqual([])
})

describe('the cost of a message', () => {
  const workOf = (crowd: number, given: Given): number => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'headers' })
    for (let index = 0; index < 10; index++)
      bench.bind(exchange, `q${index}`, { match: 'all', headers: { type: 'sorder', shop: 's7' } })
    for (let index = 0; index < crowd; index++) {
      // Every one of them asks for the type that the message has, too.
      const headers = { type: 'sorder', customer: `s${index}` }
      bench.bind(exchange, `c${index}`, { match: index % 3 === 0 ? 'all-with-x' : 'all', headers })
    }
    const before = exchange.matcher.workCount
    expect(bench.route(exchange, messageOf('', given))).toHaveLength(10)
    return exchange.matcher.workCount - before
  }

  it('does not grow with bindings that share a header with it and do not match', () => {
    const given = { type: 'sorder', shop: 's7' }
    expect(workOf(100_000, given)).toBeLessThanOrEqual(2 * workOf(0, given))
  })

  it('is no more than what bindings ask for when a message has thousands of headers', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => [`h${index}`, 's'])
    const given = { ...Object.fromEntries(many), type: 'sorder', shop: 's7' }
    expect(workOf(0, given)).toBeLessThan(10)
  })
})
