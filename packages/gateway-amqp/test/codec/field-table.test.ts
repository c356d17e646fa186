import { ByteReader, ByteWriter, utf8Encode } from '@millrace/codec'
import fc from 'fast-check'
import { createRequire } from 'node:module'
import {
  type FieldTable,
  type FieldValue,
  readFieldTable,
  writeFieldTable,
} from '../../src/codec/field-table.ts'
import { FIELD_DEPTH_MAX } from '../../src/limits.ts'
import { asAmqplib, commonTables, fieldTables } from '../support/arbitrary-fields.ts'
import { cloudView, cloudWrite } from '../support/oracles.ts'

const require = createRequire(__filename)
const amqplib = require('amqplib-oracle/lib/codec') as {
  encodeTable(into: Buffer, table: object, at: number): number
  decodeFields(bytes: Buffer): Record<string, unknown>
}

const encode = (table: FieldTable): Uint8Array => {
  const writer = new ByteWriter()
  writeFieldTable(writer, table)
  return writer.finish()
}

const decode = (bytes: Uint8Array): FieldTable => readFieldTable(new ByteReader(bytes))

/** A table of one value, whatever its bytes are. */
const around = (hex: string): Uint8Array => {
  const value = Buffer.from(hex, 'hex')
  const writer = new ByteWriter()
  writer
    .uint32(value.length + 2)
    .uint8(1)
    .utf8('k')
    .bytes(value)
  return writer.finish()
}

it('gives every type and value back as it was', () => {
  fc.assert(
    fc.property(fieldTables, (table) => {
      expect(decode(encode(table))).toEqual(table)
    }),
  )
})

it('keeps a name that comes twice, and one that is no name elsewhere', () => {
  const one: FieldValue = { type: 'I', value: 1 }
  const table = ['a', 'a', '__proto__', ''].map((name) => ({ name, value: one }))
  expect(decode(encode(table))).toEqual(table)
})

it.each([
  ['a signed byte', '62ff', { type: 'b', value: -1 }],
  ['an unsigned byte', '42ff', { type: 'B', value: 255 }],
  ['a signed short', '73fffe', { type: 's', value: -2 }],
  ['an unsigned short', '75fffe', { type: 'u', value: 65_534 }],
  ['a signed int', '49fffffffd', { type: 'I', value: -3 }],
  ['an unsigned int', '69fffffffd', { type: 'i', value: 4_294_967_293 }],
  ['a signed long', '6cfffffffffffffffc', { type: 'l', value: -4n }],
  ['an unsigned long', '4cfffffffffffffffc', { type: 'L', value: 18_446_744_073_709_551_612n }],
  ['a float', '663fc00000', { type: 'f', value: 1.5 }],
  ['a double', '643ff8000000000000', { type: 'd', value: 1.5 }],
  ['a decimal', '4402fffffffb', { type: 'D', scale: 2, value: -5 }],
  ['a timestamp', '540000000065000000', { type: 'T', value: 0x65000000n }],
  ['true', '7401', { type: 't', value: true }],
  ['nothing', '56', { type: 'V' }],
  ['a text', '53000000026869', { type: 'S', value: utf8Encode('hi') }],
  ['bytes', '780000000100', { type: 'x', value: new Uint8Array([0]) }],
  ['a list', '4100000003620156', { type: 'A', value: [{ type: 'b', value: 1 }, { type: 'V' }] }],
  [
    'a table',
    '46000000030161 56'.replace(' ', ''),
    { type: 'F', value: [{ name: 'a', value: { type: 'V' } }] },
  ],
])('reads and writes %s', (_name, hex, value) => {
  const table = [{ name: 'k', value: value as FieldValue }]
  expect(decode(around(hex))).toEqual(table)
  expect(Buffer.from(encode(table)).toString('hex')).toBe(Buffer.from(around(hex)).toString('hex'))
})

describe('with the codecs of clients', () => {
  it('is read by amqplib as it was written', () => {
    fc.assert(
      fc.property(commonTables, (table) => {
        const bytes = Buffer.from(encode(table))
        expect(amqplib.decodeFields(bytes.subarray(4))).toEqual(asAmqplib(table))
      }),
    )
  })

  it('reads what amqplib wrote', () => {
    fc.assert(
      fc.property(commonTables, (table) => {
        const plain = asAmqplib(table)
        const bytes = Buffer.alloc(64 * 1024)
        const length = amqplib.encodeTable(bytes, plain, 0)
        expect(asAmqplib(decode(bytes.subarray(0, length)))).toEqual(plain)
      }),
    )
  })

  it('goes both ways with @cloudamqp/amqp-client', () => {
    const table = {
      text: 'käse',
      yes: true,
      small: 5,
      large: 5_000_000_000,
      half: 0.5,
      nothing: null,
      list: [1, 'two', { three: 3 }],
      at: new Date(1_700_000_000_000),
      nested: { deep: { deeper: 'x' } },
    }
    const written = cloudWrite((view) => view.setTable(0, table))
    const fields = decode(written)
    expect(fields.map(({ name }) => name)).toEqual(Object.keys(table))
    expect(cloudView(encode(fields)).getTable(0)[0]).toEqual(table)
  })
})

describe('bad input', () => {
  const nested = (depth: number, type: 'A' | 'F'): FieldTable => {
    let value: FieldValue = { type: 'V' }
    for (let level = 0; level < depth; level++) {
      value = type === 'A' ? { type, value: [value] } : { type, value: [{ name: 'n', value }] }
    }
    return [{ name: 'n', value }]
  }

  it.each(['A', 'F'] as const)('takes tables nested to the limit and not deeper: %s', (type) => {
    expect(decode(encode(nested(FIELD_DEPTH_MAX, type)))).toHaveLength(1)
    expect(() => decode(encode(nested(FIELD_DEPTH_MAX + 1, type)))).toThrow(/nested deeper/)
  })

  it.each([
    ['a length beyond the end', '53ffffffff', /4294967295 bytes wanted/],
    ['a table beyond the end', '46ffffffff', /a table of/],
    ['a list that cuts its last value', '41000000024900', /wanted|reaches beyond/],
    ['a type that there is none', '7a00', /no field type 122/],
  ])('refuses %s', (_name, hex, message) => {
    expect(() => decode(around(hex))).toThrow(message)
  })

  it('refuses a value that reaches beyond its table', () => {
    expect(() => decode(Buffer.from('00000003016b49ffffffff', 'hex'))).toThrow(/reaches beyond/)
  })

  it('reads anything as a table or refuses it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decode(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_MALFORMED_BODY' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
