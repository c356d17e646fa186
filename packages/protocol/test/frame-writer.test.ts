import {
  encodeFrame,
  FLAG_MORE,
  FRAME_HEADER_BYTES,
  frameChannel,
  frameCorrelation,
  frameFlags,
  frameLength,
  frameOpcode,
  Opcode,
  splitBody,
} from '../src/index.ts'
import { bytesOf, collect, concat, failureOf, toHex } from './support.ts'

const split = (parts: Uint8Array[], frameBytesMax: number): Uint8Array[] => {
  const chunks: Uint8Array[] = []
  splitBody(Opcode.DELIVER, 2, 7, parts, frameBytesMax, (chunk) => chunks.push(chunk))
  return chunks
}

it('writes the header as the ruler draws it', () => {
  const frame = encodeFrame(Opcode.ERROR, 0xabcd, 0xfffefdfc, bytesOf('ab'))
  expect(toHex(frame)).toBe('0000000a7f00abcdfffefdfc6162')
  expect(frameLength(frame, 0)).toBe(10)
  expect(frameOpcode(frame, 0)).toBe(Opcode.ERROR)
  expect(frameFlags(frame, 0)).toBe(0)
  expect(frameChannel(frame, 0)).toBe(0xabcd)
  expect(frameCorrelation(frame, 0)).toBe(0xfffefdfc)
})

it('sends a body that fits as one frame of views', () => {
  const body = bytesOf('hello')
  const chunks = split([body], FRAME_HEADER_BYTES + 5)
  expect(chunks).toHaveLength(2)
  expect(chunks[1]!.buffer).toBe(body.buffer)
  expect(concat(chunks)).toEqual(encodeFrame(Opcode.DELIVER, 2, 7, body))
})

it('continues at one byte more', () => {
  const chunks = split([bytesOf('hello!')], FRAME_HEADER_BYTES + 5)
  expect(chunks.map((chunk) => chunk.length)).toEqual([12, 5, 12, 1])
  expect(frameFlags(chunks[0]!, 0)).toBe(FLAG_MORE)
  expect(frameFlags(chunks[2]!, 0)).toBe(0)
})

it('sends an empty body as a bare header', () => {
  expect(concat(split([], 64))).toEqual(encodeFrame(Opcode.DELIVER, 2, 7))
  expect(concat(split([new Uint8Array(0)], 64))).toEqual(encodeFrame(Opcode.DELIVER, 2, 7))
})

it('cuts across parts, empty ones included, and the decoder joins them again', () => {
  const parts = ['abc', '', 'defgh', 'i', '', 'jklmnopqrst'].map(bytesOf)
  for (let max = FRAME_HEADER_BYTES + 1; max < 40; max++) {
    const { decoder, frames } = collect()
    for (const chunk of split(parts, max)) decoder.push(chunk)
    expect(frames).toHaveLength(1)
    expect(frames[0]!.body).toEqual(bytesOf('abcdefghijklmnopqrst'))
  }
})

it('refuses a frame limit without room for a body', () => {
  expect(failureOf(() => split([bytesOf('a')], FRAME_HEADER_BYTES)).code).toBe(
    'ERR_FRAME_TOO_LARGE',
  )
})
