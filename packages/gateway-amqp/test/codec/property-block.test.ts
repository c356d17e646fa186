/** Property blocks as the clients write them: found in place, changed, and checked to the end. */
import { utf8Encode } from '@millrace/codec'
import fc from 'fast-check'
import {
  type FieldTable,
  type FieldValue,
  findField,
  textField,
} from '../../src/codec/field-table.ts'
import { BlockWriter, changeBlock, headersOf } from '../../src/codec/property-block.ts'
import { PROPERTIES_COUNT, Property, PropertyScan } from '../../src/codec/property-scan.ts'
import { FIELD_DEPTH_MAX } from '../../src/limits.ts'
import { fieldTables } from '../support/arbitrary-fields.ts'
import { amqplib, cloudView, cloudWrite } from '../support/oracles.ts'

/** Class, weight and size stand before it in a content header. */
const CONTENT_HEADER_BYTES = 12

const byAmqplib = (fields: Record<string, unknown>): Uint8Array => {
  const frame = amqplib.encodeProperties(60, 1, 0, fields)
  return new Uint8Array(frame.subarray(7 + CONTENT_HEADER_BYTES, -1))
}

const toAmqplib = (block: Uint8Array): Record<string, unknown> => {
  const all = amqplib.decode(60, Buffer.from(block))
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

const scanOf = (block: Uint8Array): PropertyScan => {
  const scan = new PropertyScan()
  scan.scan(block)
  return scan
}

const everything = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  headers: { a: 1, b: 'two', CC: ['x'] },
  deliveryMode: 2,
  priority: 7,
  correlationId: 'c-1',
  replyTo: 'answers',
  expiration: '60000',
  messageId: 'm-1',
  timestamp: 1_700_000_000,
  type: 'order',
  userId: 'guest',
  appId: 'shop',
  clusterId: 'old',
}

it('finds every property where amqplib put it', () => {
  const scan = scanOf(byAmqplib(everything))
  expect(scan.text(Property.CONTENT_TYPE)).toBe('text/plain')
  expect(scan.text(Property.CONTENT_ENCODING)).toBe('gzip')
  expect(scan.octet(Property.DELIVERY_MODE, 0)).toBe(2)
  expect(scan.octet(Property.PRIORITY, 0)).toBe(7)
  expect(scan.text(Property.CORRELATION_ID)).toBe('c-1')
  expect(scan.text(Property.REPLY_TO)).toBe('answers')
  expect(scan.text(Property.EXPIRATION)).toBe('60000')
  expect(scan.text(Property.MESSAGE_ID)).toBe('m-1')
  expect(scan.text(Property.TYPE)).toBe('order')
  expect(scan.text(Property.USER_ID)).toBe('guest')
  expect(scan.text(Property.APP_ID)).toBe('shop')
  expect(scan.text(Property.CLUSTER_ID)).toBe('old')
  expect([scan.hasCopies, scan.hasBlindCopies]).toEqual([true, false])
  expect(findField(headersOf(scan), 'a')).toEqual({ type: 'b', value: 1 })
})

it('finds any choice of properties', () => {
  const names = Object.keys(everything) as (keyof typeof everything)[]
  fc.assert(
    fc.property(fc.subarray(names), (chosen) => {
      const fields = Object.fromEntries(chosen.map((name) => [name, everything[name]]))
      const block = byAmqplib(fields)
      const scan = scanOf(block)
      expect(Buffer.from(changeBlock(scan, {}))).toEqual(Buffer.from(block))
      expect(scan.has(Property.PRIORITY)).toBe(chosen.includes('priority'))
      expect(scan.octet(Property.PRIORITY, 3)).toBe(chosen.includes('priority') ? 7 : 3)
      expect(scan.text(Property.APP_ID)).toBe(chosen.includes('appId') ? 'shop' : undefined)
    }),
  )
})

it('reads what @cloudamqp/amqp-client writes, and writes what it reads', () => {
  const properties = { contentType: 'a/b', headers: { x: 'y', n: 5 }, deliveryMode: 2, appId: 'i' }
  const block = cloudWrite((view) => view.setProperties(0, properties))
  const scan = scanOf(block)
  expect(scan.text(Property.CONTENT_TYPE)).toBe('a/b')
  const changed = changeBlock(scan, { texts: new Map([[Property.TYPE, 'new']]) })
  expect(cloudView(changed).getProperties(0)[0]).toEqual({ ...properties, type: 'new' })
})

describe('a change', () => {
  it('leaves every byte of the other headers as it was', () => {
    fc.assert(
      fc.property(fieldTables, fieldTables, (before, after) => {
        const block = new BlockWriter().headers([], before).octet(Property.PRIORITY, 1).finish()
        const changed = changeBlock(scanOf(block), { addHeaders: after })
        const whole = new BlockWriter()
          .headers([], [...before, ...after])
          .octet(Property.PRIORITY, 1)
          .finish()
        if (before.length + after.length > 0) expect(changed).toEqual(whole)
        else expect(scanOf(changed).has(Property.HEADERS)).toBe(false)
      }),
    )
  })

  it('replaces, adds and removes', () => {
    const changed = changeBlock(scanOf(byAmqplib(everything)), {
      texts: new Map([
        [Property.REPLY_TO, 'elsewhere'],
        [Property.EXPIRATION, undefined],
      ]),
      dropHeaders: ['CC'],
      addHeaders: [{ name: 'new', value: textField('yes') }],
    })
    const { expiration, ...rest } = everything
    expect(expiration).toBe('60000')
    const headers = { a: 1, b: 'two', new: 'yes' }
    expect(toAmqplib(changed)).toMatchObject({ ...rest, replyTo: 'elsewhere', headers })
    expect(scanOf(changed).has(Property.EXPIRATION)).toBe(false)
  })

  it('has no table of headers when none is left', () => {
    const block = byAmqplib({ headers: { BCC: ['a'] } })
    const scan = scanOf(block)
    expect(scan.hasBlindCopies).toBe(true)
    expect(changeBlock(scan, { dropHeaders: ['BCC'] })).toEqual(new Uint8Array([0, 0]))
  })
})

it('checks headers of every type in place, as far as the reader of tables does', () => {
  fc.assert(
    fc.property(fieldTables, (table) => {
      const block = new BlockWriter().headers([], table).finish()
      expect(headersOf(scanOf(block))).toEqual(table)
    }),
  )
})

describe('bad input', () => {
  const nested = (depth: number): FieldTable => {
    let value: FieldValue = { type: 'V' }
    for (let level = 0; level < depth; level++) value = { type: 'A', value: [value] }
    return [{ name: 'n', value }]
  }

  it('takes tables nested to the limit and not deeper', () => {
    const blockOf = (depth: number) => new BlockWriter().headers([], nested(depth)).finish()
    expect(() => scanOf(blockOf(FIELD_DEPTH_MAX))).not.toThrow()
    expect(() => scanOf(blockOf(FIELD_DEPTH_MAX + 1))).toThrow(/nested deeper/)
  })

  it('refuses a block that is cut anywhere', () => {
    const block = byAmqplib(everything)
    for (let end = 0; end < block.length; end++) {
      expect(() => scanOf(block.subarray(0, end))).toThrow(/reaches beyond|no property flags/)
    }
  })

  it('refuses bytes that follow, and flags that nobody knows', () => {
    const block = byAmqplib(everything)
    expect(() => scanOf(Buffer.concat([block, Buffer.alloc(1)]))).toThrow(/bytes follow/)
    for (const flags of [1, 2]) {
      expect(() => scanOf(new Uint8Array([0, flags]))).toThrow(/flag is not known/)
    }
  })

  it('reads anything as properties or refuses it, and never reads beyond', () => {
    const flags = fc.integer({ min: 0, max: (1 << PROPERTIES_COUNT) - 1 })
    fc.assert(
      fc.property(flags, fc.uint8Array({ maxLength: 120 }), (chosen, bytes) => {
        const block = Buffer.concat([Buffer.from([chosen >> 6, (chosen << 2) & 0xff]), bytes])
        try {
          headersOf(scanOf(block))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_MALFORMED_BODY' })
        }
      }),
      { numRuns: 3_000 },
    )
  })

  it('takes the same headers as the reader of tables', () => {
    fc.assert(
      fc.property(fieldTables, fc.nat(60), fc.nat(255), (table, at, byte) => {
        const block = new BlockWriter().headers([], table).finish()
        if (at + 2 < block.length) block[at + 2] = byte
        let scanned: PropertyScan | undefined
        try {
          scanned = scanOf(block)
        } catch {
          return
        }
        expect(() => headersOf(scanned as PropertyScan)).not.toThrow()
      }),
    )
  })
})

it('writes numbers that clients read', () => {
  const block = new BlockWriter()
    .text(Property.CONTENT_TYPE, utf8Encode('a/b'))
    .octet(Property.PRIORITY, 9)
    .timestamp(1_700_000_000)
    .finish()
  expect(toAmqplib(block)).toEqual({ contentType: 'a/b', priority: 9, timestamp: 1_700_000_000 })
})
