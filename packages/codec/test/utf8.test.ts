import fc from 'fast-check'
import { isUtf8 as nodeIsUtf8 } from 'node:buffer'
import { isUtf8, utf8Decode, utf8DecodeRange, utf8Encode, utf8Length } from '../src/utf8.ts'
import { fromHex, toHex } from './support.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 100 })
/** Code units in any order, lone surrogates among them. */
const anyUnits = fc
  .array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd7ff, max: 0xe000 })))
  .map((units) => String.fromCharCode(...units))

describe('utf8', () => {
  it('round-trips text of every length and script', () => {
    fc.assert(fc.property(anyText, (text) => utf8Decode(utf8Encode(text)) === text))
  })

  it('keeps a byte order mark', () => {
    expect(utf8Decode(fromHex('efbbbf61'))).toBe('\uFEFFa')
  })

  it('decodes bad sequences to replacement characters instead of throwing', () => {
    expect(utf8Decode(fromHex('61ff62'))).toBe('a\uFFFDb')
    expect(utf8Decode(fromHex('e282'))).toBe('\uFFFD')
  })

  it('decodes a part of a view', () => {
    const bytes = Buffer.from('..aé🐘..').subarray(1)
    expect(utf8DecodeRange(bytes, 1, bytes.length - 2)).toBe('aé🐘')
    expect(utf8DecodeRange(bytes, 1, 2)).toBe('a')
  })

  it('counts what it would encode, lone surrogates too', () => {
    fc.assert(fc.property(anyUnits, (text) => utf8Length(text) === Buffer.byteLength(text)))
    expect(utf8Length('\uD83D\uDC18')).toBe(4)
    expect(utf8Length('\uD83D')).toBe(3)
    expect(utf8Length('\uDC18\uD83D')).toBe(6)
  })

  it('accepts and refuses the same bytes as the platform', () => {
    const nearly = fc
      .tuple(anyText, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 2 }))
      .map(([text, changes]) => {
        const bytes = utf8Encode(text)
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
        return bytes
      })
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 6 })), (bytes) => {
        expect(isUtf8(bytes)).toBe(nodeIsUtf8(Buffer.from(bytes)))
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['c080', 'an overlong form of two bytes'],
    ['e09fbf', 'an overlong form of three bytes'],
    ['f08fbfbf', 'an overlong form of four bytes'],
    ['eda080', 'a surrogate'],
    ['f4908080', 'more than U+10FFFF'],
    ['80', 'a continuation alone'],
    ['e282', 'a cut sequence'],
    ['f5808080', 'a lead byte that does not exist'],
  ])('refuses %s: %s', (hex) => {
    expect(isUtf8(fromHex(hex))).toBe(false)
  })

  it('accepts the edges of every length', () => {
    for (const hex of [
      '7f',
      'c280',
      'dfbf',
      'e0a080',
      'ed9fbf',
      'ee8080',
      'f0908080',
      'f48fbfbf',
    ]) {
      expect([hex, isUtf8(fromHex(hex)), toHex(fromHex(hex))]).toEqual([hex, true, hex])
    }
  })
})
