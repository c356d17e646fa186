import { BrokerError } from '@millrace/codec'
import {
  ASSEMBLIES_COUNT_MAX,
  encodeFrame,
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameDecoder,
  Opcode,
  splitBody,
  writeFrameHeader,
} from '../src/index.ts'
import { bytesOf, collect, concat, failureOf, fromHex } from './support.ts'

const part = (correlation: number, body: Uint8Array, flags: number, channel = 0): Uint8Array => {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length)
  writeFrameHeader(frame, 0, body.length, Opcode.PRODUCE, flags, channel, correlation)
  frame.set(body, FRAME_HEADER_BYTES)
  return frame
}

const ping = (correlation: number): Uint8Array => encodeFrame(Opcode.PING, 0, correlation)

describe('whole frames', () => {
  it('hands out views of the chunk and says that they are borrowed', () => {
    const chunk = encodeFrame(Opcode.PING, 0, 1, bytesOf('abc'))
    let seen: ArrayBufferLike | undefined
    const onFrame = (frame: Frame): void => {
      seen = frame.body.buffer
      expect(frame.isOwned).toBe(false)
    }
    new FrameDecoder({ frameBytesMax: 100, bodyBytesMax: 100, onFrame }).push(chunk)
    expect(seen).toBe(chunk.buffer)
  })

  it('reuses one frame object and lets go of the chunk after the call', () => {
    const seen: Frame[] = []
    const onFrame = (frame: Frame): void => void seen.push(frame)
    const decoder = new FrameDecoder({ frameBytesMax: 100, bodyBytesMax: 100, onFrame })
    decoder.push(concat([ping(1), encodeFrame(Opcode.PING, 0, 2, bytesOf('x'))]))
    expect(seen[0]).toBe(seen[1])
    expect(seen[0]!.body).toHaveLength(0)
  })

  it('owns the body of a frame that spans chunks', () => {
    const { decoder, frames } = collect()
    const chunk = encodeFrame(Opcode.PING, 0, 1, bytesOf('abc'))
    decoder.push(chunk.subarray(0, 13))
    decoder.push(chunk.subarray(13))
    expect(frames[0]).toMatchObject({ isOwned: true, body: bytesOf('abc') })
  })

  it('ignores flag bits it does not know', () => {
    const { decoder, frames } = collect()
    decoder.push(part(1, bytesOf('abc'), 0xfe))
    expect(frames[0]).toMatchObject({ flags: 0xfe, body: bytesOf('abc') })
  })
})

describe('the handshake', () => {
  it('takes no body in parts before its limits are set', () => {
    const frames: number[] = []
    const limits = { frameBytesMax: 100, bodyBytesMax: 100 }
    const create = (): FrameDecoder =>
      new FrameDecoder({
        ...limits,
        assembliesMax: 0,
        onFrame: ({ correlation }) => void frames.push(correlation),
      })
    const failure = failureOf(() => create().push(part(1, bytesOf('abc'), FLAG_MORE)))
    expect(failure.code).toBe('ERR_MALFORMED_FRAME')
    const decoder = create()
    decoder.push(ping(1))
    decoder.setLimits({ ...limits, assembliesMax: 1 })
    decoder.push(concat([part(2, bytesOf('abc'), FLAG_MORE), part(2, bytesOf('d'), 0)]))
    expect(frames).toEqual([1, 2])
  })
})

describe('limits of a frame', () => {
  it('takes a frame at the limit and refuses one byte more', () => {
    const fits = collect({ frameBytesMax: 64 })
    fits.decoder.push(encodeFrame(Opcode.PING, 0, 1, new Uint8Array(52)))
    expect(fits.frames).toHaveLength(1)
    const { decoder, frames } = collect({ frameBytesMax: 64 })
    const failure = failureOf(() =>
      decoder.push(encodeFrame(Opcode.PING, 0, 1, new Uint8Array(53))),
    )
    expect(failure).toEqual({
      code: 'ERR_FRAME_TOO_LARGE',
      message: 'frame of 65 bytes exceeds the limit of 64',
    })
    expect(frames).toHaveLength(0)
  })

  it.each(['7fffffff', 'ffffffff', '80000000'])(
    'refuses the length bomb %s at its fourth byte',
    (hex) => {
      const { decoder } = collect()
      decoder.push(fromHex(hex).subarray(0, 3))
      expect(failureOf(() => decoder.push(fromHex(hex).subarray(3))).code).toBe(
        'ERR_FRAME_TOO_LARGE',
      )
      expect(decoder.allocatedBytes).toBe(0)
    },
  )

  it.each([0, 1, 7])('refuses a length of %d', (length) => {
    const { decoder } = collect()
    const bytes = Uint8Array.of(0, 0, 0, length, 1, 0, 0, 0, 0, 0, 0, 1)
    expect(failureOf(() => decoder.push(bytes)).code).toBe('ERR_MALFORMED_FRAME')
  })

  it('checks the length of a header that drips in', () => {
    const { decoder } = collect()
    for (const byte of [0, 0, 0]) decoder.push(Uint8Array.of(byte))
    expect(failureOf(() => decoder.push(Uint8Array.of(7))).code).toBe('ERR_MALFORMED_FRAME')
  })

  it('applies new limits from the next header on', () => {
    const frames: number[] = []
    const decoder: FrameDecoder = new FrameDecoder({
      frameBytesMax: 16,
      bodyBytesMax: 16,
      onFrame: (frame) => {
        frames.push(frame.correlation)
        decoder.setLimits({ frameBytesMax: 64, bodyBytesMax: 64 })
      },
    })
    decoder.push(concat([ping(1), encodeFrame(Opcode.PING, 0, 2, new Uint8Array(52))]))
    expect(frames).toEqual([1, 2])
  })
})

describe('memory', () => {
  it('follows the bytes received, not the bytes declared', () => {
    const { decoder } = collect({ frameBytesMax: 1 << 20 })
    const header = new Uint8Array(FRAME_HEADER_BYTES)
    writeFrameHeader(header, 0, (1 << 20) - 12, Opcode.PRODUCE, 0, 0, 1)
    decoder.push(header)
    expect(decoder.allocatedBytes).toBe(0)
    let received = 0
    for (let index = 0; index < 200; index++) {
      decoder.push(new Uint8Array(997))
      received += 997
      expect(decoder.bufferedBytes).toBe(received)
      expect(decoder.allocatedBytes).toBeLessThanOrEqual(4 * received + 1024)
    }
  })

  it('never allocates beyond the declared body', () => {
    const { decoder } = collect()
    const frame = encodeFrame(Opcode.PRODUCE, 0, 1, new Uint8Array(5000))
    decoder.push(frame.subarray(0, 4000))
    expect(decoder.allocatedBytes).toBeLessThanOrEqual(5000)
  })
})

describe('continuation', () => {
  it('joins parts of several bodies that are interleaved', () => {
    const { decoder, frames } = collect()
    decoder.push(
      concat([
        part(1, bytesOf('a'), FLAG_MORE),
        part(2, bytesOf('x'), FLAG_MORE),
        part(1, bytesOf('m'), FLAG_MORE, 5),
        ping(3),
        part(2, bytesOf('y'), 0),
        part(1, bytesOf('b'), FLAG_MORE),
        part(1, new Uint8Array(0), 0),
        part(1, bytesOf('n'), 0, 5),
      ]),
    )
    const seen = frames.map((frame) => [frame.correlation, frame.channel, ...frame.body])
    expect(seen).toEqual([
      [3, 0],
      [2, 0, ...bytesOf('xy')],
      [1, 0, ...bytesOf('ab')],
      [1, 5, ...bytesOf('mn')],
    ])
    expect(decoder.allocatedBytes).toBe(0)
  })

  it('takes a body at the limit and refuses one byte more before buffering it', () => {
    const { decoder, frames } = collect({ bodyBytesMax: 20 })
    decoder.push(concat([part(1, new Uint8Array(12), FLAG_MORE), part(1, new Uint8Array(8), 0)]))
    expect(frames[0]!.body).toHaveLength(20)
    decoder.push(part(1, new Uint8Array(12), FLAG_MORE))
    const failure = failureOf(() => decoder.push(part(1, new Uint8Array(9), 0).subarray(0, 12)))
    expect(failure).toEqual({
      code: 'ERR_BODY_TOO_LARGE',
      message: 'body of 21 bytes exceeds the limit of 20',
    })
  })

  it('refuses a single frame beyond the body limit', () => {
    const { decoder } = collect({ bodyBytesMax: 20 })
    const failure = failureOf(() => decoder.push(part(1, new Uint8Array(21), 0)))
    expect(failure.code).toBe('ERR_BODY_TOO_LARGE')
  })

  it('allows as many unfinished bodies as the limit and no more', () => {
    const { decoder } = collect()
    for (let index = 1; index <= ASSEMBLIES_COUNT_MAX; index++) {
      decoder.push(part(index, Uint8Array.of(index), FLAG_MORE))
    }
    decoder.push(part(1, Uint8Array.of(1), FLAG_MORE))
    const failure = failureOf(() => decoder.push(part(17, Uint8Array.of(1), FLAG_MORE)))
    expect(failure.code).toBe('ERR_MALFORMED_FRAME')
    expect(failure.message).toContain('16 unfinished bodies')
    expect(decoder.allocatedBytes).toBe(0)
  })

  it('bounds all unfinished bodies together at two bodies', () => {
    const { decoder } = collect({ bodyBytesMax: 20 })
    decoder.push(part(1, new Uint8Array(20), FLAG_MORE))
    decoder.push(part(2, new Uint8Array(20), FLAG_MORE))
    decoder.push(ping(9))
    const failure = failureOf(() => decoder.push(part(3, new Uint8Array(1), FLAG_MORE)))
    expect(failure.message).toBe('body of 41 bytes exceeds the limit of 40')
  })

  it('survives a 16 MiB body in 256 KiB frames', () => {
    const body = new Uint8Array(16 * 1024 * 1024).fill(7)
    const { decoder, frames } = collect()
    splitBody(Opcode.PRODUCE, 0, 1, [body], 262_144, (chunk) => decoder.push(chunk))
    expect(frames).toHaveLength(1)
    expect(frames[0]!.body).toHaveLength(body.length)
    expect(frames[0]!.body.every((byte) => byte === 7)).toBe(true)
  })
})

describe('another protocol on this port', () => {
  it.each([
    ['GET / HTTP/1.1\r\n', 'HTTP'],
    ['POST /x HTTP/1.1\r\n', 'HTTP'],
    ['HTTP/1.1 400 Bad Request\r\n', 'HTTP'],
    ['PRI * HTTP/2.0\r\n', 'HTTP'],
    ['\u0016\u0003\u0001\u0002\u0000', 'TLS'],
    ['\u0015\u0003\u0003\u0000\u0002', 'TLS'],
    ['AMQP\u0000\u0000\u0009\u0001', 'AMQP'],
  ])('names the mistake for %j', (text, name) => {
    const { decoder } = collect()
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
    for (const byte of bytes.subarray(0, 3)) decoder.push(Uint8Array.of(byte))
    const failure = failureOf(() => decoder.push(bytes.subarray(3)))
    expect(failure.code).toBe('ERR_MALFORMED_FRAME')
    expect(failure.message).toContain(`speaks ${name}`)
  })

  it('guesses only at the start of a connection', () => {
    const { decoder } = collect()
    decoder.push(ping(1))
    expect(failureOf(() => decoder.push(bytesOf('GET / HTTP'))).code).toBe('ERR_FRAME_TOO_LARGE')
  })
})

describe('after a failure', () => {
  it('is dead, keeps nothing and says why', () => {
    const { decoder, frames } = collect()
    decoder.push(part(1, bytesOf('abc'), FLAG_MORE))
    expect(() => decoder.push(new Uint8Array(12))).toThrow('malformed frame')
    expect(decoder.isFailed).toBe(true)
    expect(decoder.allocatedBytes).toBe(0)
    expect(failureOf(() => decoder.push(ping(1))).code).toBe('ERR_CLOSED')
    expect(failureOf(() => decoder.resume()).code).toBe('ERR_CLOSED')
    expect(frames).toHaveLength(0)
  })

  it('is dead after the callback threw', () => {
    const onFrame = (): void => {
      throw new BrokerError('ERR_BUSY')
    }
    const { decoder } = collect({ onFrame })
    expect(failureOf(() => decoder.push(ping(1))).code).toBe('ERR_BUSY')
    expect(decoder.isFailed).toBe(true)
  })
})

describe('suspend and resume', () => {
  const suspending = (every: number): { decoder: FrameDecoder; seen: number[] } => {
    const seen: number[] = []
    const decoder: FrameDecoder = new FrameDecoder({
      frameBytesMax: 100,
      bodyBytesMax: 100,
      onFrame: (frame) => {
        seen.push(frame.correlation)
        if (seen.length % every === 0) decoder.suspend()
      },
    })
    return { decoder, seen }
  }

  it('keeps the rest of the chunk until resumed', () => {
    const { decoder, seen } = suspending(1)
    const chunk = concat([ping(1), ping(2), ping(3)])
    decoder.push(chunk)
    chunk.fill(0xff)
    expect(seen).toEqual([1])
    expect(decoder.isSuspended).toBe(true)
    expect(decoder.bufferedBytes).toBe(24)
    decoder.resume()
    expect(seen).toEqual([1, 2])
    decoder.resume()
    decoder.resume()
    expect(seen).toEqual([1, 2, 3])
    expect(decoder.bufferedBytes).toBe(0)
  })

  it('keeps the order of chunks pushed while suspended, cut anywhere', () => {
    const bytes = concat([1, 2, 3, 4, 5, 6].map((correlation) => ping(correlation)))
    for (let size = 1; size < bytes.length; size++) {
      const { decoder, seen } = suspending(2)
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size))
      for (let turn = 0; turn < 4; turn++) decoder.resume()
      expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    }
  })

  it('goes on when resumed inside the callback', () => {
    const seen: number[] = []
    const decoder: FrameDecoder = new FrameDecoder({
      frameBytesMax: 100,
      bodyBytesMax: 100,
      onFrame: (frame) => {
        seen.push(frame.correlation)
        decoder.suspend()
        decoder.resume()
      },
    })
    decoder.push(concat([ping(1), ping(2)]))
    expect(seen).toEqual([1, 2])
  })

  it('takes a chunk pushed inside the callback after the current one', () => {
    const seen: number[] = []
    const decoder: FrameDecoder = new FrameDecoder({
      frameBytesMax: 100,
      bodyBytesMax: 100,
      onFrame: (frame) => {
        seen.push(frame.correlation)
        if (frame.correlation === 1) decoder.push(ping(3))
      },
    })
    decoder.push(concat([ping(1), ping(2)]))
    expect(seen).toEqual([1, 2, 3])
  })

  it('suspends before the first byte', () => {
    const { decoder, frames } = collect()
    decoder.suspend()
    decoder.push(ping(1))
    expect(frames).toHaveLength(0)
    decoder.resume()
    expect(frames).toHaveLength(1)
  })
})

it.each([
  ['GET /livez', 'http'],
  ['PRI * HTTP/2.0', 'http'],
  ['AMQP\0\0\x09\x01', 'amqp'],
  ['\x16\x03\x01\x02\x00\x01', 'tls'],
  ['\xfe\xfe\xfe\xfe\xfe', undefined],
])('knows whose bytes %j are, however they arrive', (text, protocol) => {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  for (const size of [bytes.length, 1]) {
    const decoder = new FrameDecoder({
      ...{ frameBytesMax: 1 << 20, bodyBytesMax: 1 << 20 },
      onFrame: () => undefined,
    })
    expect(() => {
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size))
    }).toThrow()
    expect(decoder.foreignProtocol).toBe(protocol)
  }
})
