import type { Delivery } from '@millrace/core'
import { InFlightTable } from '../../../src/native/messaging/in-flight-table.ts'

const deliveryOf = (offset: number): Delivery => ({ offset }) as Delivery

const tableOf = (count: number): InFlightTable => {
  const table = new InFlightTable()
  for (let tag = 1; tag <= count; tag++) table.add(deliveryOf(tag))
  return table
}

const take = (table: InFlightTable, ...ranges: [number, number][]): number[] =>
  table.take(ranges.map(([from, to]) => ({ from, to }))).map(({ tag }) => tag)

it('takes single tags and ranges, once', () => {
  const table = tableOf(10)
  expect(take(table, [3, 3], [5, 7])).toEqual([3, 5, 6, 7])
  expect(take(table, [1, 9007199254740991])).toEqual([1, 2, 4, 8, 9, 10])
  expect(table.count).toBe(0)
})

it('takes nothing when one of the ranges has nothing', () => {
  const table = tableOf(5)
  expect(() => take(table, [1, 3], [6, 9])).toThrow('delivery 6 is not known here')
  expect(() => take(table, [2, 2], [1, 2], [2, 2])).toThrow('delivery 2 is not known here')
  expect(take(table, [1, 5])).toHaveLength(5)
})

it('does not walk a range that is wider than what is in flight', () => {
  const table = tableOf(3)
  table.remove(2)
  // Tag by tag this would not end.
  expect(() => take(table, [4, 9007199254740991])).toThrow('delivery 4')
  expect(take(table, [0, 9007199254740991])).toEqual([1, 3])
})

it('gives out no tag twice', () => {
  const table = tableOf(2)
  take(table, [1, 2])
  expect(table.add(deliveryOf(9))).toBe(3)
})
