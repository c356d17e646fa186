import { isBrokerError, utf8Encode } from '@millrace/codec'
import { type CodecName, decodePayload, encodePayload, resolveCodec } from '../src/payload-codec.ts'

const roundTrip = (name: CodecName, value: unknown): unknown => {
  const codec = resolveCodec<unknown>(name)
  return decodePayload(codec, new Uint8Array(encodePayload(codec, value)))
}

describe('a payload codec', () => {
  it.each<readonly [CodecName, unknown]>([
    ['json', { a: [1, 'ü', null] }],
    ['json', 'text'],
    ['json', null],
    ['string', ''],
    ['string', 'ascii'],
    ['string', 'grüße 🙂'],
    ['string', '\ufeffmark'],
    ['string', 'x'.repeat(5_000)],
    ['string', 'ü'.repeat(400_000)],
    ['bytes', Uint8Array.of(0, 255)],
    ['msgpack', { a: [1, 2 ** 40, -1.5], b: Uint8Array.of(1), c: null }],
  ])('%s gives back what it took: %#', (name, value) => {
    expect(roundTrip(name, value)).toEqual(value)
  })

  it('is JSON when nothing is said', () => {
    expect(resolveCodec().name).toBe('json')
  })

  it('writes what other languages read', () => {
    const encode = (name: CodecName, value: unknown): number[] => [
      ...encodePayload(resolveCodec<unknown>(name), value),
    ]
    expect(encode('json', { a: 1 })).toEqual([...utf8Encode('{"a":1}')])
    expect(encode('string', 'é')).toEqual([0xc3, 0xa9])
    expect(encode('msgpack', { a: 1 })).toEqual([0x81, 0xa1, 0x61, 0x01])
  })

  it.each<readonly [CodecName, unknown, string]>([
    ['json', undefined, 'undefined'],
    ['json', 1n, 'BigInt'],
    ['string', 5, 'number'],
    ['bytes', 'text', 'string'],
  ])('%s refuses to write %p', (name, value, text) => {
    const codec = resolveCodec<unknown>(name)
    expect(() => encodePayload(codec, value)).toThrow(text)
    expect(() => encodePayload(codec, value)).toThrow("argument 'value'")
  })

  it.each<readonly [CodecName, Uint8Array]>([
    ['json', utf8Encode('{')],
    ['msgpack', Uint8Array.of(0x92, 0x01)],
  ])('%s refuses to read what is something else', (name, bytes) => {
    try {
      decodePayload(resolveCodec<unknown>(name), bytes)
      throw new Error('it was read')
    } catch (error) {
      expect(isBrokerError(error) && error.code).toBe('ERR_PAYLOAD_CODEC')
    }
  })

  it('may be the program’s own', () => {
    const codec = resolveCodec({
      name: 'number',
      encode: (value: number) => Uint8Array.of(value),
      decode: (bytes) => bytes[0] as number,
    })
    expect(decodePayload(codec, encodePayload(codec, 7))).toBe(7)
  })
})
