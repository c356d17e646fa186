import { SIDECAR_BLOCK_BYTES } from '../../src/care/limits.ts'
import { BlockSums } from '../../src/care/block-sums.ts'
import { SIDECAR_HEADER_BYTES, decodeSidecar, encodeSidecar } from '../../src/care/sidecar.ts'
import { crc32c } from '@millrace/codec'

const sidecar = {
  segmentBase: 7,
  segmentBytes: SIDECAR_BLOCK_BYTES + 1,
  verifiedAtMs: 1_790_000_000_000,
  sums: Uint32Array.of(0xdeadbeef, 5),
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a sidecar', () => {
  it('has the bytes that its ruler draws', () => {
    const bytes = encodeSidecar(sidecar)
    expect(bytes).toHaveLength(SIDECAR_HEADER_BYTES + 8)
    expect(hex(bytes.subarray(0, 40))).toBe(
      '4d525343' +
        '00000001' +
        '0000000000000007' +
        '0000000000040001' +
        '00040000' +
        '00000002' +
        '000001a0c4506c00',
    )
    expect(hex(bytes.subarray(44))).toBe('deadbeef00000005')
    expect(decodeSidecar(bytes, 7)).toEqual(sidecar)
  })

  it('is believed by its own segment only', () => {
    expect(decodeSidecar(encodeSidecar(sidecar), 8)).toBeUndefined()
  })

  it('is not believed when any bit of it flips, or any byte is missing', () => {
    const bytes = encodeSidecar(sidecar)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeSidecar(flipped, 7)).toBeUndefined()
    }
    for (let length = 0; length < bytes.length; length++)
      expect(decodeSidecar(bytes.subarray(0, length), 7)).toBeUndefined()
  })
})

describe('the sums of blocks', () => {
  const bytes = Uint8Array.from({ length: 2 * SIDECAR_BLOCK_BYTES + 100 }, (_, at) => at * 7)

  it.each([1_000, SIDECAR_BLOCK_BYTES - 1, SIDECAR_BLOCK_BYTES, 3 * SIDECAR_BLOCK_BYTES])(
    'are the same for portions of %d bytes',
    (portion) => {
      const sums = new BlockSums(bytes.length)
      for (let at = 0; at < bytes.length; at += portion)
        sums.feed(bytes.subarray(at, at + portion), at)
      expect([...sums.take(bytes.length)]).toEqual([
        crc32c(bytes.subarray(0, SIDECAR_BLOCK_BYTES)),
        crc32c(bytes.subarray(SIDECAR_BLOCK_BYTES, 2 * SIDECAR_BLOCK_BYTES)),
        crc32c(bytes.subarray(2 * SIDECAR_BLOCK_BYTES)),
      ])
    },
  )

  it('take no bytes behind a hole, and none twice', () => {
    const sums = new BlockSums(100)
    sums.feed(bytes.subarray(0, 50), 0)
    sums.feed(bytes.subarray(20, 100), 20)
    expect([...sums.take(100)]).toEqual([crc32c(bytes.subarray(0, 100))])
    expect(() => sums.feed(bytes, 101)).toThrow('a hole')
  })
})
