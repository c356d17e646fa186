import { ByteWriter } from '../../src/byte-writer.ts'
import { writeInt32, writeInt64 } from '../../src/integers.ts'
import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { decodeRecords, RecordCursor } from '../../src/record-batch/record-cursor.ts'
import {
  codeOf,
  forge,
  framed,
  fromHex,
  nullableHex,
  record,
  sign,
  text,
  toHex,
  walk,
} from '../support.ts'

const at = 1_790_000_000_000

const build = (): Uint8Array => {
  const builder = new RecordBatchBuilder({ baseOffset: 1000 })
  builder.append(record('a', '1', at, [{ key: 'h', value: text('x') }]))
  builder.append(record(null, '22', at + 1))
  builder.append(record('c', null, at + 2))
  return builder.build()
}

const deltas = (...values: number[]): Uint8Array => {
  const writer = new ByteWriter()
  for (const value of values) {
    const body = new ByteWriter().int8(0).varlong(0).varint(value)
    writer.bytes(framed(body.varint(-1).varint(-1).varint(0).finish()))
  }
  return writer.finish()
}

describe('RecordCursor', () => {
  it('steps through the records of a batch amid other bytes', () => {
    const batch = build()
    const around = new Uint8Array(batch.length + 20).fill(0xff)
    around.set(batch, 7)
    const cursor = new RecordCursor(around, 7)
    const seen: unknown[] = []
    while (cursor.next()) {
      seen.push([cursor.index, cursor.offset, nullableHex(cursor.key), nullableHex(cursor.value)])
      seen.push(cursor.timestamp - at, cursor.headerCount)
    }
    expect(seen).toEqual([
      [0, 1000, '61', '31'], 0, 1,
      [1, 1001, null, '3232'], 1, 0,
      [2, 1002, '63', null], 2, 0,
    ]) // prettier-ignore
  })

  it('decodes headers at any time, as often as asked, and goes on', () => {
    const cursor = new RecordCursor(build())
    cursor.next()
    for (let round = 0; round < 2; round++) {
      expect(cursor.headers().map(({ key, value }) => [key, nullableHex(value)])).toEqual([
        ['h', '78'],
      ])
    }
    expect(cursor.next()).toBe(true)
    expect(cursor.headers()).toEqual([])
    expect([cursor.offset, toHex(cursor.value!)]).toEqual([1001, '3232'])
  })

  it('finds the first header of a name without decoding any, and goes on', () => {
    const builder = new RecordBatchBuilder()
    const headers = [
      { key: 'tag', value: null },
      { key: 'tags', value: text('no') },
      { key: 'größe', value: text('yes') },
      { key: 'größe', value: text('later') },
      { key: 'empty', value: text('') },
    ]
    builder.append(record('a', '1', at, headers))
    builder.append(record('b', '2', at))
    const cursor = new RecordCursor(builder.build())
    cursor.next()
    const found = (name: string) => {
      const value = cursor.header(text(name))
      return value && toHex(value)
    }
    expect(['größe', 'tag', 'empty', 'gr', 'tagse'].map(found)).toEqual([
      toHex(text('yes')),
      null,
      '',
      undefined,
      undefined,
    ])
    expect(cursor.next()).toBe(true)
    expect([cursor.offset, found('tag')]).toEqual([1, undefined])
  })

  it('stays at the end', () => {
    const cursor = new RecordCursor(build())
    for (let index = 0; index < 3; index++) cursor.next()
    expect([cursor.next(), cursor.next(), cursor.offset]).toEqual([false, false, 1002])
  })

  it('hands out views of the batch', () => {
    const batch = build()
    const cursor = new RecordCursor(batch)
    cursor.next()
    expect(cursor.value?.buffer).toBe(batch.buffer)
  })

  it('gives every record the time of the append, where the batch says so', () => {
    const batch = build()
    batch[22]! |= 0x08
    writeInt64(batch, 35, at + 777)
    const timestamps = decodeRecords(sign(batch)).map((entry) => entry.timestamp)
    expect(timestamps).toEqual([at + 777, at + 777, at + 777])
  })

  it('copes with the gaps that compaction leaves', () => {
    const batch = forge({ records: deltas(2, 3, 9), count: 3, lastOffsetDelta: 11 })
    expect(decodeRecords(batch).map(({ offset, index }) => [offset, index])).toEqual([[2, 0], [3, 1], [9, 2]]) // prettier-ignore
  })

  it('finds nothing in a batch that compaction emptied', () => {
    expect(walk(forge({ records: new Uint8Array(0), count: 0, lastOffsetDelta: 5 }))).toBe(0)
  })

  it('refuses offsets that repeat, fall or exceed the batch', () => {
    for (const values of [
      [0, 0],
      [1, 0],
      [-1, 0],
      [0, 2],
    ]) {
      // prettier-ignore
      const batch = forge({ records: deltas(...values), count: 2 })
      expect([values, codeOf(() => walk(batch))]).toEqual([values, 'ERR_INVALID_BATCH'])
    }
  })

  it.each([-1, 2, 4, 2_147_483_647])('refuses three records that claim to be %d', (count) => {
    const batch = build()
    writeInt32(batch, 57, count)
    expect(codeOf(() => walk(batch))).toBe('ERR_INVALID_BATCH')
  })

  it.each<[string, string, string]>([
    ['a record that claims -1 bytes', '010000000101000000', 'a record claims -1 bytes'],
    ['a record that claims 100 bytes', 'c8010000000101000000', 'a record claims 100 bytes'],
    ['a key that claims 5 bytes', '0e0000000a010000', 'a key claims 5 bytes'],
    [
      'a key that reaches into the next record',
      '0c00000014010c0c000002010100',
      'a key claims 10 bytes',
    ],
    ['a value that claims 5 bytes', '0e000000010a0000', 'a value claims 5 bytes'],
    ['a value that is cut off before its length', '0800000001010000', 'claims 0 headers'],
    ['-3 headers', '0e00000001010500', 'claims -3 headers'],
    ['2^31-1 headers', '140000000101feffffff0f', 'claims 2147483647 headers'],
    ['one header in one byte', '0e00000001010200', 'claims 1 headers'],
  ])('refuses %s before any header is asked for', (_claim, hex, said) => {
    const cursor = new RecordCursor(forge({ records: fromHex(hex) }))
    expect(codeOf(() => cursor.next())).toBe('ERR_INVALID_BATCH')
    // The text names what is wrong, so that a later check does not hide that the first is missing.
    expect(() => new RecordCursor(forge({ records: fromHex(hex) })).next()).toThrow(said)
  })

  it('refuses what is no batch or is cut short', () => {
    const batch = build()
    for (let cut = 0; cut < batch.length; cut++) {
      expect(codeOf(() => new RecordCursor(batch.subarray(0, cut)))).toBe('ERR_INVALID_BATCH')
    }
    expect(codeOf(() => new RecordCursor(new Uint8Array(100)))).toBe('ERR_INVALID_BATCH')
    expect(codeOf(() => new RecordCursor(batch, 1))).toBe('ERR_INVALID_BATCH')
  })
})
