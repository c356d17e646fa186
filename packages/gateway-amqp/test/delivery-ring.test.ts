import fc from 'fast-check'
import { DeliveryRing } from '../src/delivery-ring.ts'

const take = (ring: DeliveryRing<string>, tag: number): readonly string[] | undefined => {
  const into: string[] = []
  return ring.takeUpTo(tag, into, []) ? into : undefined
}

it('gives back what was pushed, once', () => {
  const ring = new DeliveryRing<string>()
  for (let tag = 1; tag <= 5; tag++) ring.push(tag, `d${tag}`)
  expect(ring.take(3)).toBe('d3')
  expect(ring.take(3)).toBeUndefined()
  expect(take(ring, 4)).toEqual(['d1', 'd2', 'd4'])
  expect(take(ring, 4)).toBeUndefined()
  expect(ring.take(6)).toBeUndefined()
  expect(ring.count).toBe(1)
})

it('does what a map by tag does, in any order', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant({ kind: 'push' as const, at: 0 }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), at: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('upTo' as const), at: fc.nat(60) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ring = new DeliveryRing<string>()
      const model = new Map<number, string>()
      let last = 0
      for (const { kind, at } of steps) {
        const tag = Math.max(1, last - at)
        if (kind === 'push') {
          last += 1
          ring.push(last, `d${last}`)
          model.set(last, `d${last}`)
        } else if (kind === 'take') {
          expect(ring.take(tag)).toBe(model.get(tag))
          model.delete(tag)
        } else {
          const known = model.has(tag)
          const expected = [...model].filter(([one]) => one <= tag).map(([, value]) => value)
          expect(take(ring, tag)).toEqual(known ? expected : undefined)
          if (known) for (const one of [...model.keys()]) if (one <= tag) model.delete(one)
        }
        expect(ring.count).toBe(model.size)
      }
      const rest: string[] = []
      ring.takeAll(rest, [])
      expect(rest).toEqual([...model.values()])
    }),
  )
})

it('does not grow for one delivery that nobody settles', () => {
  const ring = new DeliveryRing<string>()
  ring.push(1, 'stuck')
  for (let tag = 2; tag < 100_000; tag++) {
    ring.push(tag, 'quick')
    ring.take(tag)
  }
  expect(ring.count).toBe(1)
  expect(ring.capacity).toBeLessThanOrEqual(32)
  expect(ring.take(1)).toBe('stuck')
})

it('tells tags apart up to 2^53', () => {
  const ring = new DeliveryRing<string>()
  const last = Number.MAX_SAFE_INTEGER
  ring.push(last - 1, 'a')
  ring.push(last, 'b')
  expect(ring.take(last)).toBe('b')
  expect(ring.take(last + 1)).toBeUndefined()
  expect(ring.take(last - 1)).toBe('a')
})
