import { ByteReader } from '../src/byte-reader.ts'
import { ByteWriter } from '../src/byte-writer.ts'
import { codeOf, fromHex, toHex } from './support.ts'

const reader = (hex: string): ByteReader => new ByteReader(fromHex(hex))
const MALFORMED = 'ERR_MALFORMED_BODY'

type Verb = (from: ByteReader) => unknown

const fixedWidth: readonly [string, number, Verb][] = [
  ['uint8', 1, (from) => from.uint8()],
  ['int8', 1, (from) => from.int8()],
  ['uint16', 2, (from) => from.uint16()],
  ['int16', 2, (from) => from.int16()],
  ['uint32', 4, (from) => from.uint32()],
  ['int32', 4, (from) => from.int32()],
  ['uint64', 8, (from) => from.uint64()],
  ['int64', 8, (from) => from.int64()],
  ['float32', 4, (from) => from.float32()],
  ['float64', 8, (from) => from.float64()],
  ['bytes', 3, (from) => from.bytes(3)],
  ['utf8', 3, (from) => from.utf8(3)],
  ['skip', 3, (from) => from.skip(3)],
]

describe('ByteReader', () => {
  it.each(fixedWidth)('%s consumes %d bytes and refuses one less', (_name, width, verb) => {
    const exact = new ByteReader(new Uint8Array(width))
    verb(exact)
    expect(exact.remaining).toBe(0)
    const short = new ByteReader(new Uint8Array(width - 1))
    expect(codeOf(() => verb(short))).toBe(MALFORMED)
    expect(short.position).toBe(0)
  })

  it('reads signed and unsigned integers of every width', () => {
    const ones = 'ff'.repeat(8)
    expect(reader(ones).uint8()).toBe(255)
    expect(reader(ones).int8()).toBe(-1)
    expect(reader(ones).uint16()).toBe(65_535)
    expect(reader(ones).int16()).toBe(-1)
    expect(reader(ones).uint32()).toBe(4_294_967_295)
    expect(reader(ones).int32()).toBe(-1)
    expect(reader(ones).int64()).toBe(-1)
    expect(reader('3fc00000').float32()).toBe(1.5)
    expect(reader('3ff8000000000000').float64()).toBe(1.5)
  })

  it('accepts 64-bit integers to 2^53-1 and refuses the next', () => {
    expect(reader('001fffffffffffff').uint64()).toBe(Number.MAX_SAFE_INTEGER)
    expect(reader('001fffffffffffff').int64()).toBe(Number.MAX_SAFE_INTEGER)
    expect(reader('ffe0000000000001').int64()).toBe(Number.MIN_SAFE_INTEGER)
    for (const hex of ['0020000000000000', '0020000000000001', 'ffffffffffffffff']) {
      expect(codeOf(() => reader(hex).uint64())).toBe(MALFORMED)
    }
    for (const hex of ['0020000000000000', 'ffe0000000000000', '8000000000000000']) {
      expect(codeOf(() => reader(hex).int64())).toBe(MALFORMED)
    }
  })

  it('reads the view it was given, not the buffer behind it', () => {
    const source = fromHex('000000003ff80000000000000102').subarray(4, 13)
    const from = new ByteReader(source)
    expect(from.float64()).toBe(1.5)
    expect(from.uint8()).toBe(1)
    expect(codeOf(() => from.uint8())).toBe(MALFORMED)
  })

  it('stops at the end it was given, and never beyond the bytes', () => {
    const bounded = new ByteReader(fromHex('01020304'), 1, 3)
    expect(bounded.remaining).toBe(2)
    expect(bounded.uint16()).toBe(0x0203)
    expect(codeOf(() => bounded.uint8())).toBe(MALFORMED)
    expect(new ByteReader(fromHex('0102'), 0, 100).remaining).toBe(2)
  })

  it('hands out views, not copies', () => {
    const source = fromHex('01020304')
    const view = new ByteReader(source, 1).bytes(2)
    source[1] = 9
    expect(toHex(view)).toBe('0903')
  })

  it.each([-1, Number.NaN, 5, 2 ** 40, Infinity])('refuses a length of %d', (length) => {
    expect(codeOf(() => reader('01020304').bytes(length))).toBe(MALFORMED)
    expect(codeOf(() => reader('01020304').skip(length))).toBe(MALFORMED)
    expect(codeOf(() => reader('01020304').utf8(length))).toBe(MALFORMED)
  })

  it('reads varints at both ends of their range', () => {
    expect(reader('00').varint()).toBe(0)
    expect(reader('01').varint()).toBe(-1)
    expect(reader('8001').varint()).toBe(64)
    expect(reader('feffffff0f').varint()).toBe(2_147_483_647)
    expect(reader('ffffffff0f').varint()).toBe(-2_147_483_648)
  })

  it('throws the code it was told to', () => {
    const from = new ByteReader(new Uint8Array(0), 0, 0, 'ERR_INVALID_BATCH')
    expect(codeOf(() => from.uint8())).toBe('ERR_INVALID_BATCH')
  })

  it.each([
    ['varint', 'ffffffff10', (from: ByteReader) => from.varint()],
    ['varint', '808080808000', (from: ByteReader) => from.varint()],
    ['varlong', '80'.repeat(10) + '00', (from: ByteReader) => from.varlong()],
    ['varlong', 'ff'.repeat(9) + '01', (from: ByteReader) => from.varlong()],
    ['uvarint', '80'.repeat(8) + '00', (from: ByteReader) => from.uvarint()],
    ['uvarint', 'ff'.repeat(7) + '7f', (from: ByteReader) => from.uvarint()],
  ])('refuses a %s that is too long or too large: %s', (_name, hex, verb) => {
    expect(codeOf(() => verb(reader(hex)))).toBe(MALFORMED)
  })

  it('refuses a varint of any kind cut at any byte', () => {
    const whole = new ByteWriter().varlong(Number.MIN_SAFE_INTEGER).finish()
    const word = new ByteWriter().varint(-2_147_483_648).finish()
    for (let cut = 0; cut < whole.length; cut++) {
      expect(codeOf(() => new ByteReader(whole, 0, cut).varlong())).toBe(MALFORMED)
      expect(codeOf(() => new ByteReader(whole, 0, cut).uvarint())).toBe(MALFORMED)
    }
    for (let cut = 0; cut < word.length; cut++) {
      expect(codeOf(() => new ByteReader(word, 0, cut).varint())).toBe(MALFORMED)
    }
  })
})
