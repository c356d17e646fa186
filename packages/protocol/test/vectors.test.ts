import {
  decodeMessage,
  encodeFrame,
  encodeMessage,
  FRAME_HEADER_BYTES,
  Opcode,
} from '../src/index.ts'
import type { Messages } from '../src/index.ts'
import { allVectors, collect, fromHex, toHex } from './support.ts'

/** Keys that are `undefined` count as absent. */
const plain = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(plain)
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  return Object.fromEntries(entries.map(([key, field]) => [key, plain(field)]))
}

describe.each(allVectors)('vector $name', (vector) => {
  const opcode = Opcode[vector.opcode]

  it('parses', () => {
    const { decoder, frames } = collect()
    decoder.push(fromHex(vector.frame))
    expect(frames).toHaveLength(1)
    expect(frames[0]).toMatchObject({
      opcode,
      flags: 0,
      channel: vector.channel,
      correlation: vector.correlation,
    })
    expect(plain(decodeMessage(opcode, frames[0]!.body))).toMatchObject(vector.message as object)
  })

  it('is generated', () => {
    const body = encodeMessage(opcode, vector.message as Messages[Opcode] as never)
    const frame = encodeFrame(opcode, vector.channel, vector.correlation, body)
    expect(toHex(frame)).toBe(vector.frame)
  })

  it('survives decode and encode', () => {
    const body = fromHex(vector.frame).subarray(FRAME_HEADER_BYTES)
    const first = decodeMessage(opcode, body)
    const again = decodeMessage(opcode, encodeMessage(opcode, first as never))
    expect(again).toEqual(first)
  })
})

it('has a vector for every opcode', () => {
  const covered = new Set(allVectors.map((vector) => vector.opcode))
  expect([...covered].sort()).toEqual(Object.keys(Opcode).sort())
})
