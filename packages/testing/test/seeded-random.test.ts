import { SeededRandom } from '@millrace/testing'

const draws = (random: SeededRandom, count: number): number[] =>
  Array.from({ length: count }, () => random.uint32())

describe('SeededRandom', () => {
  it('gives the same numbers for the same seed', () => {
    expect(draws(new SeededRandom(7), 1000)).toEqual(draws(new SeededRandom(7), 1000))
  })

  it('gives other numbers for another seed', () => {
    expect(draws(new SeededRandom(7), 8)).not.toEqual(draws(new SeededRandom(8), 8))
  })

  it('gives unsigned 32-bit integers from the whole range', () => {
    const values = draws(new SeededRandom(1), 10_000)
    expect(values.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(
      true,
    )
    expect(Math.max(...values)).toBeGreaterThan(0.99 * 2 ** 32)
    expect(Math.min(...values)).toBeLessThan(0.01 * 2 ** 32)
  })

  it('spreads below() evenly', () => {
    const random = new SeededRandom(3)
    const counts = new Array<number>(10).fill(0)
    for (let index = 0; index < 10_000; index++) counts[random.below(10)]!++
    expect(counts.every((count) => count > 850 && count < 1150)).toBe(true)
  })

  it('keeps between() within its bounds and reaches both', () => {
    const random = new SeededRandom(4)
    const seen = new Set(Array.from({ length: 500 }, () => random.between(-2, 2)))
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2])
  })

  it('forks by seed and label, not by how much was drawn', () => {
    const random = new SeededRandom(5)
    const before = draws(random.fork('disk'), 8)
    draws(random, 100)
    expect(draws(random.fork('disk'), 8)).toEqual(before)
    expect(draws(random.fork('other'), 8)).not.toEqual(before)
  })

  it('fills bytes of any count', () => {
    for (let count = 0; count < 9; count++) {
      expect(new SeededRandom(6).bytes(count)).toHaveLength(count)
    }
  })

  it('refuses to pick from nothing', () => {
    expect(() => new SeededRandom(1).pick([])).toThrow(RangeError)
  })
})
