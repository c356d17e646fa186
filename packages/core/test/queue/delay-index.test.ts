import fc from 'fast-check'
import { DelayIndex } from '../../src/queue/delay-index.ts'

const drain = (index: DelayIndex): [number, number][] => {
  const all: [number, number][] = []
  for (; index.length > 0; index.shift()) all.push([index.dueMs, index.position])
  return all
}

describe('the index of what is kept', () => {
  it('gives messages by due time, then by position', () => {
    const one = fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 1_000 }))
    fc.assert(
      fc.property(fc.array(one, { maxLength: 500 }), (entries) => {
        const index = new DelayIndex()
        for (const [dueMs, position] of entries) index.push(dueMs, position)
        const sorted = [...entries].sort(([a, x], [b, y]) => a - b || x - y)
        expect(drain(index)).toEqual(sorted)
      }),
    )
  })

  it('agrees with a sorted list while messages come and go', () => {
    const step = fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const index = new DelayIndex()
        let model: [number, number][] = []
        steps.forEach((dueMs, position) => {
          if (dueMs === undefined) {
            index.shift()
            model = model.slice(1)
          } else {
            index.push(dueMs, position)
            model = [...model, [dueMs, position] as [number, number]]
            model.sort(([a, x], [b, y]) => a - b || x - y)
          }
          expect(index.dueMs).toBe(model[0]?.[0] ?? Infinity)
          expect(index.position).toBe(model[0]?.[1] ?? -1)
        })
      }),
    )
  })

  it('takes 16 bytes for each of a million messages, at most twice that, and gives them back', () => {
    const index = new DelayIndex()
    for (let position = 0; position < 1_000_000; position++)
      index.push((position * 7_919) % 1_000_003, position)
    expect(index.capacity).toBeLessThanOrEqual(2_000_000)
    let last = -1
    let isSorted = true
    for (; index.length > 0; index.shift()) {
      isSorted &&= index.dueMs >= last
      last = index.dueMs
    }
    expect([isSorted, index.capacity]).toEqual([true, 64])
  })
})
