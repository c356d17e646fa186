import fc from 'fast-check'
import { TargetList } from '../../src/routing/target-list.ts'
import { targetNamed } from './support.ts'

it('holds a target as long as one of its bindings does, in short lists and long ones', () => {
  const targets = Array.from({ length: 24 }, (_, index) => targetNamed(`q${index}`))
  // More come than go, so that lists grow and many targets are there twice.
  const isAdded = fc.constantFrom(true, true, true, false)
  const step = fc.tuple(isAdded, fc.nat(targets.length - 1))
  const removal = fc.array(fc.nat(targets.length - 1), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), removal, (steps, removals) => {
      const list = new TargetList()
      const counts = new Map<string, number>()
      const all = [...steps, ...removals.map((index) => [false, index] as const)]
      for (const [isComing, index] of all) {
        const target = targets[index]!
        const count = counts.get(target.name) ?? 0
        counts.set(target.name, isComing ? count + 1 : Math.max(0, count - 1))
        if (isComing) list.add(target)
        else list.remove(target)
        const names: string[] = []
        list.visitAll({ visit: ({ name }) => void names.push(name) })
        const expected = [...counts].filter(([, left]) => left > 0).map(([name]) => name)
        expect(names.sort()).toEqual(expected.sort())
        expect(list.size).toBe(expected.length)
      }
    }),
    { numRuns: 25 },
  )
})
