import { ByteWriter } from '../../src/byte-writer.ts'
import { writeInt32 } from '../../src/integers.ts'
import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { validateBatch } from '../../src/record-batch/validate-batch.ts'
import { codeOf, forge, framed, fromHex, limits, record, sign, text, walk } from '../support.ts'

const INVALID = 'ERR_INVALID_BATCH'
const at = 1_790_000_000_000

const build = (count: number, value = 'value'): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < count; index++) {
    builder.append(record('key', value, at + index, [{ key: 'h', value: text('x') }]))
  }
  return builder.build()
}

/** Attributes, timestamp delta 0, offset delta 0: the start of a record's body. */
const start = (): ByteWriter => new ByteWriter().int8(0).varlong(0).varint(0)
const validate = (batch: Uint8Array): string | undefined =>
  codeOf(() => validateBatch(batch, limits))

describe('validateBatch', () => {
  it('refuses a batch cut or extended at every byte', () => {
    const batch = build(3)
    for (let cut = 0; cut < batch.length; cut++) {
      expect([cut, validate(batch.subarray(0, cut))]).toEqual([cut, INVALID])
    }
    expect(validate(new Uint8Array([...batch, 0]))).toBe(INVALID)
    expect(validate(new Uint8Array([...batch, ...batch]))).toBe(INVALID)
  })

  it('refuses a batch cut at every byte even when its length and checksum agree', () => {
    const batch = build(3)
    for (let cut = 61; cut < batch.length; cut++) {
      const forged = batch.slice(0, cut)
      writeInt32(forged, 8, cut - 12)
      expect([cut, validate(sign(forged))]).toEqual([cut, INVALID])
      expect([cut, codeOf(() => walk(forged))]).toEqual([cut, INVALID])
    }
  })

  it('detects every single flipped bit from the checksum on', () => {
    const batch = build(2)
    for (let bit = 17 * 8; bit < batch.length * 8; bit++) {
      const flipped = batch.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect([bit, validate(flipped)]).toEqual([bit, 'ERR_BATCH_CHECKSUM'])
    }
  })

  it('detects every flipped bit of the length and the magic', () => {
    const batch = build(2)
    for (const byte of [8, 9, 10, 11, 16]) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = batch.slice()
        flipped[byte]! ^= 1 << bit
        expect([byte, bit, validate(flipped)]).toEqual([byte, bit, INVALID])
      }
    }
  })

  it('accepts any base offset and leader epoch, which the broker assigns', () => {
    const batch = build(2)
    batch.fill(0xff, 0, 8)
    batch.fill(0x7f, 12, 16)
    expect(validate(batch)).toBeUndefined()
  })

  it('allows as many bytes as the limit and not one more', () => {
    const batch = build(4)
    const check = (batchBytesMax: number): string | undefined =>
      codeOf(() => validateBatch(batch, { ...limits, batchBytesMax }))
    expect(check(batch.length)).toBeUndefined()
    expect(check(batch.length - 1)).toBe('ERR_BATCH_TOO_LARGE')
  })

  it('allows as many records as the limit and not one more', () => {
    const check = (recordsPerBatchMax: number): string | undefined =>
      codeOf(() => validateBatch(build(5), { ...limits, recordsPerBatchMax }))
    expect(check(5)).toBeUndefined()
    expect(check(4)).toBe(INVALID)
  })

  it.each([-1, 0, 1, 2, 4, 5, 1000, 2_147_483_647, -2_147_483_648])(
    'refuses three records that claim to be %d',
    (count) => {
      const onlyCount = build(3)
      writeInt32(onlyCount, 57, count)
      expect(validate(sign(onlyCount))).toBe(INVALID)
      const withDelta = build(3)
      writeInt32(withDelta, 57, count)
      writeInt32(withDelta, 23, count - 1)
      expect(validate(sign(withDelta))).toBe(INVALID)
    },
  )

  it('refuses a last offset delta that does not belong to the count', () => {
    const batch = build(3)
    writeInt32(batch, 23, 3)
    expect(validate(sign(batch))).toBe(INVALID)
  })

  it('refuses offset deltas that start late, repeat or go back', () => {
    const withDeltas = (...deltas: number[]): Uint8Array => {
      const writer = new ByteWriter()
      for (const delta of deltas) {
        const body = new ByteWriter().int8(0).varlong(0).varint(delta)
        writer.bytes(framed(body.varint(-1).varint(-1).varint(0).finish()))
      }
      return forge({ records: writer.finish(), count: deltas.length })
    }
    expect(validate(withDeltas(0, 1, 2))).toBeUndefined()
    for (const deltas of [
      [1, 2],
      [0, 0],
      [1, 0],
      [0, 2],
      [-1, 0],
    ]) {
      // prettier-ignore
      expect([deltas, validate(withDeltas(...deltas))]).toEqual([deltas, INVALID])
    }
  })

  it('accepts a record of the least bytes', () => {
    expect(validate(forge({ records: fromHex('0c000000010100') }))).toBeUndefined()
  })

  const huge = 2_147_483_647
  it.each<[string, Uint8Array]>([
    ['no record', new Uint8Array(0)],
    ['a record of negative length', new ByteWriter().varint(-1).bytes(new Uint8Array(9)).finish()],
    ['a record of 2^31-1 bytes', new ByteWriter().varint(huge).bytes(new Uint8Array(9)).finish()],
    ['a record of length 0', fromHex('00000000010100')],
    ['a length varint that never ends', new Uint8Array(50).fill(0xff)],
    ['a length varint padded with zeros', new Uint8Array(50).fill(0x80)],
    ['a key length of -2', framed(start().varint(-2).varint(-1).varint(0).finish())],
    ['a key of 2^31-1 bytes', framed(start().varint(huge).varint(-1).varint(0).finish())],
    ['a value length of -2', framed(start().varint(-1).varint(-2).varint(0).finish())],
    ['a value of 2^31-1 bytes', framed(start().varint(-1).varint(huge).varint(0).finish())],
    ['a key one byte too long', framed(start().varint(4).varint(-1).varint(0).uint8(0).finish())],
    ['-1 headers', framed(start().varint(-1).varint(-1).varint(-1).finish())],
    ['2^31-1 headers', framed(start().varint(-1).varint(-1).varint(huge).finish())],
    [
      'a header too few',
      framed(start().varint(-1).varint(-1).varint(2).varint(0).varint(0).finish()),
    ],
    [
      'a null header key',
      framed(start().varint(-1).varint(-1).varint(1).varint(-1).varint(-1).finish()),
    ],
    [
      'a header key too long',
      framed(start().varint(-1).varint(-1).varint(1).varint(2).varint(0).finish()),
    ],
    [
      'a header value of -2',
      framed(start().varint(-1).varint(-1).varint(1).varint(0).varint(-2).finish()),
    ],
    ['a byte after the headers', framed(start().varint(-1).varint(-1).varint(0).uint8(0).finish())],
    ['a record cut before its header count', framed(start().varint(-1).varint(-1).finish())],
    ['a byte after the last record', fromHex('0c00000001010000')],
    ['a key that reaches into the next record', fromHex('0c00000014010c0c000002010100')],
  ])('refuses %s', (_name, records) => {
    expect(validate(forge({ records }))).toBe(INVALID)
    expect(codeOf(() => walk(forge({ records })))).toBe(INVALID)
  })

  it('refuses timestamps and producer ids that are not exact numbers', () => {
    for (const field of [27, 35, 43]) {
      const batch = build(1)
      batch.set([0x00, 0x20, 0, 0, 0, 0, 0, 0], field)
      expect([field, validate(sign(batch))]).toEqual([field, INVALID])
    }
    const delta = new ByteWriter().int8(0).varlong(Number.MAX_SAFE_INTEGER).varint(0)
    const records = framed(delta.varint(-1).varint(-1).varint(0).finish())
    expect(validate(forge({ records }))).toBe(INVALID)
  })

  it.each([0, 1, 3])('refuses magic %d', (magic) => {
    expect(validate(forge({ records: fromHex('0c000000010100'), magic }))).toBe(INVALID)
  })

  it('tolerates reserved attribute bits', () => {
    const attributes = 0x7f80 | 0x40
    expect(validate(forge({ records: fromHex('0c000000010100'), attributes }))).toBeUndefined()
    expect(validate(forge({ records: fromHex('0cff0000010100') }))).toBeUndefined()
  })

  it('accepts only the codecs that are listed, uncompressed by default', () => {
    const records = new Uint8Array(20).fill(0xee)
    for (let codec = 1; codec < 8; codec++) {
      const batch = forge({ records, count: 3, attributes: codec })
      expect(validate(batch)).toBe('ERR_UNSUPPORTED_CODEC')
      expect(codeOf(() => validateBatch(batch, { ...limits, codecs: [0, codec] }))).toBeUndefined()
      expect(codeOf(() => walk(batch))).toBe('ERR_UNSUPPORTED_CODEC')
    }
    const plainOnly = { ...limits, codecs: [4] }
    expect(codeOf(() => validateBatch(build(1), plainOnly))).toBe('ERR_UNSUPPORTED_CODEC')
  })

  it('lets a compressed batch claim 100,000 records and not one more', () => {
    const records = new Uint8Array(5)
    const check = (count: number, recordsPerBatchMax: number): string | undefined =>
      codeOf(() =>
        validateBatch(forge({ records, count, attributes: 4 }), {
          batchBytesMax: 1000,
          recordsPerBatchMax,
          codecs: [4],
        }),
      )
    expect(check(100_000, 1_000_000)).toBeUndefined()
    expect(check(100_001, 1_000_000)).toBe(INVALID)
    expect(check(10, 10)).toBeUndefined()
    expect(check(11, 10)).toBe(INVALID)
    expect(check(0, 10)).toBe(INVALID)
  })

  it('reports damage as damage before it looks at the records', () => {
    const batch = build(3)
    batch.fill(0xff, 61)
    expect(validate(batch)).toBe('ERR_BATCH_CHECKSUM')
  })
})
