import {
  CONTROL_BODY_BYTES_MAX,
  CONTROL_DEPTH_MAX,
  decodeControl,
  encodeControl,
} from '../src/index.ts'
import { bytesOf, failureOf, fromHex, toHex } from './support.ts'

const refusal = (hex: string): string => {
  const { code, message } = failureOf(() => decodeControl(fromHex(hex)))
  expect(code).toBe('ERR_MALFORMED_BODY')
  return message
}

/** A map that nests `depth` maps, itself counted. */
const nestedMaps = (depth: number): string => '81a161'.repeat(depth - 1) + '80'
const nestedArrays = (depth: number): string => `81a161${'91'.repeat(depth - 2)}90`

describe('decodeControl', () => {
  it('reads every type that is allowed', () => {
    const hex =
      '8c' +
      'a161c0a162c2a163c3a164c40201ff' +
      'a165ca3f800000a166cb3ff8000000000000' +
      'a167cf001fffffffffffffa168d3ffe0000000000001' +
      'a169d9026f6ba16adc00020102a16bde0001a178ff' +
      'a16cd1ff00'
    expect(decodeControl(fromHex(hex))).toMatchObject({
      a: null,
      b: false,
      c: true,
      e: 1,
      f: 1.5,
      g: Number.MAX_SAFE_INTEGER,
      h: Number.MIN_SAFE_INTEGER,
      i: 'ok',
      j: [1, 2],
      k: { x: -1 },
      l: -256,
    })
  })

  it.each([
    ['', 'no bytes'],
    ['90', 'a map was expected'],
    ['01', 'a map was expected'],
    ['c0', 'a map was expected'],
    ['8000', '1 bytes follow'],
    ['81', 'more entries than there are bytes'],
    ['81a161', 'ends inside'],
    ['8101a161', 'not a string'],
    ['81c0a161', 'not a string'],
    ['81c40161c0', 'not a string'],
  ])('refuses %j', (hex, text) => {
    expect(refusal(hex)).toContain(text)
  })

  it.each([
    ['map32', 'dfffffffff'],
    ['map16', 'deffff'],
    ['map32 inside', '81a161dfffffffff'],
    ['array32', '81a161ddffffffff'],
    ['array16', '81a161dcffff'],
    ['str32', '81a161dbffffffff'],
    ['bin32', '81a161c6ffffffff'],
    ['key str32', '81dbffffffff'],
    ['fixarray', '81a1619f'],
  ])('refuses the bomb %s', (_name, hex) => {
    expect(refusal(hex)).toMatch(/than there are bytes|ends inside/)
  })

  it.each(['c1', 'c7', 'c8', 'c9', 'd4', 'd5', 'd6', 'd7', 'd8'])('refuses type %s', (type) => {
    expect(refusal(`81a161${type}${'00'.repeat(24)}`)).toContain(`type 0x${type} is not allowed`)
  })

  it.each([
    ['81a161cf0020000000000000', 'u64 2^53'],
    ['81a161cfffffffffffffffff', 'u64 2^64-1'],
    ['81a161d30020000000000000', 'i64 2^53'],
    ['81a161d3ffe0000000000000', 'i64 -2^53'],
    ['81a161d38000000000000000', 'i64 -2^63'],
  ])('refuses the integer %s (%s)', (hex) => {
    expect(refusal(hex)).toContain('beyond 2^53 - 1')
  })

  it('nests as deep as the limit and no deeper', () => {
    expect(decodeControl(fromHex(nestedMaps(CONTROL_DEPTH_MAX)))).toBeDefined()
    expect(decodeControl(fromHex(nestedArrays(CONTROL_DEPTH_MAX)))).toBeDefined()
    expect(refusal(nestedMaps(CONTROL_DEPTH_MAX + 1))).toContain('deeper than 8')
    expect(refusal(nestedArrays(CONTROL_DEPTH_MAX + 1))).toContain('deeper than 8')
    expect(refusal(nestedArrays(20_000))).toContain('deeper than 8')
  })

  it('takes a body at the byte limit and refuses one more', () => {
    const body = (size: number): Uint8Array => {
      const bytes = new Uint8Array(size).fill(0x61)
      bytes.set(fromHex('81a161c5'))
      bytes[4] = (size - 6) >>> 8
      bytes[5] = size - 6
      return bytes
    }
    // bin16 holds at most 65,535 bytes, so this one is exactly 64 KiB.
    expect(decodeControl(body(CONTROL_BODY_BYTES_MAX))['a']).toHaveLength(65_530)
    const failure = failureOf(() => decodeControl(body(CONTROL_BODY_BYTES_MAX + 1)))
    expect(failure.message).toContain('exceed the limit of 65536')
  })

  it('refuses a __proto__ key at any depth and leaves prototypes alone', () => {
    const key = `a9${toHex(bytesOf('__proto__'))}`
    const longForm = `d909${toHex(bytesOf('__proto__'))}`
    const inner = '81a861646d696e6e6f77c3'
    expect(refusal(`81${key}${inner}`)).toContain('__proto__')
    expect(refusal(`81${longForm}${inner}`)).toContain('__proto__')
    expect(refusal(`81a161${`81${key}${inner}`}`)).toContain('__proto__')
    expect(({} as Record<string, unknown>)['adminnow']).toBeUndefined()
    const similar = decodeControl(fromHex(`81aa78${toHex(bytesOf('__proto__'))}01`))
    expect(similar).toEqual({ x__proto__: 1 })
  })

  it.each(['81a161a1ff', '81a161a2c080', '81a161a3eda080', '81a1ff01'])(
    'refuses text that is not UTF-8: %s',
    (hex) => {
      expect(refusal(hex)).toContain('not UTF-8')
    },
  )
})

describe('encodeControl', () => {
  it('writes large integers as integers, never as floats', () => {
    expect(toHex(encodeControl({ a: 1_700_000_000_000 }))).toBe('81a161d30000018bcfe56800')
    expect(toHex(encodeControl({ a: -5_000_000_000 }))).toBe('81a161d3fffffffed5fa0e00')
    expect(decodeControl(encodeControl({ a: 4_294_967_295 }))).toEqual({ a: 4_294_967_295 })
  })

  it('leaves out what is undefined and keeps null', () => {
    expect(toHex(encodeControl({ a: undefined, b: null }))).toBe('81a162c0')
  })

  it('refuses what the other side would refuse', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(8)}{}${'}'.repeat(8)}`) as object
    expect(failureOf(() => encodeControl(deep)).code).toBe('ERR_MALFORMED_BODY')
    const large = { a: 'x'.repeat(CONTROL_BODY_BYTES_MAX) }
    expect(failureOf(() => encodeControl(large)).code).toBe('ERR_BODY_TOO_LARGE')
    const proto = JSON.parse('{"__proto__":1}') as object
    expect(failureOf(() => encodeControl(proto)).code).toBe('ERR_INVALID_ARGUMENT')
  })

  it('hands out bytes that nobody else writes to', () => {
    const first = encodeControl({ a: 1 })
    encodeControl({ b: 2 })
    expect(toHex(first)).toBe('81a16101')
    expect(first.buffer.byteLength).toBe(first.length)
  })
})
