import {
  BodyPool,
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  Opcode,
  POOLED_BODY_BYTES,
  encodeFrame,
  writeFrameHeader,
} from '../src/index.ts'

interface Seen {
  readonly body: Uint8Array
  readonly copy: Uint8Array
  readonly isOwned: boolean
}

const decoderWith = (pool: BodyPool | undefined): { decoder: FrameDecoder; seen: Seen[] } => {
  const seen: Seen[] = []
  const decoder = new FrameDecoder({
    frameBytesMax: 1_048_576,
    bodyBytesMax: 2_097_152,
    ...(pool === undefined ? {} : { pool }),
    onFrame: ({ body, isOwned }) => seen.push({ body, copy: new Uint8Array(body), isOwned }),
  })
  return { decoder, seen }
}

const feed = (decoder: FrameDecoder, bytes: Uint8Array, chunkBytes: number): void => {
  for (let at = 0; at < bytes.length; at += chunkBytes)
    decoder.push(bytes.subarray(at, Math.min(bytes.length, at + chunkBytes)))
}

const frameOf = (bodyBytes: number, fill: number): Uint8Array =>
  encodeFrame(Opcode.PRODUCE, 0, 1, new Uint8Array(bodyBytes).fill(fill))

describe('a pool of body buffers', () => {
  it('lends the same buffer to one body after the other', () => {
    const pool = new BodyPool()
    const { decoder, seen } = decoderWith(pool)
    for (const fill of [1, 2, 3]) feed(decoder, frameOf(250_000, fill), 65_536)
    expect(seen.map(({ isOwned }) => isOwned)).toEqual([false, false, false])
    expect(new Set(seen.map(({ body }) => body.buffer)).size).toBe(1)
    expect(seen.map(({ copy }) => copy.every((byte) => byte === copy[0]) && copy[0])).toEqual([
      1, 2, 3,
    ])
    expect(pool.freeCount).toBe(1)
  })

  it('serves two unfinished bodies from two buffers', () => {
    const pool = new BodyPool()
    const { decoder, seen } = decoderWith(pool)
    feed(decoder, frameOf(250_000, 9), 65_536)
    const part = (correlation: number, fill: number, flags: number): Uint8Array => {
      const bytes = new Uint8Array(FRAME_HEADER_BYTES + 100_000).fill(fill)
      writeFrameHeader(bytes, 0, 100_000, Opcode.PRODUCE, flags, 0, correlation)
      return bytes
    }
    for (const [correlation, fill] of [
      [1, 1],
      [2, 2],
    ] as const)
      decoder.push(part(correlation, fill, FLAG_MORE))
    for (const [correlation, fill] of [
      [2, 2],
      [1, 1],
    ] as const)
      decoder.push(part(correlation, fill, 0))
    expect(seen.slice(1).map(({ copy }) => [copy.length, copy[0], copy.at(-1)])).toEqual([
      [200_000, 2, 2],
      [200_000, 1, 1],
    ])
  })

  it('gives a body away that is larger than its buffers', () => {
    const pool = new BodyPool()
    const { decoder, seen } = decoderWith(pool)
    feed(decoder, frameOf(POOLED_BODY_BYTES + 1, 1), 65_536)
    expect(seen.map(({ isOwned }) => isOwned)).toEqual([true])
    expect(pool.freeCount).toBe(0)
  })

  it('keeps no more than sixteen buffers, and none of another size', () => {
    const pool = new BodyPool()
    for (let count = 0; count < 17; count++) pool.give(new Uint8Array(POOLED_BODY_BYTES))
    pool.give(new Uint8Array(POOLED_BODY_BYTES - 1))
    expect(pool.freeCount).toBe(16)
  })

  it('makes no buffer for bytes that are only promised', () => {
    const pool = new BodyPool()
    const { decoder } = decoderWith(pool)
    decoder.push(frameOf(250_000, 1).subarray(0, FRAME_HEADER_BYTES + 1))
    expect(decoder.allocatedBytes).toBeLessThanOrEqual(1_024)
  })

  it('gives bodies away without a pool', () => {
    const { decoder, seen } = decoderWith(undefined)
    feed(decoder, frameOf(250_000, 1), 65_536)
    expect(seen.map(({ isOwned }) => isOwned)).toEqual([true])
  })
})
