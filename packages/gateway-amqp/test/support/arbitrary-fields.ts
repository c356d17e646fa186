/** Field tables of every type, and what the clients' codecs make of them. */
import fc from 'fast-check'
import type { Field, FieldTable, FieldValue } from '../../src/codec/field-table.ts'

const int = (min: number, max: number) => fc.integer({ min, max })
const bytes = fc.uint8Array({ maxLength: 40 })

const scalar: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.record({ type: fc.constant('t' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('b' as const), value: int(-0x80, 0x7f) }),
  fc.record({ type: fc.constant('B' as const), value: int(0, 0xff) }),
  fc.record({ type: fc.constant('s' as const), value: int(-0x8000, 0x7fff) }),
  fc.record({ type: fc.constant('u' as const), value: int(0, 0xffff) }),
  fc.record({ type: fc.constant('I' as const), value: int(-0x8000_0000, 0x7fff_ffff) }),
  fc.record({ type: fc.constant('i' as const), value: int(0, 0xffff_ffff) }),
  fc.record({
    type: fc.constant('l' as const),
    value: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  }),
  fc.record({
    type: fc.constantFrom('L' as const, 'T' as const),
    value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  }),
  fc.record({ type: fc.constant('f' as const), value: fc.float() }),
  fc.record({ type: fc.constant('d' as const), value: fc.double() }),
  fc.record({
    type: fc.constant('D' as const),
    scale: int(0, 255),
    value: int(-0x8000_0000, 0x7fff_ffff),
  }),
  fc.record({ type: fc.constant('S' as const), value: bytes }),
  fc.record({ type: fc.constant('x' as const), value: bytes }),
  fc.record({ type: fc.constant('V' as const) }),
)

export const fieldNames: fc.Arbitrary<string> = fc.string({ maxLength: 20, unit: 'grapheme' })

const { table } = fc.letrec<{ value: FieldValue; table: FieldTable }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    scalar,
    fc.record({
      type: fc.constant('A' as const),
      value: fc.array(tie('value') as fc.Arbitrary<FieldValue>, { maxLength: 5 }),
    }),
    fc.record({
      type: fc.constant('F' as const),
      value: tie('table') as fc.Arbitrary<FieldTable>,
    }),
  ),
  table: fc.array(fc.record({ name: fieldNames, value: tie('value') }) as fc.Arbitrary<Field>, {
    maxLength: 6,
  }),
}))

export const fieldTables: fc.Arbitrary<FieldTable> = table

/** Without what a client does not know, or does not give back: one value a name, plain texts. */
export const commonTables: fc.Arbitrary<FieldTable> = fieldTables.map((all) => commonOf(all))

const commonOf = (fields: FieldTable): FieldTable => {
  const names = new Set<string>()
  return fields.filter(({ name, value }) => {
    const isNew = !names.has(name) && name !== '__proto__' && isCommon(value)
    names.add(name)
    return isNew
  })
}

const isCommon = (value: FieldValue): boolean => {
  switch (value.type) {
    case 'L':
      return false
    case 'D':
      return value.value >= 0
    // amqplib chooses a type by the value, and has none for these.
    case 'f':
    case 'd':
      return Math.abs(value.value) < 2 ** 50 && !Object.is(value.value, -0)
    case 'l':
    case 'T':
      return value.value <= Number.MAX_SAFE_INTEGER && value.value >= Number.MIN_SAFE_INTEGER
    case 'S':
      return Buffer.from(value.value).every((byte) => byte < 0x80)
    case 'A':
      return value.value.every(isCommon)
    case 'F':
      return commonOf(value.value).length === value.value.length
    default:
      return true
  }
}

/** As amqplib decodes it. */
export const asAmqplib = (table: FieldTable): Record<string, unknown> =>
  Object.fromEntries(table.map(({ name, value }) => [name, valueAsAmqplib(value)]))

const valueAsAmqplib = (field: FieldValue): unknown => {
  switch (field.type) {
    case 'S':
      return Buffer.from(field.value).toString()
    case 'x':
      return Buffer.from(field.value)
    case 'V':
      return null
    case 'A':
      return field.value.map(valueAsAmqplib)
    case 'F':
      return asAmqplib(field.value)
    case 'l':
      return Number(field.value)
    case 'T':
      return { '!': 'timestamp', value: Number(field.value) }
    case 'D':
      return { '!': 'decimal', value: { places: field.scale, digits: field.value } }
    default:
      return field.value
  }
}
