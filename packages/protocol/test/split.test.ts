import { FLAG_MORE, FRAME_HEADER_BYTES, Opcode, splitBody, writeFrameHeader } from '../src/index.ts'
import { allVectors, collect, concat, fromHex, session } from './support.ts'

const wholeSession = concat(session.map((vector) => fromHex(vector.frame)))

const expectedFrames = (): unknown => {
  const { decoder, frames } = collect()
  decoder.push(wholeSession)
  return frames.map(({ opcode, channel, correlation, body }) => [
    opcode,
    channel,
    correlation,
    body,
  ])
}

describe.each(allVectors)('vector $name', (vector) => {
  const bytes = fromHex(vector.frame)

  it('is the same cut at every byte', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { decoder, frames } = collect()
      decoder.push(bytes.subarray(0, cut))
      expect(frames).toHaveLength(cut === bytes.length ? 1 : 0)
      decoder.push(bytes.subarray(cut))
      expect(frames).toHaveLength(1)
      expect(frames[0]!.body).toEqual(bytes.subarray(FRAME_HEADER_BYTES))
      expect(decoder.bufferedBytes).toBe(0)
    }
  })
})

it('reads a whole session byte by byte as in one piece', () => {
  const { decoder, frames } = collect()
  for (const byte of wholeSession) decoder.push(Uint8Array.of(byte))
  const seen = frames.map(({ opcode, channel, correlation, body }) => [
    opcode,
    channel,
    correlation,
    body,
  ])
  expect(seen).toEqual(expectedFrames())
  expect(seen).toHaveLength(session.length)
})

it('reads a continued body with a ping inside, cut at every byte', () => {
  const body = Uint8Array.from({ length: 50 }, (_, index) => index)
  const chunks: Uint8Array[] = []
  splitBody(Opcode.PRODUCE, 3, 9, [body], 32, (chunk) => chunks.push(chunk))
  const ping = new Uint8Array(FRAME_HEADER_BYTES)
  writeFrameHeader(ping, 0, 0, Opcode.PING, 0, 0, 10)
  const bytes = concat([...chunks.slice(0, 2), ping, ...chunks.slice(2)])
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { decoder, frames } = collect()
    decoder.push(bytes.subarray(0, cut))
    decoder.push(bytes.subarray(cut))
    expect(frames.map((frame) => frame.opcode)).toEqual([Opcode.PING, Opcode.PRODUCE])
    expect(frames[1]).toMatchObject({ body, channel: 3, correlation: 9, isOwned: true })
    expect(frames[1]!.flags & FLAG_MORE).toBe(0)
  }
})
