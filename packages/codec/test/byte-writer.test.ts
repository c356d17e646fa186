import fc from 'fast-check'
import { ByteReader } from '../src/byte-reader.ts'
import { ByteWriter } from '../src/byte-writer.ts'
import { utf8Length } from '../src/utf8.ts'
import { fromHex, toHex } from './support.ts'

describe('ByteWriter', () => {
  it('writes big endian', () => {
    const writer = new ByteWriter()
    writer.uint8(1).int8(-1).uint16(0x0203).int16(-2).uint32(0x04050607).int32(-3)
    writer.uint64(0x08090a0b0c0d).int64(-4).float64(1.5).float32(-0.5)
    expect(toHex(writer.finish())).toBe(
      '01ff0203fffe04050607fffffffd000008090a0b0c0dfffffffffffffffc3ff8000000000000bf000000',
    )
  })

  it('grows from any capacity and keeps what it wrote', () => {
    for (const capacity of [0, 1, 16, 17]) {
      const writer = new ByteWriter(capacity)
      for (let index = 0; index < 1000; index++) writer.uint16(index)
      const reader = new ByteReader(writer.finish())
      for (let index = 0; index < 1000; index++) expect(reader.uint16()).toBe(index)
      expect(reader.remaining).toBe(0)
    }
  })

  it('grows at once for a piece larger than twice its buffer', () => {
    const writer = new ByteWriter(16).uint8(7).bytes(new Uint8Array(10_000).fill(1))
    expect(writer.position).toBe(10_001)
  })

  it('reserves zero bytes to patch, also where an earlier message was', () => {
    const writer = new ByteWriter().bytes(new Uint8Array(20).fill(0xff))
    writer.reset()
    const at = writer.uint8(1).reserve(4)
    expect(toHex(writer.bytesWritten())).toBe('0100000000')
    writer.uint8(2)
    writer.patchUint32(at, 0x0a0b0c0d)
    writer.patchUint16(at, 0x0102)
    expect(toHex(writer.finish())).toBe('0101020c0d02')
  })

  it('finishes with a copy that a later write does not change', () => {
    const writer = new ByteWriter().uint8(1)
    const finished = writer.finish()
    const view = writer.bytesWritten()
    writer.reset()
    writer.uint8(2)
    expect([finished[0], view[0]]).toEqual([1, 2])
  })

  it('writes text of any script, short and long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (value) => {
        const writer = new ByteWriter(16).utf8(value)
        expect(writer.position).toBe(utf8Length(value))
        expect(toHex(writer.finish())).toBe(Buffer.from(value).toString('hex'))
      }),
    )
  })

  it('reads back what it wrote, whatever the order', () => {
    const piece = fc.oneof(
      fc.record({ verb: fc.constant('varint' as const), value: fc.integer() }),
      fc.record({ verb: fc.constant('varlong' as const), value: fc.maxSafeInteger() }),
      fc.record({ verb: fc.constant('int64' as const), value: fc.maxSafeInteger() }),
      fc.record({ verb: fc.constant('uvarint' as const), value: fc.maxSafeNat() }),
      fc.record({ verb: fc.constant('uint64' as const), value: fc.maxSafeNat() }),
      fc.record({ verb: fc.constant('float64' as const), value: fc.double() }),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const writer = new ByteWriter(16)
        for (const { verb, value } of pieces) writer[verb](value)
        const reader = new ByteReader(writer.finish())
        for (const { verb, value } of pieces) expect(reader[verb]()).toBe(value)
        expect(reader.remaining).toBe(0)
      }),
    )
  })

  it('writes bytes of a view from the view', () => {
    const source = fromHex('0102030405').subarray(1, 3)
    expect(toHex(new ByteWriter().bytes(source).finish())).toBe('0203')
  })
})
