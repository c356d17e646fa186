import { isBrokerError } from '@millrace/codec'
import fc from 'fast-check'
import { escapePattern, matchesPattern, parsePattern } from '../../src/identity/pattern.ts'
import { PATTERN_BYTES_MAX, PATTERN_STARS_COUNT_MAX } from '../../src/identity/limits.ts'

const matches = (pattern: string, name: string): boolean =>
  matchesPattern(parsePattern(pattern), name)

const reasonAgainst = (pattern: string): string => {
  try {
    parsePattern(pattern)
  } catch (error) {
    if (isBrokerError(error) && error.code === 'ERR_INVALID_ARGUMENT') return error.message
    throw error
  }
  return ''
}

it.each([
  ['orders', 'orders', true],
  ['orders', 'orders2', false],
  ['orders', 'Orders', false],
  ['orders', '', false],
  ['*', '', true],
  ['*', 'anything.at#all', true],
  ['orders.*', 'orders.', true],
  ['orders.*', 'orders.eu.de', true],
  ['orders.*', 'ordersXeu', false],
  ['orders.#', 'orders.#', true],
  ['orders.#', 'orders.eu', false],
  ['orders.?', 'orders.e', false],
  ['[a-z]', 'b', false],
  ['^a|b$', 'a', false],
  ['*.eu', 'orders.eu', true],
  ['*.eu', '.eu', true],
  ['*.eu', 'eu', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['ab*bc', 'abc', false],
  ['*a*b*', 'xxaxxbxx', true],
  ['*a*b*', 'xxbxxaxx', false],
  ['a**b', 'ab', true],
  ['a*b*c', 'abbc', true],
  ['a*bc*c', 'abc', false],
  ['\\*', '*', true],
  ['\\*', 'x', false],
  ['a\\**', 'a*b', true],
  ['a\\**', 'ab', false],
  ['a\\\\b', 'a\\b', true],
  ['größe*', 'größe🙂', true],
])('the pattern %s and the name %s: %s', (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected)
})

it('gives the same answer as a plain definition of the star', () => {
  const slow = (pattern: string, name: string): boolean => {
    if (pattern === '') return name === ''
    const [first, rest] = [pattern[0], pattern.slice(1)]
    if (first !== '*') return name[0] === first && slow(rest, name.slice(1))
    return slow(rest, name) || (name !== '' && slow(pattern, name.slice(1)))
  }
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 8 })
  const names = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
  fc.assert(
    fc.property(patterns, names, (pattern, name) => {
      fc.pre(pattern.split('*').length - 1 <= PATTERN_STARS_COUNT_MAX)
      expect(matches(pattern, name)).toBe(slow(pattern, name))
    }),
    { numRuns: 2_000 },
  )
})

it('matches an escaped name only', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (name) => {
      // eslint-disable-next-line no-control-regex -- names have none
      fc.pre(!/[\u0000-\u001f\u007f]/u.test(name))
      expect(matches(escapePattern(name), name)).toBe(true)
      expect(matches(escapePattern(name), `${name}x`)).toBe(false)
    }),
  )
})

it('takes a pattern at its limits and refuses one more', () => {
  expect(reasonAgainst('a'.repeat(PATTERN_BYTES_MAX))).toBe('')
  expect(reasonAgainst('a'.repeat(PATTERN_BYTES_MAX + 1))).toContain('longer than 255 bytes')
  expect(reasonAgainst('é'.repeat(128))).toContain('longer than 255 bytes')
  expect(reasonAgainst('*a'.repeat(PATTERN_STARS_COUNT_MAX))).toBe('')
  expect(reasonAgainst('*a'.repeat(PATTERN_STARS_COUNT_MAX + 1))).toContain('more than 8 stars')
})

it.each([
  ['', 'it is empty'],
  ['a\\', 'a backslash stands before'],
  ['a\\b', 'a backslash stands before'],
  ['a\nb', 'control character'],
])('refuses %j', (pattern, reason) => {
  expect(reasonAgainst(pattern)).toContain(reason)
})

it('needs no more steps than pattern times name for a pattern made to hurt', () => {
  const pattern = parsePattern(`${'a*'.repeat(PATTERN_STARS_COUNT_MAX)}b`)
  let looked = 0
  const name = new Proxy(new String('a'.repeat(255)), {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (key !== 'indexOf') return typeof value === 'function' ? value.bind(target) : value
      return (piece: string, from: number) => {
        looked += 1
        return target.indexOf(piece, from)
      }
    },
  })
  matchesPattern(pattern, name as unknown as string)
  expect(looked).toBeLessThanOrEqual(PATTERN_STARS_COUNT_MAX)
})
