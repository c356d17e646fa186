import fc from 'fast-check'
import { FramePool } from '../src/frame-pool.ts'
import { FrameDecoder } from '../src/frame-decoder.ts'
import { ASSEMBLY_BYTES_MIN, CONTROL_FRAME_BYTES_MAX, POOLED_FRAME_BYTES } from '../src/limits.ts'

const BYTES_MAX = 4 * 1024 * 1024

const frameOf = (key: number, length: number): Buffer => {
  const frame = Buffer.alloc(4 + length, 0x5a)
  frame.writeInt32BE(length, 0)
  frame.writeInt16BE(key, 4)
  return frame
}

const sizeOnly = (size: number, key = 0): Buffer => {
  const head = Buffer.alloc(6)
  head.writeInt32BE(size, 0)
  head.writeInt16BE(key, 4)
  return head
}

const collect = () => {
  const frames: { bytes: Buffer; isOwned: boolean }[] = []
  const decoder = new FrameDecoder({
    bytesMax: BYTES_MAX,
    pool: new FramePool(),
    onFrame: (bytes, from, to, isOwned) => {
      frames.push({ bytes: Buffer.from(bytes.slice(from, to)), isOwned })
    },
  })
  return { frames, decoder }
}

it('hands on a whole frame where it lies, and owns one that it put together', () => {
  const { frames, decoder } = collect()
  const frame = frameOf(3, 20)
  decoder.push(frame)
  decoder.push(frame.subarray(0, 10))
  decoder.push(frame.subarray(10))
  expect(frames.map(({ isOwned }) => isOwned)).toEqual([false, true])
  for (const { bytes } of frames) expect(bytes.equals(frame.subarray(4))).toBe(true)
})

it('finds the same frames however the bytes are cut', () => {
  const lengths = fc.array(fc.integer({ min: 2, max: 200_000 }), { minLength: 1, maxLength: 6 })
  const cuts = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(lengths, cuts, (all, sizes) => {
      const sent = all.map((length) => frameOf(0, length))
      const bytes = Buffer.concat(sent)
      const { frames, decoder } = collect()
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const end = at + (sizes[turn % sizes.length] ?? 1)
        decoder.push(bytes.subarray(at, end))
        at = end
      }
      const found = frames.map((frame) => frame.bytes.toString('hex'))
      expect(found).toEqual(sent.map((frame) => frame.subarray(4).toString('hex')))
    }),
    { numRuns: 50 },
  )
})

it.each([
  ['a Produce', 0, BYTES_MAX],
  ['any other request', 3, CONTROL_FRAME_BYTES_MAX],
])('takes %s up to its limit and not one byte more', (_name, key, bytesMax) => {
  expect(() => collect().decoder.push(sizeOnly(bytesMax, key))).not.toThrow()
  expect(() => collect().decoder.push(sizeOnly(bytesMax + 1, key))).toThrow(/exceeds the limit/)
})

it.each([-1, -2_147_483_648, 2_147_483_647, 0, 1])('refuses the size %d', (size) => {
  expect(() => collect().decoder.push(sizeOnly(size))).toThrow(/exceeds the limit/)
})

it('holds memory for what has come, not for what was claimed', () => {
  const { decoder } = collect()
  decoder.push(sizeOnly(BYTES_MAX))
  decoder.push(Buffer.alloc(100))
  expect(decoder.heldBytes).toBeLessThanOrEqual(ASSEMBLY_BYTES_MIN)
})

it('uses a buffer again once its request was handled, and one too large never', () => {
  const pool = new FramePool()
  const owned: boolean[] = []
  const onFrame = (_bytes: Uint8Array, _from: number, _to: number, isOwned: boolean): void =>
    void owned.push(isOwned)
  const decoder = new FrameDecoder({ bytesMax: BYTES_MAX, pool, onFrame })
  for (const length of [POOLED_FRAME_BYTES - 4, POOLED_FRAME_BYTES - 3]) {
    const frame = frameOf(0, length)
    decoder.push(frame.subarray(0, 100_000))
    decoder.push(frame.subarray(100_000))
    expect(pool.freeCount).toBe(1)
  }
  expect(owned).toEqual([false, true])
  decoder.push(frameOf(0, POOLED_FRAME_BYTES - 4).subarray(0, 100_000))
  expect(pool.freeCount).toBe(0)
  decoder.close()
  expect(pool.freeCount).toBe(1)
})

it('hands on nothing while it is suspended, and the rest afterwards', () => {
  const numbers: number[] = []
  const decoder: FrameDecoder = new FrameDecoder({
    bytesMax: BYTES_MAX,
    pool: new FramePool(),
    onFrame: (bytes, from) => {
      numbers.push(bytes[from + 1] ?? -1)
      decoder.suspend()
    },
  })
  decoder.push(Buffer.concat([1, 2, 3].map((key) => frameOf(key, 10))))
  expect(numbers).toEqual([1])
  decoder.push(frameOf(4, 10))
  for (const expected of [2, 3, 4]) {
    decoder.resume()
    expect(numbers.at(-1)).toBe(expected)
  }
  expect(decoder.heldBytes).toBe(0)
})
