import fc from 'fast-check'
import type { ExchangeType } from '../../src/engine/messaging.ts'
import type { Exchange } from '../../src/routing/exchange.ts'
import { QueueNameMatcher } from '../../src/routing/queue-name-matcher.ts'
import type { RouteTarget } from '../../src/routing/route-target.ts'
import { RoutingBench, messageOf } from './support.ts'

describe('direct and fanout exchanges', () => {
  it('go by the whole routing key, and by nothing', () => {
    const bench = new RoutingBench()
    const direct = bench.exchange('d')
    const fanout = bench.exchange('f', { type: 'fanout' })
    for (const key of ['a', 'a.b', '', '*', '#', '__proto__'])
      for (const source of [direct, fanout]) bench.bind(source, `q ${key}`, { routingKey: key })
    expect(bench.route(direct, 'a')).toEqual(['q a'])
    expect(bench.route(direct, '')).toEqual(['q '])
    expect(bench.route(direct, '*')).toEqual(['q *'])
    expect(bench.route(direct, '__proto__')).toEqual(['q __proto__'])
    expect(bench.route(direct, 'A')).toEqual([])
    expect(bench.route(fanout, 'anything')).toHaveLength(6)
  })

  it('tell many targets, and fewer when some go', () => {
    const bench = new RoutingBench()
    const fanout = bench.exchange('f', { type: 'fanout' })
    const bounds = Array.from({ length: 100 }, (_, index) => bench.bind(fanout, `q${index}`))
    const left = new Set(bounds.map(({ target }) => target.name))
    for (const bound of [...bounds.slice(20, 70), ...bounds.slice(90), ...bounds.slice(0, 15)]) {
      bench.unbind(bound)
      left.delete(bound.target.name)
      expect(bench.route(fanout, '')).toEqual([...left].sort())
    }
  })
})

describe('the default exchange', () => {
  it('finds queues by name, and those that came since', () => {
    const bench = new RoutingBench()
    const queues = new Map<string, RouteTarget>()
    const matcher = new QueueNameMatcher((name) => queues.get(name))
    const exchange = bench.exchange('', {}, matcher)
    for (let round = 0; round < 3; round++) expect(bench.route(exchange, 'q')).toEqual([])
    queues.set('q', bench.target('q'))
    expect(bench.route(exchange, 'q')).toEqual(['q'])
    expect(bench.route(exchange, messageOf('q', {}, ['r', 'q']))).toEqual(['q'])
  })
})

describe('a message', () => {
  it('reaches a target once, by whatever bindings, keys and ways', () => {
    const bench = new RoutingBench()
    const [first, second, third] = ['1', '2', '3'].map((name) =>
      bench.exchange(name, { type: name === '3' ? 'fanout' : 'topic' }),
    ) as [Exchange, Exchange, Exchange]
    for (const routingKey of ['a', '#', 'b']) {
      bench.bind(first, 'q', { routingKey })
      bench.bind(first, second, { routingKey })
      bench.bind(second, 'q', { routingKey })
      bench.bind(second, third, { routingKey })
    }
    bench.bind(first, third, { routingKey: '*' })
    bench.bind(third, 'q')
    bench.bind(third, bench.target('q', 'topic'))
    const names: string[] = []
    const message = messageOf('a', {}, ['b', 'a', 'c'])
    const visit = ({ kind, name }: RouteTarget): void => void names.push(`${kind} ${name}`)
    expect(bench.table.route(first, message, visit)).toBe(2)
    expect(names.sort()).toEqual(['queue q', 'topic q'])
  })

  it('is matched by each of its keys', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x')
    for (const routingKey of ['a', 'b', 'c']) bench.bind(exchange, routingKey, { routingKey })
    expect(bench.route(exchange, messageOf('a', {}, ['c', 'none']))).toEqual(['a', 'c'])
    expect(bench.route(exchange, messageOf('none', {}, ['b']))).toEqual(['b'])
    expect(bench.route(exchange, messageOf('a', {}, []))).toEqual(['a'])
  })

  it('goes through exchanges of all types', () => {
    const bench = new RoutingBench()
    const types: ExchangeType[] = ['direct', 'topic', 'headers', 'modulus-hash', 'random', 'fanout']
    const chain = types.map((type) => bench.exchange(type, { type }))
    for (const [index, source] of chain.entries())
      bench.bind(source, chain[index + 1] ?? 'q', {
        routingKey: 'k',
        match: 'all',
        headers: { h: 's1' },
      })
    for (let round = 0; round < 3; round++) {
      expect(bench.route(chain[0]!, messageOf('k', { h: 's1' }))).toEqual(['q'])
      expect(bench.route(chain[0]!, messageOf('k', { h: 's2' }))).toEqual([])
    }
  })

  it('ends in circles of exchanges', () => {
    const bench = new RoutingBench()
    const ring = Array.from({ length: 50 }, (_, index) =>
      bench.exchange(`x${index}`, { type: 'fanout' }),
    )
    for (const [index, source] of ring.entries()) {
      bench.bind(source, ring[(index + 1) % ring.length]!)
      bench.bind(source, source)
      bench.bind(source, ring[0]!)
      bench.bind(source, `q${index}`)
    }
    for (let round = 0; round < 3; round++) expect(bench.route(ring[7]!, 'k')).toHaveLength(50)
  })

  it('comes to the end of a chain of 20,000 exchanges', () => {
    const bench = new RoutingBench()
    const chain = Array.from({ length: 20_000 }, (_, index) =>
      bench.exchange(`x${index}`, { type: 'fanout' }),
    )
    for (const [index, source] of chain.entries()) bench.bind(source, chain[index + 1] ?? 'q')
    expect(bench.route(chain[0]!, 'k')).toEqual(['q'])
  })
})

describe('an alternate exchange', () => {
  it('takes what its exchange does not match, and nothing else', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { alternateExchange: 'other' })
    bench.bind(exchange, 'q', { routingKey: 'k' })
    const other = bench.exchange('other', { type: 'fanout' })
    bench.bind(other, 'rest')
    for (let round = 0; round < 3; round++) {
      expect(bench.route(exchange, 'k')).toEqual(['q'])
      expect(bench.route(exchange, 'unknown')).toEqual(['rest'])
      expect(bench.route(exchange, messageOf('unknown', {}, ['k']))).toEqual(['q'])
      expect(bench.route(exchange, messageOf('unknown', {}, ['none']))).toEqual(['rest'])
    }
  })

  it('stays out of it when a match led to a target that was reached before, or to nothing', () => {
    const bench = new RoutingBench()
    const fanout = bench.exchange('f', { type: 'fanout' })
    const exchange = bench.exchange('x', { type: 'fanout', alternateExchange: 'other' })
    const empty = bench.exchange('empty')
    const other = bench.exchange('other', { type: 'fanout' })
    bench.bind(other, 'rest')
    bench.bind(fanout, 'q')
    bench.bind(fanout, exchange)
    const toQueue = bench.bind(exchange, 'q')
    expect(bench.route(fanout, 'k')).toEqual(['q'])
    bench.unbind(toQueue)
    const toEmpty = bench.bind(exchange, empty)
    expect(bench.route(fanout, 'k')).toEqual(['q'])
    bench.unbind(toEmpty)
    expect(bench.route(fanout, 'k')).toEqual(['q', 'rest'])
  })

  it('has an alternate of its own, and circles end', () => {
    const bench = new RoutingBench()
    const names = ['a', 'b', 'c']
    const ring = names.map((name, index) =>
      bench.exchange(name, { alternateExchange: names[(index + 1) % 3]! }),
    )
    bench.bind(ring[2]!, 'q', { routingKey: 'k' })
    expect(bench.route(ring[0]!, 'k')).toEqual(['q'])
    expect(bench.route(ring[0]!, 'none')).toEqual([])
    bench.exchange('self', { alternateExchange: 'self' })
    expect(bench.route(bench.table.find('self')!, 'k')).toEqual([])
  })

  it('may not be there, and counts from when it is', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'topic', alternateExchange: 'other' })
    for (let round = 0; round < 3; round++) expect(bench.route(exchange, 'k')).toEqual([])
    const other = bench.exchange('other', { type: 'fanout' })
    const bound = bench.bind(other, 'q')
    for (let round = 0; round < 3; round++) expect(bench.route(exchange, 'k')).toEqual(['q'])
    bench.unbind(bound)
    bench.table.remove(other)
    expect(other.isDeleted).toBe(true)
    expect(bench.route(exchange, 'k')).toEqual([])
  })
})

describe('who is told of a target', () => {
  it('may route another message through the same exchanges', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'headers' })
    for (let index = 0; index < 5; index++) bench.bind(exchange, `q${index}`)
    const inner: string[] = []
    const outer: string[] = []
    bench.table.route(exchange, messageOf('outer'), ({ name }) => {
      outer.push(name)
      bench.table.route(exchange, messageOf('inner'), (target) => void inner.push(target.name))
    })
    expect(outer.sort()).toEqual(['q0', 'q1', 'q2', 'q3', 'q4'])
    expect(inner).toHaveLength(25)
  })

  it('may remove bindings: this message reaches what it has matched', () => {
    const bench = new RoutingBench()
    const exchange = bench.exchange('x', { type: 'fanout' })
    const bounds = Array.from({ length: 5 }, (_, index) => bench.bind(exchange, `q${index}`))
    const told: string[] = []
    bench.table.route(exchange, messageOf(''), ({ name }) => {
      for (const bound of bounds) bench.unbind(bound)
      told.push(name)
    })
    expect(told).toHaveLength(5)
    expect(bench.route(exchange, '')).toEqual([])
  })

  it('may fail, and so may headers: the next message does not notice', () => {
    const bench = new RoutingBench()
    const fanout = bench.exchange('f', { type: 'fanout' })
    // One before and one after: one of them is still to be matched when it fails.
    bench.bind(fanout, bench.exchange('g', { type: 'fanout' }))
    bench.bind(fanout, bench.exchange('h', { type: 'headers' }))
    bench.bind(fanout, bench.table.find('g')!, { routingKey: 'again' })
    bench.bind(bench.table.find('g')!, 'of another message')
    const headers = bench.table.find('h')!
    bench.bind(headers, 'q', { match: 'any', headers: { a: null } })
    const failing = {
      ...messageOf(''),
      matchHeaders: () => {
        throw new Error('no headers')
      },
    }
    expect(() => bench.table.route(headers, failing, () => undefined)).toThrow('no headers')
    expect(() => bench.table.route(fanout, failing, () => undefined)).toThrow('no headers')
    expect(bench.route(headers, messageOf('', { a: 's' }))).toEqual(['q'])
    const refuse = (): void => {
      throw new Error('no visit')
    }
    expect(() => bench.table.route(headers, messageOf('', { a: 's' }), refuse)).toThrow('no visit')
    expect(bench.route(headers, messageOf('', { a: 's' }))).toEqual(['q'])
  })
})

it('finds the same from memory as anew, whatever changes between', () => {
  const names = ['a', 'b', 'c', 'd']
  const type = fc.constantFrom<ExchangeType>('direct', 'topic', 'fanout', 'headers', 'modulus-hash')
  const end = fc.constantFrom(...names, 'q1', 'q2', 'q3')
  const routingKey = fc.constantFrom('k', '*', '#', 'k.l', '')
  const binding = fc.record({ source: fc.nat(3), end, routingKey })
  const alternate = fc.option(fc.constantFrom(...names), { nil: undefined })
  const exchange = fc.record({ type, alternateExchange: alternate })
  const build = (exchanges: { type: ExchangeType; alternateExchange: string | undefined }[]) => {
    const bench = new RoutingBench()
    for (const [index, one] of exchanges.entries()) bench.exchange(names[index]!, one)
    return bench
  }
  const bindIn = (
    bench: RoutingBench,
    one: { source: number; end: string; routingKey: string },
  ) => {
    const source = bench.table.find(names[one.source]!)!
    const target = bench.table.find(one.end) ?? bench.target(one.end)
    if (source.findBinding({ ...bindingOf(one), targetKind: target.kind }) === undefined)
      bench.bind(source, target, { routingKey: one.routingKey })
  }
  const bindingOf = (one: { source: number; end: string; routingKey: string }) =>
    ({ exchange: names[one.source]!, target: one.end, routingKey: one.routingKey }) as const
  fc.assert(
    fc.property(
      fc.tuple(exchange, exchange, exchange, exchange),
      fc.array(binding, { maxLength: 12 }),
      (exchanges, bindings) => {
        const remembering = build(exchanges)
        for (let count = 0; count <= bindings.length; count++) {
          const fresh = build(exchanges)
          for (const one of bindings.slice(0, count)) bindIn(fresh, one)
          for (const name of names)
            for (const key of ['k', 'k.l', 'none', '']) {
              const expected = fresh.route(fresh.table.find(name)!, key)
              for (let round = 0; round < 3; round++)
                expect(remembering.route(remembering.table.find(name)!, key)).toEqual(expected)
            }
          if (count < bindings.length) bindIn(remembering, bindings[count]!)
        }
      },
    ),
    { numRuns: 60 },
  )
})

describe('the cost of a message', () => {
  it.each<ExchangeType>(['direct', 'topic', 'headers'])(
    'to a %s exchange with 100,000 bindings is that of the few it matches',
    (type) => {
      const workWith = (crowd: number): number => {
        const bench = new RoutingBench()
        const exchange = bench.exchange('x', { type })
        const rest = (key: string) =>
          type === 'headers' ? { match: 'any' as const, headers: { key } } : { routingKey: key }
        for (let index = 0; index < 10; index++) bench.bind(exchange, `q${index}`, rest('wanted'))
        for (let index = 0; index < crowd; index++) bench.bind(exchange, 'crowd', rest(`k${index}`))
        const before = exchange.matcher.workCount
        expect(bench.route(exchange, messageOf('wanted', { key: 'wanted' }))).toHaveLength(10)
        return exchange.matcher.workCount - before
      }
      expect(workWith(100_000)).toBeLessThanOrEqual(2 * workWith(0))
    },
  )
})
