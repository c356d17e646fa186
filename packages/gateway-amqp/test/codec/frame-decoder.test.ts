import fc from 'fast-check'
import { FRAME_OVERHEAD_BYTES, PROTOCOL_HEADER } from '../../src/codec/frame.ts'
import { FrameDecoder } from '../../src/codec/frame-decoder.ts'
import { ASSEMBLY_BYTES_MIN, FRAME_BYTES_DEFAULT } from '../../src/limits.ts'

interface SeenFrame {
  readonly type: number
  readonly channel: number
  readonly payload: string
}

const frameOf = (type: number, channel: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(7)
  head[0] = type
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

const collect = (frameBytesMax = FRAME_BYTES_DEFAULT) => {
  const frames: SeenFrame[] = []
  const headers: boolean[] = []
  const decoder = new FrameDecoder(
    {
      onProtocolHeader: (isServed) => void headers.push(isServed),
      onFrame: (type, channel, bytes, from, to) => {
        frames.push({ type, channel, payload: Buffer.from(bytes.slice(from, to)).toString('hex') })
      },
    },
    frameBytesMax,
  )
  return { frames, headers, decoder }
}

const pastHeader = (frameBytesMax?: number) => {
  const collected = collect(frameBytesMax)
  collected.decoder.push(PROTOCOL_HEADER)
  return collected
}

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(1, 2, 3, 8),
    channel: fc.nat(65_535),
    payload: fc.uint8Array({ maxLength: 6_000 }),
  }),
  { minLength: 1, maxLength: 8 },
)

it('finds the same frames however the bytes are cut', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(frames, cuts, (sent, sizes) => {
      const bytes = Buffer.concat([
        PROTOCOL_HEADER,
        ...sent.map(({ type, channel, payload }) => frameOf(type, channel, payload)),
      ])
      const { frames: seen, headers, decoder } = collect()
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const end = at + (sizes[turn % sizes.length] ?? 1)
        const chunk = Uint8Array.from(bytes.subarray(at, end))
        decoder.push(chunk)
        chunk.fill(0xdb)
        at = end
      }
      expect(headers).toEqual([true])
      const expected = sent.map(({ type, channel, payload }) => {
        return { type, channel, payload: Buffer.from(payload).toString('hex') }
      })
      expect(seen).toEqual(expected)
      expect(decoder.heldBytes).toBe(0)
    }),
    { numRuns: 60 },
  )
})

it('takes a session byte by byte', () => {
  const bytes = Buffer.concat([
    PROTOCOL_HEADER,
    frameOf(1, 0, Buffer.from('hello')),
    frameOf(8, 0, Buffer.alloc(0)),
    frameOf(3, 9, Buffer.from('x')),
  ])
  const { frames: seen, decoder } = collect()
  for (const byte of bytes) decoder.push(new Uint8Array([byte]))
  expect(seen.map(({ type }) => type)).toEqual([1, 8, 3])
})

it.each([
  ['another protocol', 'GET / HT', false],
  ['an older version', 'AMQP\u0001\u0001\u0000\u0009', false],
  ['AMQP 0-9-1', Buffer.from(PROTOCOL_HEADER).toString('latin1'), true],
])('tells %s by its first eight bytes', (_name, text, isServed) => {
  const { headers, decoder } = collect()
  const bytes = Buffer.from(text, 'latin1')
  decoder.push(bytes.subarray(0, 7))
  expect(headers).toEqual([])
  decoder.push(bytes.subarray(7))
  expect(headers).toEqual([isServed])
})

const headOf = (type: number, size: number): Buffer => {
  const head = Buffer.alloc(7)
  head[0] = type
  head.writeUInt32BE(size, 3)
  return head
}

describe('the size of a frame', () => {
  it.each([4_096, 8_192, FRAME_BYTES_DEFAULT])('may be %d and not one byte more', (bytesMax) => {
    const payloadMax = bytesMax - FRAME_OVERHEAD_BYTES
    expect(() => pastHeader(bytesMax).decoder.push(headOf(3, payloadMax))).not.toThrow()
    const { decoder } = pastHeader(bytesMax)
    expect(() => decoder.push(headOf(3, payloadMax + 1))).toThrow(/exceeds the limit/)
  })

  it.each([0x7fff_ffff, 0x8000_0000, 0xffff_ffff])('is refused when it claims %d', (size) => {
    expect(() => pastHeader().decoder.push(headOf(1, size))).toThrow(/exceeds the limit/)
  })

  it('may change on the way', () => {
    const { decoder, frames: seen } = pastHeader(4_096)
    decoder.setFrameBytesMax(FRAME_BYTES_DEFAULT)
    decoder.push(frameOf(3, 1, Buffer.alloc(10_000)))
    expect(seen).toHaveLength(1)
  })
})

it.each([0, 4, 7, 9, 255])('refuses the frame type %d before its size', (type) => {
  expect(() => pastHeader().decoder.push(headOf(type, 0xffff_ffff))).toThrow(/no type/)
})

it('refuses a frame that does not end as it should', () => {
  const frame = frameOf(1, 1, Buffer.from('abc'))
  frame[frame.length - 1] = 0
  expect(() => pastHeader().decoder.push(frame)).toThrow(/does not end with 206/)
})

it('holds memory for what has come, not for what was claimed', () => {
  const { decoder } = pastHeader()
  decoder.push(headOf(3, FRAME_BYTES_DEFAULT - FRAME_OVERHEAD_BYTES))
  decoder.push(Buffer.alloc(100))
  expect(decoder.heldBytes).toBeLessThanOrEqual(ASSEMBLY_BYTES_MIN)
  expect(decoder.filledBytes).toBe(107)
})

it('hands on nothing while it is suspended, and the rest afterwards', () => {
  const channels: number[] = []
  const decoder: FrameDecoder = new FrameDecoder(
    {
      onProtocolHeader: () => undefined,
      onFrame: (_type, channel) => {
        channels.push(channel)
        decoder.suspend()
      },
    },
    FRAME_BYTES_DEFAULT,
  )
  decoder.push(PROTOCOL_HEADER)
  const empty = Buffer.alloc(0)
  decoder.push(Buffer.concat([1, 2, 3].map((channel) => frameOf(1, channel, empty))))
  decoder.push(frameOf(1, 4, empty))
  expect(channels).toEqual([1])
  for (const expected of [2, 3, 4]) {
    decoder.resume()
    expect(channels.at(-1)).toBe(expected)
  }
  decoder.resume()
  expect(decoder.heldBytes).toBe(0)
})

it('reads anything as frames or refuses it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        pastHeader().decoder.push(bytes)
      } catch (error) {
        expect(['ERR_MALFORMED_FRAME', 'ERR_FRAME_TOO_LARGE']).toContain(
          (error as { code?: string }).code,
        )
      }
    }),
    { numRuns: 1_000 },
  )
})
