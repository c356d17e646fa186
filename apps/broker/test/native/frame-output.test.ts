import type { ReadLease } from '@millrace/core'
import { Opcode } from '@millrace/protocol'
import { FrameOutput } from '../../src/native/frame-output.ts'
import { MemoryBudget } from '../../src/net/memory-budget.ts'
import { RecordingConnection } from '../support/recording-connection.ts'

const FRAME_MAX = 64 * 1024
const OUTBOUND_MAX = 1 << 20

let connection: RecordingConnection
let output: FrameOutput
let memory: MemoryBudget
let overflows: number[]
let blocked: boolean[]
let openLeases: number

beforeEach(() => {
  connection = new RecordingConnection()
  memory = new MemoryBudget(1 << 30)
  overflows = []
  blocked = []
  openLeases = 0
  output = new FrameOutput(connection, FRAME_MAX, {
    outboundBytesMax: OUTBOUND_MAX,
    memory,
    onOverflow: (bytes) => overflows.push(bytes),
    onBlocked: (isBlocked) => blocked.push(isBlocked),
    onBodySent: () => false,
  })
})

afterEach(() => {
  output.close()
  expect([openLeases, memory.bytes]).toEqual([0, 0])
})

const leaseOf = (...sizes: number[]): ReadLease => {
  openLeases += 1
  const parts = sizes.map((size, at) => new Uint8Array(size).fill(at + 1))
  const byteLength = sizes.reduce((sum, size) => sum + size, 0)
  return { parts, byteLength, release: () => (openLeases -= 1) }
}

const head = new Uint8Array(32)

const drain = (room: number): void => {
  connection.room = room
  output.onDrain()
}

it('sends a body that fits as one frame', () => {
  output.sendBody(Opcode.FETCHED, 0, 9, head, leaseOf(100, 200))
  expect(connection.frames).toEqual([
    { opcode: Opcode.FETCHED, correlation: 9, bytes: 332, flags: 0 },
  ])
})

it.each([FRAME_MAX - 12 - 32, FRAME_MAX - 12 - 32 + 1, 5 * FRAME_MAX])(
  'cuts a body with %d bytes of batches into frames that are short enough',
  (size) => {
    output.sendBody(Opcode.FETCHED, 0, 9, head, leaseOf(7, size - 7))
    expect(connection.frames).toHaveLength(1)
    expect(connection.frames[0]?.bytes).toBe(32 + size)
    let at = 0
    let frames = 0
    while (at < connection.bytes.length) {
      const frameBytes = connection.bytes.readUInt32BE(at) + 4
      expect(frameBytes).toBeLessThanOrEqual(FRAME_MAX)
      at += frameBytes
      frames += 1
    }
    expect(frames).toBe(Math.ceil((32 + size) / (FRAME_MAX - 12)))
  },
)

it('lets a PONG pass a body that is on its way', () => {
  connection.room = 4
  output.sendBody(Opcode.FETCHED, 0, 9, head, leaseOf(10 * FRAME_MAX))
  output.send(Opcode.PONG, 0, 10)
  drain(Infinity)
  expect(connection.frames.map(({ opcode }) => opcode)).toEqual([Opcode.PONG, Opcode.FETCHED])
  expect(blocked).toEqual([true, false])
})

it('keeps bodies in line, and what must not overtake them', () => {
  connection.room = 1
  output.sendBody(Opcode.DELIVER, 0, 1, head, leaseOf(3 * FRAME_MAX))
  output.sendBody(Opcode.DELIVER, 0, 1, head, leaseOf(10))
  output.sendInLine(Opcode.SUBSCRIPTION_END, 0, 1, new Uint8Array(5))
  while (connection.frames.length < 3) drain(2)
  expect(connection.frames.map(({ bytes }) => bytes)).toEqual([32 + 3 * FRAME_MAX, 42, 5])
})

it('sends an answer without batches that is longer than a frame', () => {
  output.sendInLine(Opcode.TOPIC_LISTED, 0, 1, new Uint8Array(3 * FRAME_MAX))
  output.sendInLine(Opcode.CLOSED, 0, 2, new Uint8Array(0))
  expect(connection.frames.map(({ bytes }) => bytes)).toEqual([3 * FRAME_MAX, 0])
})

it('lets exactly the limit wait and reports one byte more', () => {
  connection.room = 1
  output.send(Opcode.PING, 0, 1)
  output.sendBody(Opcode.FETCHED, 0, 1, head, leaseOf(OUTBOUND_MAX - 32))
  expect(overflows).toEqual([])
  output.sendBody(Opcode.FETCHED, 0, 2, new Uint8Array(1), undefined)
  expect(overflows).toEqual([OUTBOUND_MAX + 1])
})

it('ends after everything in line', () => {
  connection.room = 1
  output.sendBody(Opcode.FETCHED, 0, 1, head, leaseOf(3 * FRAME_MAX))
  output.end()
  expect(connection.calls).toEqual([])
  drain(Infinity)
  expect(connection.calls).toEqual(['end'])
})

it('gives back what waits when the peer is gone, and what comes after', () => {
  connection.room = 1
  output.sendBody(Opcode.FETCHED, 0, 1, head, leaseOf(3 * FRAME_MAX))
  output.sendBody(Opcode.FETCHED, 0, 2, head, leaseOf(3 * FRAME_MAX))
  output.close()
  output.sendBody(Opcode.FETCHED, 0, 3, head, leaseOf(10))
  expect(openLeases).toBe(0)
})
