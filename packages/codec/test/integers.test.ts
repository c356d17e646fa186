import fc from 'fast-check'
import {
  readInt16,
  readInt32,
  readInt64,
  readUint16,
  readUint32,
  readUint64,
  writeInt32,
  writeInt64,
  writeUint16,
  writeUint32,
  writeUint64,
} from '../src/integers.ts'

const view = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A view that does not start at its buffer's start, where a forgotten byteOffset would show. */
const room = (): Uint8Array => new Uint8Array(32).subarray(5, 29)

describe('integers at a position', () => {
  it('write what DataView reads', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.integer(), fc.maxSafeInteger(), (at, small, large) => {
        const bytes = room()
        writeUint16(bytes, at, small)
        expect(view(bytes).getInt16(at)).toBe((small << 16) >> 16)
        writeInt32(bytes, at, small)
        expect(view(bytes).getInt32(at)).toBe(small)
        writeUint32(bytes, at, small >>> 0)
        expect(view(bytes).getUint32(at)).toBe(small >>> 0)
        writeInt64(bytes, at, large)
        expect(view(bytes).getBigInt64(at)).toBe(BigInt(large))
        writeUint64(bytes, at, Math.abs(large))
        expect(view(bytes).getBigUint64(at)).toBe(BigInt(Math.abs(large)))
      }),
    )
  })

  it('read what DataView writes', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.integer(), fc.maxSafeInteger(), (at, small, large) => {
        const bytes = room()
        view(bytes).setInt32(at, small)
        expect(readInt32(bytes, at)).toBe(small)
        expect(readUint32(bytes, at)).toBe(small >>> 0)
        expect(readInt16(bytes, at)).toBe(view(bytes).getInt16(at))
        expect(readUint16(bytes, at)).toBe(view(bytes).getUint16(at))
        view(bytes).setBigInt64(at, BigInt(large))
        expect(readInt64(bytes, at)).toBe(large)
        if (large >= 0) expect(readUint64(bytes, at)).toBe(large)
      }),
    )
  })

  it('leave the neighbours alone', () => {
    const bytes = new Uint8Array(16).fill(0xaa)
    writeInt64(bytes, 4, -1)
    expect([...bytes.subarray(0, 4), ...bytes.subarray(12)]).toEqual(Array(8).fill(0xaa))
  })
})
