/** Every method against amqplib's codec, both ways. */
import { ByteReader, ByteWriter, utf8Encode } from '@millrace/codec'
import fc from 'fast-check'
import type { FieldTable } from '../../src/codec/field-table.ts'
import { FRAME_HEADER_BYTES } from '../../src/codec/frame.ts'
import { type MethodName, methodTable } from '../../src/codec/method-table.ts'
import {
  findMethod,
  type MethodFields,
  readMethod,
  shortStringBytes,
  writeMethod,
} from '../../src/codec/methods.ts'
import { asAmqplib, commonTables } from '../support/arbitrary-fields.ts'
import {
  amqplib,
  amqplibMethods,
  nameOf,
  type OracleField,
  type OracleMethod,
} from '../support/oracles.ts'

const IDS_BYTES = 4
const shortText = fc.string({ maxLength: 60, unit: 'grapheme' })

const arbitraryOf = ({ type }: OracleField): fc.Arbitrary<unknown> => {
  switch (type) {
    case 'octet':
      return fc.integer({ min: 0, max: 0xff })
    case 'short':
      return fc.integer({ min: 0, max: 0xffff })
    case 'long':
      return fc.integer({ min: 0, max: 0xffff_ffff })
    case 'longlong':
      return fc.maxSafeNat()
    case 'bit':
      return fc.boolean()
    case 'shortstr':
      return shortText
    case 'longstr':
      return fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    default:
      return commonTables
  }
}

const fieldsOf = (method: OracleMethod): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(Object.fromEntries(method.args.map((field) => [field.name, arbitraryOf(field)])))

const forAmqplib = (method: OracleMethod, fields: Record<string, unknown>) =>
  Object.fromEntries(
    method.args.map(({ name, type }) => [
      name,
      type === 'table' ? asAmqplib(fields[name] as FieldTable) : fields[name],
    ]),
  )

const encode = (name: MethodName, fields: Record<string, unknown>): Buffer => {
  const writer = new ByteWriter()
  writeMethod(writer, name, fields as MethodFields<MethodName>)
  return Buffer.from(writer.finish())
}

const decode = (name: MethodName, bytes: Uint8Array) =>
  readMethod(name, new ByteReader(bytes, IDS_BYTES)) as Record<string, unknown>

describe.each(amqplibMethods.map((method) => [nameOf(method), method] as const))(
  '%s',
  (text, method) => {
    const name = text as MethodName

    it('has the numbers and fields that amqplib knows', () => {
      const { classId, methodId, fields } = methodTable[name]
      expect({ classId, methodId }).toEqual({ classId: method.classId, methodId: method.methodId })
      expect(Object.entries(fields)).toEqual(method.args.map(({ name: n, type }) => [n, type]))
      expect(findMethod(classId, methodId)?.name).toBe(name)
    })

    it('is read as amqplib wrote it, and written so that amqplib reads it', () => {
      fc.assert(
        fc.property(fieldsOf(method), (fields) => {
          const plain = forAmqplib(method, fields)
          const frame = amqplib.encodeMethod(method.id, 1, plain)
          const theirs = frame.subarray(FRAME_HEADER_BYTES, -1)
          const read = decode(name, theirs)
          expect(forAmqplib(method, read)).toEqual(plain)
          const ours = encode(name, fields)
          expect(amqplib.decode(method.id, ours.subarray(IDS_BYTES))).toEqual(plain)
          expect(decode(name, ours)).toEqual(
            Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, asRead(value)])),
          )
        }),
        { numRuns: 30 },
      )
    })
  },
)

/** Long strings are plain bytes here. */
const asRead = (value: unknown): unknown => (Buffer.isBuffer(value) ? new Uint8Array(value) : value)

it('knows no method that amqplib does not', () => {
  expect(Object.keys(methodTable).sort()).toEqual(amqplibMethods.map(nameOf).sort())
})

it('knows no method without a row', () => {
  expect(findMethod(60, 999)).toBeUndefined()
  expect(findMethod(999, 10)).toBeUndefined()
})

it.each(Object.keys(methodTable) as MethodName[])(
  'refuses a cut %s, wherever it is cut',
  (name) => {
    const sample = amqplibMethods.find((method) => nameOf(method) === name)
    const [fields = {}] = fc.sample(fieldsOf(sample as OracleMethod), { numRuns: 1, seed: 7 })
    const bytes = encode(name, fields)
    for (let end = IDS_BYTES; end < bytes.length; end++) {
      expect(() => decode(name, bytes.subarray(0, end))).toThrow(/wanted|a table of/)
    }
  },
)

it('refuses names that are not UTF-8', () => {
  const bytes = Buffer.from('0032000a000002c32800000000', 'hex')
  expect(() => decode('queue.declare', bytes)).toThrow(/not UTF-8/)
})

it('cuts a text that does not fit at a character', () => {
  expect(shortStringBytes('x'.repeat(255))).toHaveLength(255)
  expect(shortStringBytes('x'.repeat(256))).toHaveLength(255)
  expect(shortStringBytes(`${'x'.repeat(254)}ä`)).toEqual(utf8Encode('x'.repeat(254)))
})
