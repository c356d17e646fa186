/** Frames of a turn leave together, and large payloads as they lie. */
import type { Connection } from '@millrace/core'
import { FrameOutput } from '../src/frame-output.ts'
import { COPIED_PAYLOAD_BYTES_MAX, FRAME_BYTES_DEFAULT, GATHERED_BYTES_MAX } from '../src/limits.ts'
import { ManualTimers } from './support/amqp-world.ts'

const NO_PROPERTIES = new Uint8Array(2)

const collect = () => {
  const writes: Uint8Array[] = []
  const copies: Uint8Array[] = []
  const timers = new ManualTimers()
  const state = { hasRoom: true, blocked: 0, sent: 0 }
  const connection = {
    write: (bytes: Uint8Array) => {
      writes.push(bytes)
      copies.push(bytes.slice())
      return state.hasRoom
    },
  } as unknown as Connection
  const output = new FrameOutput(connection, {
    timers,
    onBlocked: () => void (state.blocked += 1),
    onSent: (bytes) => void (state.sent += bytes),
  })
  output.setFrameBytesMax(FRAME_BYTES_DEFAULT)
  return { writes, copies, timers, output, state }
}

it('leave in one write at the end of the turn', () => {
  const { writes, timers, output } = collect()
  for (let tag = 1; tag <= 3; tag++) output.ack(1, tag, false)
  expect(writes).toHaveLength(0)
  timers.turn()
  expect(writes).toHaveLength(1)
  expect(writes[0]).toHaveLength(3 * 21)
  timers.turn()
  expect(writes).toHaveLength(1)
})

it('are never written over once they were handed on', () => {
  const { writes, copies, output } = collect()
  for (let tag = 1; tag <= 2_000; tag++) {
    output.ack(1, tag, tag % 2 === 0)
    if (tag % 7 === 0) output.flush()
  }
  output.flush()
  const bytes = Buffer.concat(writes)
  expect(bytes.equals(Buffer.concat(copies))).toBe(true)
  expect(bytes).toHaveLength(2_000 * 21)
})

it('use their slab again where the connection copies', () => {
  const copies: Buffer[] = []
  const buffers = new Set<unknown>()
  const connection = {
    write: () => true,
    writeCopy: (bytes: Uint8Array) => {
      copies.push(Buffer.from(bytes.slice()))
      buffers.add(bytes.buffer)
      return true
    },
  } as unknown as Connection
  const timers = new ManualTimers()
  const options = { timers, onBlocked: () => undefined, onSent: () => undefined }
  const output = new FrameOutput(connection, options)
  for (let tag = 1; tag <= 5_000; tag++) {
    output.ack(1, tag, false)
    if (tag % 100 === 0) output.flush()
  }
  const tags = Buffer.concat(copies)
  for (let tag = 1; tag <= 5_000; tag++) {
    expect(tags.readUInt32BE((tag - 1) * 21 + 15)).toBe(tag)
  }
  expect(buffers.size).toBe(1)
})

it.each([COPIED_PAYLOAD_BYTES_MAX, COPIED_PAYLOAD_BYTES_MAX + 1])(
  'carry a payload of %d bytes as a copy or as it lies',
  (size) => {
    const { writes, output } = collect()
    const payload = new Uint8Array(size)
    output.content(1, NO_PROPERTIES, payload)
    output.flush()
    const isView = writes.some(({ buffer }) => buffer === payload.buffer)
    expect(isView).toBe(size > COPIED_PAYLOAD_BYTES_MAX)
    const bytes = writes.reduce((sum, { length }) => sum + length, 0)
    expect(bytes).toBe(22 + 8 + size)
  },
)

it('leave within the turn when there are many', () => {
  const { writes, output } = collect()
  for (let tag = 1; tag <= GATHERED_BYTES_MAX / 21 + 1; tag++) output.ack(1, tag, false)
  expect(writes.length).toBeGreaterThan(0)
})

it('say once that the connection takes no more, and count what is written all the same', () => {
  const { output, state } = collect()
  state.hasRoom = false
  output.ack(1, 1, false)
  output.flush()
  output.ack(1, 2, false)
  output.flush()
  expect([state.blocked, output.isBlocked, output.bytesSinceBlocked]).toEqual([1, true, 42])
  output.onDrain()
  expect([output.isBlocked, output.bytesSinceBlocked]).toEqual([false, 0])
  expect(state.sent).toBe(42)
})

it('stop with the connection', () => {
  const { writes, timers, output } = collect()
  output.ack(1, 1, false)
  output.close()
  expect(writes).toHaveLength(1)
  output.ack(1, 2, false)
  timers.turn()
  expect(writes).toHaveLength(1)
})
