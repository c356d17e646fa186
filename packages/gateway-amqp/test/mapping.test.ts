/** Between properties and neutral headers, along the column `amqp` of the message model. */
import {
  messageModelProtocols,
  type RecordHeader,
  type ReservedHeaderKey,
  reservedHeaders,
  utf8Decode,
  utf8Encode,
} from '@millrace/codec'
import fc from 'fast-check'
import { findField, textField } from '../src/codec/field-table.ts'
import { BlockWriter, headersOf } from '../src/codec/property-block.ts'
import { Property, PropertyScan } from '../src/codec/property-scan.ts'
import { losesTypes, toNeutralHeaders, toPropertyBlock } from '../src/mapping.ts'
import { fieldTables } from './support/arbitrary-fields.ts'

const header = (key: string, value: string | null): RecordHeader => ({
  key,
  value: value === null ? null : utf8Encode(value),
})

const scanOf = (block: Uint8Array): PropertyScan => {
  const scan = new PropertyScan()
  scan.scan(block)
  return scan
}

const textsOf = (headers: readonly RecordHeader[]) =>
  headers.map(({ key, value }) => [key, value === null ? null : utf8Decode(value)])

const deaths = JSON.stringify([
  {
    queue: 'q',
    reason: 'expired',
    count: 2,
    exchange: 'e',
    routingKeys: ['k', 'l'],
    timeMs: 5_000,
  },
])

/** A value for every reserved header, and what it is after a way through AMQP. */
const samples: Readonly<Record<ReservedHeaderKey, string>> = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  correlationId: 'c-1',
  replyTo: 'answers',
  messageId: 'm-1',
  expiry: '60000',
  priority: '7',
  persistence: '1',
  type: 'order',
  userId: 'anna',
  appId: 'shop',
  publishTimestamp: '1700000000000',
  deliveryCount: '3',
  deadLetterHistory: deaths,
  partitionKey: 'p',
  exchange: 'orders',
  routingKey: 'orders.new',
  delay: '500',
  payloadFormat: '1',
  retain: '1',
  propertyBlock: 'nonsense',
  traceParent: '00-abc',
  traceState: 'a=b',
}

/** They stand beside a message in AMQP, or never leave the broker. */
const besideTheMessage: readonly ReservedHeaderKey[] = ['exchange', 'routingKey', 'propertyBlock']

const keys = Object.keys(reservedHeaders) as ReservedHeaderKey[]

it('has a column for AMQP', () => expect(messageModelProtocols).toContain('amqp'))

describe.each(keys)('the header %s', (key) => {
  const { name, amqp } = reservedHeaders[key]
  const given = header(name, samples[key])
  const scan = scanOf(toPropertyBlock([given]))

  it('comes back from AMQP as it went, or is not carried', () => {
    const expected = besideTheMessage.includes(key) ? [] : textsOf([given])
    expect(textsOf(toNeutralHeaders(scan.bytes))).toEqual(expected)
  })

  it('is in AMQP what the table says', () => {
    const isProperty = amqp.includes(' property')
    const field = headersOf(scan).map((one) => one.name)
    if (besideTheMessage.includes(key)) expect(scan.flags).toBe(0)
    else if (isProperty) expect(field).toEqual([])
    else expect(amqp.split(' ')[0]).toBe(field[0])
  })
})

it('counts persistence, time and priority as AMQP does', () => {
  const scan = scanOf(
    toPropertyBlock([
      header('mr-persistence', '0'),
      header('mr-timestamp', '1700000000999'),
      header('mr-priority', '300'),
    ]),
  )
  expect(scan.octet(Property.DELIVERY_MODE, 0)).toBe(1)
  expect(Buffer.from(scan.raw(Property.TIMESTAMP)).readBigUInt64BE()).toBe(1_700_000_000n)
  expect(scan.octet(Property.PRIORITY, 0)).toBe(255)
})

it('makes text of every type of value', () => {
  const table = [
    { name: 'text', value: textField('käse') },
    { name: 'yes', value: { type: 't', value: true } },
    { name: 'int', value: { type: 'I', value: -5 } },
    { name: 'long', value: { type: 'l', value: 1n << 60n } },
    { name: 'double', value: { type: 'd', value: 0.5 } },
    { name: 'decimal', value: { type: 'D', scale: 2, value: -5 } },
    { name: 'time', value: { type: 'T', value: 1_700_000_000n } },
    { name: 'nothing', value: { type: 'V' } },
    {
      name: 'list',
      value: { type: 'A', value: [textField('a'), { type: 'l', value: 1n << 60n }] },
    },
    { name: 'table', value: { type: 'F', value: [{ name: '__proto__', value: { type: 'V' } }] } },
  ] as const
  expect(textsOf(toNeutralHeaders(new BlockWriter().headers([], table).finish()))).toEqual([
    ['text', 'käse'],
    ['yes', 'true'],
    ['int', '-5'],
    ['long', '1152921504606846976'],
    ['double', '0.5'],
    ['decimal', '-0.05'],
    ['time', '1700000000'],
    ['nothing', null],
    ['list', '["a","1152921504606846976"]'],
    ['table', '{"__proto__":null}'],
  ])
})

it('never fails on a sound block, and says when types would be lost', () => {
  fc.assert(
    fc.property(fieldTables, (table) => {
      const block = new BlockWriter().headers([], table).finish()
      const neutral = toNeutralHeaders(block)
      const keeps = !losesTypes(scanOf(block))
      const names = new Set(table.map(({ name }) => name))
      const isOrdinary = ![...names].some((name) => name === 'BCC' || name.startsWith('mr-'))
      if (!keeps || !isOrdinary) return
      expect(headersOf(scanOf(toPropertyBlock(neutral)))).toEqual(table)
    }),
  )
})

describe('headers that a client makes up', () => {
  it.each(['mr-user-id', 'mr-property-block', 'mr-exchange', 'mr-content-type', 'mr-anything'])(
    'cannot speak for the broker: %s',
    (name) => {
      const block = new BlockWriter().headers([], [{ name, value: textField('x') }]).finish()
      expect(toNeutralHeaders(block)).toEqual([])
    },
  )

  it('are taken where AMQP has them among its headers', () => {
    const field = { name: 'mr-partition-key', value: textField('x') }
    const block = new BlockWriter().headers([], [field]).finish()
    expect(textsOf(toNeutralHeaders(block))).toEqual([['mr-partition-key', 'x']])
  })
})

it('keeps blind copies to itself', () => {
  const list = { type: 'A', value: [textField('secret')] } as const
  const block = new BlockWriter().headers([], [{ name: 'BCC', value: list }]).finish()
  expect(toNeutralHeaders(block)).toEqual([])
  const restored = toPropertyBlock([{ key: 'mr-property-block', value: block }])
  expect(restored).toEqual(new Uint8Array([0, 0]))
})

it('restores the block that the publisher made, and nothing that is none', () => {
  const block = new BlockWriter()
    .headers([], [{ name: 'n', value: { type: 'u', value: 7 } }])
    .finish()
  const kept = { key: 'mr-property-block', value: block }
  expect(toPropertyBlock([header('n', '7'), kept])).toBe(block)
  const broken = { key: 'mr-property-block', value: utf8Encode('nonsense') }
  expect(headersOf(scanOf(toPropertyBlock([header('n', '7'), broken])))).toEqual([
    { name: 'n', value: textField('7') },
  ])
})

describe('what does not fit a property', () => {
  it.each([255, 256])('stands among the headers: a type of %d bytes', (length) => {
    const scan = scanOf(toPropertyBlock([header('mr-type', 'x'.repeat(length))]))
    expect(scan.has(Property.TYPE)).toBe(length === 255)
    expect(headersOf(scan)).toHaveLength(length === 255 ? 0 : 1)
  })

  it.each([255, 256])('has a name of at most 255 bytes, or is left out: %d', (length) => {
    const scan = scanOf(toPropertyBlock([header('n'.repeat(length), 'x')]))
    expect(headersOf(scan)).toHaveLength(length === 255 ? 1 : 0)
  })

  it.each([
    ['mr-priority', 'high'],
    ['mr-timestamp', '-1'],
    ['mr-dead-letters', '{}'],
    ['mr-dead-letters', '[{"queue":5}]'],
    ['mr-dead-letters', 'nonsense'],
  ])('is passed as it is: %s of %s', (name, value) => {
    const scan = scanOf(toPropertyBlock([header(name, value)]))
    expect(findField(headersOf(scan), name)).toEqual(textField(value))
  })

  it('is the second of two', () => {
    const scan = scanOf(toPropertyBlock([header('mr-type', 'a'), header('mr-type', 'b')]))
    expect(scan.text(Property.TYPE)).toBe('a')
    expect(headersOf(scan)).toEqual([{ name: 'mr-type', value: textField('b') }])
  })

  it('says that it is no text', () => {
    const value = new Uint8Array([0xff])
    const scan = scanOf(toPropertyBlock([{ key: 'raw', value }]))
    expect(headersOf(scan)).toEqual([{ name: 'raw', value: { type: 'x', value } }])
  })
})
