import fc from 'fast-check'
import { crc32c, crc32cJs, NATIVE_CRC_BYTES_MIN, selectCrc32c } from '../src/crc32c.ts'
import { findNativeCrc32c } from '../src/native-crc32c.ts'
import type { ProcessScope } from '../src/native-crc32c.ts'
import { fromHex, hashVectors, text } from './support.ts'

const native = findNativeCrc32c(globalThis as ProcessScope)

/** The definition, bit by bit. */
const bitwise = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

describe.each([
  ['portable', crc32cJs],
  ['selected', crc32c],
  ['native', native ?? crc32cJs],
  ['fallback', selectCrc32c(undefined)],
])('crc32c, %s', (_name, checksum) => {
  it('gives the values that RFC 3720 B.4 lists', () => {
    const rising = Uint8Array.from({ length: 32 }, (_, index) => index)
    expect(checksum(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(checksum(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(checksum(rising)).toBe(0x46dd794e)
    expect(checksum(rising.slice().reverse())).toBe(0x113fdb5c)
    expect(checksum(text('123456789'))).toBe(0xe3069283)
  })

  it('agrees with the vectors of another implementation', () => {
    for (const vector of hashVectors()) expect(checksum(fromHex(vector.hex))).toBe(vector.crc32c)
  })

  it('agrees with the definition at every length and alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(9), (bytes, skip) => {
        const view = bytes.subarray(Math.min(skip, bytes.length))
        expect(checksum(view)).toBe(bitwise(view))
      }),
    )
  })

  it('continues from an earlier checksum', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 900 }), fc.nat(900), (bytes, at) => {
        const first = bytes.subarray(0, at)
        const rest = bytes.subarray(at)
        expect(checksum(rest, checksum(first))).toBe(checksum(bytes))
      }),
    )
  })
})

describe('the choice of crc32c', () => {
  it('finds the native form here, where it is installed', () => {
    expect(typeof native).toBe('function')
  })

  it('calls the native form from 200 bytes on', () => {
    const lengths: number[] = []
    const spy = selectCrc32c((bytes) => lengths.push(bytes.length))
    spy(new Uint8Array(NATIVE_CRC_BYTES_MIN - 1))
    spy(new Uint8Array(NATIVE_CRC_BYTES_MIN))
    expect(lengths).toEqual([200])
  })

  it('passes a view as the bytes of the view', () => {
    const whole = Uint8Array.from({ length: 2000 }, (_, index) => index * 7)
    const view = whole.subarray(333, 1777)
    expect(native?.(view)).toBe(bitwise(view.slice()))
  })

  const throwing = (): never => {
    throw new Error('no such module')
  }
  it.each<[string, ProcessScope]>([
    ['there is no process', {}],
    ['the process is a shim', { process: {} }],
    ['the platform has no such builtin', { process: { getBuiltinModule: () => undefined } }],
    [
      'the binary does not load',
      { process: { getBuiltinModule: () => ({ createRequire: () => throwing }) } },
    ],
    ['asking throws', { process: { getBuiltinModule: throwing } }],
    [
      'the module is another one',
      { process: { getBuiltinModule: () => ({ createRequire: () => () => ({}) }) } },
    ],
  ])('falls back when %s', (_name, scope) => {
    expect(findNativeCrc32c(scope)).toBeUndefined()
  })
})
