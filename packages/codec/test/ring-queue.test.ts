import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { RingQueue } from '../src/ring-queue.ts'

describe('RingQueue', () => {
  it('behaves as an array that is pushed and shifted', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant('push' as const) },
      { weight: 4, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('clear' as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const ring = new RingQueue<number>()
        let model: number[] = []
        steps.forEach((name, value) => {
          if (name === 'push') {
            ring.push(value)
            model.push(value)
          } else if (name === 'shift') {
            expect(ring.shift()).toBe(model.shift())
          } else {
            ring.clear()
            model = []
          }
          expect(ring.length).toBe(model.length)
          expect(ring.peek()).toBe(model[0])
          expect(ring.peekAt(model.length - 1)).toBe(model.at(-1))
        })
      }),
    )
  })

  it('keeps the order when it grows while wrapped around', () => {
    const ring = new RingQueue<number>()
    for (let value = 0; value < 16; value++) ring.push(value)
    for (let value = 0; value < 10; value++) ring.shift()
    for (let value = 16; value < 60; value++) ring.push(value)
    expect(Array.from({ length: 50 }, (_, index) => ring.peekAt(index))).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 10),
    )
  })

  it('has nothing outside its length', () => {
    const ring = new RingQueue<string>()
    expect([ring.peek(), ring.shift(), ring.peekAt(0), ring.length]).toEqual(
      [undefined, undefined, undefined, 0], // prettier-ignore
    )
    ring.push('a')
    expect([ring.peekAt(-1), ring.peekAt(1), ring.peekAt(16)]).toEqual(Array(3).fill(undefined))
  })

  it('does not keep what was shifted alive', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const ring = new RingQueue<object>()
    const pushed = (): WeakRef<object> => {
      const value = {}
      ring.push(value)
      return new WeakRef(value)
    }
    const shifted = pushed()
    const kept = pushed()
    ring.shift()
    // A WeakRef holds its target until the end of the turn that made it.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect([shifted.deref(), kept.deref() === ring.peek()]).toEqual([undefined, true])
  })
})
