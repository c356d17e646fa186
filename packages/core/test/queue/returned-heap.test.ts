import fc from 'fast-check'
import type { QueueEntry } from '../../src/queue/queue-entry.ts'
import { ReturnedHeap } from '../../src/queue/returned-heap.ts'

const entryAt = (position: number): QueueEntry => ({ position }) as QueueEntry

describe('entries that came back', () => {
  it('leave in the order of their positions, and are found by them', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(500), { maxLength: 60 }),
        fc.nat(500),
        fc.nat(500),
        (positions, one, other) => {
          const heap = new ReturnedHeap()
          for (const position of positions) heap.push(entryAt(position))
          for (const position of positions) expect(heap.at(position)?.position).toBe(position)
          const [from, to] = [Math.min(one, other), Math.max(one, other)]
          const taken = heap.takeBetween(from, to).map(({ position }) => position)
          const isTaken = (position: number): boolean => position >= from && position < to
          expect(new Set(taken)).toEqual(new Set(positions.filter(isTaken)))
          const left: number[] = []
          for (let entry = heap.pop(); entry !== undefined; entry = heap.pop())
            left.push(entry.position)
          const expected = positions.filter((position) => !isTaken(position))
          expect(left).toEqual(expected.sort((left_, right) => left_ - right))
          for (const position of positions) expect(heap.at(position)).toBeUndefined()
          expect(heap.length).toBe(0)
        },
      ),
    )
  })

  it('stay when they are not meant', () => {
    const heap = new ReturnedHeap()
    for (const position of [1, 2, 3]) heap.push(entryAt(position))
    expect(heap.takeBetween(0, 9, ({ position }) => position === 2)).toHaveLength(1)
    expect(heap.length).toBe(2)
    heap.clear()
    expect([heap.length, heap.at(1), heap.peek()]).toEqual([0, undefined, undefined])
  })
})
