import fc from 'fast-check'
import { ConfirmLedger } from '../src/confirm-ledger.ts'

const collect = () => {
  const told: [number, number, boolean][] = []
  const ledger = new ConfirmLedger((from, to, isTaken) => void told.push([from, to, isTaken]))
  return { told, ledger }
}

it('tells what the engine tells, where nothing else happened', () => {
  const { told, ledger } = collect()
  for (let count = 0; count < 5; count++) ledger.published()
  ledger.settled(1, 3, true)
  ledger.settled(4, 5, false)
  expect(told).toEqual([
    [1, 3, true],
    [4, 5, false],
  ])
  expect(ledger.outstanding).toBe(0)
})

it('tells its own outcomes behind what came before', () => {
  const { told, ledger } = collect()
  ledger.settledHere(false)
  ledger.published()
  ledger.published()
  ledger.settledHere(true)
  ledger.settledHere(false)
  ledger.published()
  expect(told).toEqual([[1, 1, false]])
  ledger.settled(1, 3, true)
  expect(told.slice(1)).toEqual([
    [2, 3, true],
    [4, 4, true],
    [5, 5, false],
    [6, 6, true],
  ])
})

it('tells every publication once, in order, with its own outcome', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('engine' as const), isTaken: fc.boolean() }),
    fc.record({ kind: fc.constant('here' as const), isTaken: fc.boolean() }),
    fc.record({ kind: fc.constant('settle' as const), isTaken: fc.boolean() }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { told, ledger } = collect()
      const expected: (boolean | undefined)[] = []
      const engine: number[] = []
      let settled = 0
      const settle = (isTaken: boolean): void => {
        if (settled === engine.length) return
        for (const index of engine.slice(settled)) expected[index] = isTaken
        ledger.settled(settled + 1, engine.length, isTaken)
        settled = engine.length
      }
      for (const { kind, isTaken } of steps) {
        if (kind === 'settle') {
          settle(isTaken)
        } else if (kind === 'here') {
          ledger.settledHere(isTaken)
          expected.push(isTaken)
        } else {
          ledger.published()
          engine.push(expected.length)
          expected.push(undefined)
        }
      }
      settle(true)
      expect(ledger.outstanding).toBe(0)
      const seen = told.flatMap(([from, to, isTaken]) =>
        Array.from({ length: to - from + 1 }, (_, index) => [from + index, isTaken]),
      )
      expect(seen).toEqual(expected.map((isTaken, index) => [index + 1, isTaken]))
    }),
  )
})
