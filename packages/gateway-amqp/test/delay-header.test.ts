/** The header of a delay: found in whatever type it came, and negated where it stands. */
import { utf8Decode } from '@millrace/codec'
import fc from 'fast-check'
import { type FieldTable, type FieldValue, findField, textField } from '../src/codec/field-table.ts'
import { BlockWriter, changeBlock, headersOf } from '../src/codec/property-block.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import { negateDelay } from '../src/delay-header.ts'
import { toNeutralHeaders, toPropertyBlock } from '../src/mapping.ts'
import { fieldTables } from './support/arbitrary-fields.ts'

const scanOf = (block: Uint8Array): PropertyScan => {
  const scan = new PropertyScan()
  scan.scan(block)
  return scan
}

const blockOf = (headers: FieldTable): Uint8Array =>
  new BlockWriter()
    .text(Property.CONTENT_TYPE, new Uint8Array([0x61]))
    .headers([], headers)
    .octet(Property.DELIVERY_MODE, 2)
    .finish()

const delayIn = (block: Uint8Array): FieldValue | undefined =>
  findField(headersOf(scanOf(block)), 'x-delay')

const neutralIn = (block: Uint8Array): string | undefined => {
  const value = toNeutralHeaders(block).find(({ key }) => key === 'mr-delay')?.value
  return value === null || value === undefined ? undefined : utf8Decode(value)
}

it.each<[FieldValue, string, FieldValue]>([
  [{ type: 'b', value: 5 }, '5', { type: 'b', value: -5 }],
  [{ type: 'B', value: 200 }, '200', { type: 's', value: -200 }],
  [{ type: 's', value: 5_000 }, '5000', { type: 's', value: -5_000 }],
  [{ type: 'u', value: 65_535 }, '65535', { type: 'I', value: -65_535 }],
  [{ type: 'I', value: 70_000 }, '70000', { type: 'I', value: -70_000 }],
  [{ type: 'i', value: 4_294_967_295 }, '4294967295', { type: 'l', value: -4_294_967_295n }],
  [{ type: 'l', value: 5n }, '5', { type: 'l', value: -5n }],
  [{ type: 'L', value: 5n }, '5', { type: 'l', value: -5n }],
  [
    { type: 'L', value: 2n ** 64n - 1n },
    '18446744073709551615',
    { type: 'l', value: 1n - 2n ** 63n },
  ],
  [{ type: 'd', value: 2.5 }, '2.5', { type: 'd', value: -2.5 }],
  [textField('5000'), '5000', textField('-5000')],
  [textField('+5'), '+5', textField('-5')],
])('%j is %s, and has the other sign afterwards', (field, neutral, negated) => {
  const block = blockOf([{ name: 'x-delay', value: field }])
  expect(neutralIn(block)).toBe(neutral)
  expect(delayIn(negateDelay(block))).toEqual(negated)
})

it('leaves everything else byte for byte as it lies', () => {
  const property = fc.property(fieldTables, fieldTables, (before, after) => {
    const rest = [before, after].map((table) => table.filter(({ name }) => name !== 'x-delay'))
    const around = (value: FieldValue): Uint8Array =>
      blockOf([...rest[0]!, { name: 'x-delay', value }, ...rest[1]!])
    expect(negateDelay(around({ type: 'I', value: 7 }))).toEqual(around({ type: 'I', value: -7 }))
    const without = blockOf([...rest[0]!, ...rest[1]!])
    expect(negateDelay(without)).toBe(without)
  })
  fc.assert(property)
})

it('changes nothing that is no delay, and the first of several', () => {
  const odd = blockOf([{ name: 'x-delay', value: { type: 't', value: true } }])
  expect(negateDelay(odd)).toBe(odd)
  expect(negateDelay(new Uint8Array(2))).toEqual(new Uint8Array(2))
  const one = { name: 'x-delay', value: { type: 'I', value: 1 } } as const
  const two = blockOf([one, one])
  const negated = { name: 'x-delay', value: { type: 'I', value: -1 } } as const
  expect(negateDelay(two)).toEqual(blockOf([negated, one]))
  expect(changeBlock(scanOf(two), {})).toEqual(two)
})

it.each(['5000', '-5000'])('comes from another protocol as a number: %s', (delay) => {
  const value = new TextEncoder().encode(delay)
  expect(delayIn(toPropertyBlock([{ key: 'mr-delay', value }]))).toEqual({
    type: 'l',
    value: BigInt(delay),
  })
})
