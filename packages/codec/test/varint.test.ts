import fc from 'fast-check'
import { ByteReader } from '../src/byte-reader.ts'
import {
  uvarintSize,
  varintSize,
  varlongSize,
  writeUvarint,
  writeVarint,
  writeVarlong,
} from '../src/varint.ts'
import { toHex } from './support.ts'

const buffer = new Uint8Array(16)
const hexOf = (write: typeof writeVarint, value: number): string =>
  toHex(buffer.subarray(0, write(buffer, 0, value)))

/** The textbook form, on BigInt. */
const zigzagHex = (value: bigint): string => unsignedHex((value << 1n) ^ (value >> 63n))
const unsignedHex = (value: bigint): string => {
  const bytes: number[] = []
  for (; value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128)
  return Buffer.from([...bytes, Number(value)]).toString('hex')
}

/** Both sides of every power of two. */
const edges = (bits: number): number[] =>
  Array.from({ length: bits }, (_, bit) => [2 ** bit - 1, 2 ** bit, -(2 ** bit), -(2 ** bit) - 1])
    .flat()
    .concat(0)

describe('variable-length integers', () => {
  it('write zigzag of 32 bits as the definition says', () => {
    const values = [...edges(31), 2_147_483_647, -2_147_483_648]
    for (const value of values) expect(hexOf(writeVarint, value)).toBe(zigzagHex(BigInt(value)))
    for (const value of values) expect(varintSize(value)).toBe(hexOf(writeVarint, value).length / 2)
  })

  it('write zigzag to 2^53-1 as the definition says', () => {
    const values = [...edges(53), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    for (const value of values.filter(Number.isSafeInteger)) {
      expect(hexOf(writeVarlong, value)).toBe(zigzagHex(BigInt(value)))
      expect(varlongSize(value)).toBe(hexOf(writeVarlong, value).length / 2)
    }
  })

  it('write unsigned integers to 2^53-1 as the definition says', () => {
    const values = edges(53).filter((value) => value >= 0 && Number.isSafeInteger(value))
    for (const value of values) {
      expect(hexOf(writeUvarint, value)).toBe(unsignedHex(BigInt(value)))
      expect(uvarintSize(value)).toBe(hexOf(writeUvarint, value).length / 2)
    }
  })

  it('come back as they went', () => {
    fc.assert(
      fc.property(fc.integer(), fc.maxSafeInteger(), fc.maxSafeNat(), (word, long, natural) => {
        expect(new ByteReader(buffer, 0, writeVarint(buffer, 0, word)).varint()).toBe(word)
        expect(new ByteReader(buffer, 0, writeVarlong(buffer, 0, long)).varlong()).toBe(long)
        expect(new ByteReader(buffer, 0, writeUvarint(buffer, 0, natural)).uvarint()).toBe(natural)
      }),
    )
  })
})
