import { isBrokerError } from '@millrace/codec'
import fc from 'fast-check'
import {
  decodeControl,
  decodeMessage,
  encodeControl,
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  Opcode,
  splitBody,
  writeFrameHeader,
} from '../src/index.ts'
import { allVectors, collect, concat, fromHex } from './support.ts'

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

const cutAt = (whole: Uint8Array, sizes: readonly number[]): Uint8Array[] => {
  const chunks: Uint8Array[] = []
  let at = 0
  for (let turn = 0; at < whole.length; turn++) {
    const size = sizes[turn % sizes.length] as number
    chunks.push(whole.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** Runs `action`; false when it threw a `BrokerError`. Anything else is a failure of the test. */
const survives = (action: () => void): boolean => {
  try {
    action()
    return true
  } catch (error) {
    if (!isBrokerError(error)) throw error
    return false
  }
}

const body = fc.record({
  opcode: fc.constantFrom(Opcode.PRODUCE, Opcode.DELIVER, Opcode.PING),
  channel: fc.nat(0xffff),
  bytes: bytes(300),
})

/** Frames of several bodies, interleaved by taking turns. */
const interleave = (frames: Uint8Array[][]): Uint8Array[] => {
  const mixed: Uint8Array[] = []
  for (let turn = 0; frames.some((list) => turn < list.length); turn++) {
    for (const list of frames) if (turn < list.length) mixed.push(list[turn] as Uint8Array)
  }
  return mixed
}

const framesOf = (
  opcode: number,
  channel: number,
  correlation: number,
  whole: Uint8Array,
  max: number,
): Uint8Array[] => {
  const frames: Uint8Array[] = []
  splitBody(opcode, channel, correlation, [whole], max, (chunk) => {
    const isHeader = frames.length === 0 || isComplete(frames.at(-1) as Uint8Array)
    if (isHeader) frames.push(chunk)
    else frames.push(concat([frames.pop() as Uint8Array, chunk]))
  })
  return frames
}

const isComplete = (frame: Uint8Array): boolean =>
  new DataView(frame.buffer, frame.byteOffset).getUint32(0) + 4 === frame.length

it('joins interleaved bodies again, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(body, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 13, max: 100 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
      (bodies, frameBytesMax, sizes) => {
        const lists = bodies.map((item, index) =>
          framesOf(item.opcode, item.channel, index + 1, item.bytes, frameBytesMax),
        )
        const { decoder, frames } = collect({ frameBytesMax: 100 })
        for (const chunk of cutAt(concat(interleave(lists)), sizes)) decoder.push(chunk)
        frames.sort((first, second) => first.correlation - second.correlation)
        expect(frames.map((frame) => frame.body)).toEqual(bodies.map((item) => item.bytes))
        expect(frames.map((frame) => frame.channel)).toEqual(bodies.map((item) => item.channel))
        expect(decoder.bufferedBytes).toBe(0)
      },
    ),
    { numRuns: 300 },
  )
})

it('gives the same frames with any pattern of suspending', () => {
  fc.assert(
    fc.property(
      fc.array(bytes(40), { maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
      (bodies, size, pattern) => {
        const seen: Uint8Array[] = []
        const { decoder } = collect({
          onFrame: (frame) => {
            seen.push(new Uint8Array(frame.body))
            if (pattern[seen.length % pattern.length]) decoder.suspend()
          },
        })
        const stream = concat(
          bodies.flatMap((item, index) => framesOf(Opcode.PING, 0, index + 1, item, 1000)),
        )
        for (const chunk of cutAt(stream, [size])) decoder.push(chunk)
        for (let turn = 0; turn <= bodies.length; turn++) decoder.resume()
        expect(seen).toEqual(bodies)
      },
    ),
    { numRuns: 300 },
  )
})

it('answers arbitrary bytes with frames, patience or a BrokerError, in bounded memory', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes(80), hostileFrame()), { maxLength: 12 }), (chunks) => {
      let received = 0
      let handedOut = 0
      const { decoder } = collect({
        frameBytesMax: 4096,
        bodyBytesMax: 8192,
        onFrame: (frame) => void (handedOut += frame.body.length),
      })
      for (const chunk of chunks) {
        received += chunk.length
        if (!survives(() => decoder.push(chunk))) {
          expect(decoder.isFailed).toBe(true)
          expect(decoder.allocatedBytes).toBe(0)
          return
        }
        expect(decoder.bufferedBytes + handedOut).toBeLessThanOrEqual(received)
        expect(decoder.allocatedBytes).toBeLessThanOrEqual(4 * received + 17 * 1024)
      }
    }),
    { numRuns: 2000 },
  )
})

/** A plausible header with any flags and a length that may lie. */
const hostileFrame = (): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(
      fc.nat(255),
      fc.constantFrom(0, FLAG_MORE, 0xff),
      fc.nat(3),
      bytes(60),
      fc.constantFrom(0, 0, 0, 1, 40),
    )
    .map(([opcode, flags, correlation, content, lie]) => {
      const frame = new Uint8Array(FRAME_HEADER_BYTES + content.length)
      writeFrameHeader(frame, 0, content.length + lie, opcode, flags, 0, correlation)
      frame.set(content, FRAME_HEADER_BYTES)
      return frame
    })

const plainValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.double({ noNaN: true }).filter((value) => !Number.isInteger(value)),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 10 }), tie('value'), {
      noNullPrototype: true,
      maxKeys: 20,
    }),
  ),
})).value

it('carries any plain map there and back', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 40 }), plainValue, {
        noNullPrototype: true,
      }),
      (map) => {
        fc.pre(!JSON.stringify(map).includes('"__proto__"'))
        expect(decodeControl(encodeControl(map))).toEqual(map)
      },
    ),
    { numRuns: 300 },
  )
})

it('answers arbitrary bodies of every opcode with a message or a BrokerError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(Opcode)), bytes(120), (opcode, content) => {
      survives(() => void decodeMessage(opcode, content))
    }),
    { numRuns: 3000 },
  )
})

it('answers damaged bodies with a message or a BrokerError', () => {
  const damage = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...allVectors), damage, (vector, places) => {
      const content = fromHex(vector.frame).subarray(FRAME_HEADER_BYTES)
      for (const [place, value] of places)
        if (content.length > 0) content[place % content.length] = value
      survives(() => void decodeMessage(Opcode[vector.opcode], content))
    }),
    { numRuns: 3000 },
  )
})
