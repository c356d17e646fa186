import fc from 'fast-check'
import { RoutingBench } from './support.ts'

/** What the documents of the field say, in the most obvious way. Slow on purpose. */
const oracle = (pattern: readonly string[], words: readonly string[]): boolean => {
  const [first, ...rest] = pattern
  if (first === undefined) return words.length === 0
  if (first === '#')
    return oracle(rest, words) || (words.length > 0 && oracle(pattern, words.slice(1)))
  if (words.length === 0) return false
  return (first === '*' || first === words[0]) && oracle(rest, words.slice(1))
}

const wordsOf = (text: string): string[] => (text === '' ? [] : text.split('.'))

const topicBench = (patterns: readonly string[]) => {
  const bench = new RoutingBench()
  const exchange = bench.exchange('x', { type: 'topic' })
  const bounds = patterns.map((routingKey) => bench.bind(exchange, routingKey, { routingKey }))
  return { bench, exchange, bounds }
}

const matches = (pattern: string, key: string): boolean => {
  const { bench, exchange } = topicBench([pattern])
  return bench.route(exchange, key).length === 1
}

it.each([
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', 'a.a', false],
  ['a', '', false],
  ['', '', true],
  ['', 'a', false],
  ['*', 'a', true],
  ['*', '', false],
  ['*', '.', false],
  ['*', 'a.b', false],
  ['*.*', '.', true],
  ['*.*', 'a.', true],
  ['#', '', true],
  ['#', 'a', true],
  ['#', 'a.b.c', true],
  ['#', '.', true],
  ['a.#', 'a', true],
  ['a.#', 'a.', true],
  ['a.#', 'a.b.c', true],
  ['a.#', 'b', false],
  ['#.a', 'a', true],
  ['#.a', 'b.c.a', true],
  ['#.a', 'a.b', false],
  ['a.#.b', 'a.b', true],
  ['a.#.b', 'a.x.y.b', true],
  ['a.#.b', 'a.x.y', false],
  ['#.#', '', true],
  ['#.*', '', false],
  ['#.*', 'a', true],
  ['*.#', 'a', true],
  ['*.#.*', 'a', false],
  ['*.#.*', 'a.b', true],
  ['#.*.#.*', 'a', false],
  ['#.*.#.*', 'a.b.c', true],
  ['a.*.c', 'a.b.c', true],
  ['a.*.c', 'a..c', true],
  ['a.*.c', 'a.c', false],
  ['a*', 'a*', true],
  ['a*', 'ab', false],
  ['a#.b', 'a#.b', true],
  ['a#.b', 'a.b', false],
  ['a..b', 'a..b', true],
  ['.a', '.a', true],
  ['a.', 'a.', true],
  ['a.', 'a', false],
  ['Ä.*', 'Ä.🙂', true],
  ['__proto__', '__proto__', true],
  ['*.constructor', 'a.constructor', true],
])('topic %j, key %j: %s', (pattern, key, expected) => {
  expect(oracle(wordsOf(pattern), wordsOf(key))).toBe(expected)
  expect(matches(pattern, key)).toBe(expected)
})

const word = fc.constantFrom('a', 'b', 'c', '')
const patternWord = fc.oneof(word, fc.constantFrom('*', '#', '#'))
const patternText = fc.array(patternWord, { maxLength: 6 }).map((words) => words.join('.'))
const keyText = fc.array(word, { maxLength: 7 }).map((words) => words.join('.'))

it('matches what the obvious definition matches, also after bindings went', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(patternText, { minLength: 1, maxLength: 12 }),
      fc.array(keyText, { minLength: 1, maxLength: 8 }),
      fc.nat(11),
      (patterns, keys, removed) => {
        const { bench, exchange, bounds } = topicBench(patterns)
        const expected = (left: readonly string[], key: string): string[] =>
          left.filter((one) => oracle(wordsOf(one), wordsOf(key))).sort()
        for (const key of keys) expect(bench.route(exchange, key)).toEqual(expected(patterns, key))
        const gone = bounds[removed % bounds.length]!
        bench.unbind(gone)
        const left = patterns.filter((one) => one !== gone.binding.routingKey)
        for (const key of keys) expect(bench.route(exchange, key)).toEqual(expected(left, key))
      },
    ),
    { numRuns: 500 },
  )
})

it('tells a target once that several patterns lead to, until the last of them goes', () => {
  const bench = new RoutingBench()
  const exchange = bench.exchange('x', { type: 'topic' })
  const bounds = ['a.b', 'a.*', '#', '#.b', 'a.#.b'].map((routingKey) =>
    bench.bind(exchange, 'q', { routingKey }),
  )
  for (const bound of bounds) {
    expect(bench.route(exchange, 'a.b')).toEqual(['q'])
    bench.unbind(bound)
  }
  expect(bench.route(exchange, 'a.b')).toEqual([])
})

describe('the cost of a key', () => {
  /** Nodes and lookups of one key that was never seen. */
  const workOf = (patterns: readonly string[], key: string): number => {
    const { bench, exchange } = topicBench(patterns)
    const before = exchange.matcher.workCount
    bench.route(exchange, key)
    return exchange.matcher.workCount - before
  }

  it('is its words times the nodes, for patterns that invite to go back', () => {
    const pattern = Array.from({ length: 60 }, () => '#.a').join('.')
    const words = 127
    const key = Array.from({ length: words }, () => 'a').join('.')
    expect(workOf([pattern], key)).toBeLessThanOrEqual((words + 1) * 121 + 1)
    expect(workOf([`${pattern}.b`], key)).toBeLessThanOrEqual((words + 1) * 122 + 1)
  })

  it('is two nodes a word for runs of wildcards, however long', () => {
    const key = Array.from({ length: 32_768 }, () => 'a').join('.')
    const runs = ['#.#.#.#', '#.#.#.#.#.#.#.#.#', Array.from({ length: 100 }, () => '#').join('.')]
    expect(workOf(runs, key)).toBeLessThanOrEqual(2 * 32_769 + 1)
  })

  it('ends with the last node that a key of 32,768 words can be at', () => {
    const key = Array.from({ length: 32_768 }, () => 'a').join('.')
    expect(workOf(['a.*.b', '*.a.c', 'a.a.a.*'], key)).toBeLessThan(20)
  })

  it('does not grow with bindings that it does not match', () => {
    const few = Array.from({ length: 10 }, (_, index) => `*.b.${'#.'.repeat(index)}c`)
    const key = 'a.b.c'
    const alone = workOf(few, key)
    const crowd = Array.from({ length: 100_000 }, (_, index) =>
      index % 2 === 0 ? `*.x${index}.#` : `a.y${index}.*`,
    )
    expect(workOf([...crowd, ...few], key)).toBeLessThanOrEqual(2 * alone)
  })
})

it('gives back the nodes of patterns that are gone', () => {
  const patterns = ['a.*.b', 'a.*', 'a.#', '*.b.#', '#']
  const { bench, exchange, bounds } = topicBench(patterns)
  for (const bound of bounds) bench.unbind(bound)
  const before = exchange.matcher.workCount
  expect(bench.route(exchange, 'a.x.b')).toEqual([])
  // The lookup of the whole key, and no node.
  expect(exchange.matcher.workCount - before).toBe(1)
})
