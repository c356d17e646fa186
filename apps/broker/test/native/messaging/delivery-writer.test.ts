import type { Delivery, Messaging } from '@millrace/core'
import {
  decodeQueueDeliveries,
  type Frame,
  FrameDecoder,
  queueDeliverySize,
} from '@millrace/protocol'
import { FrameOutput } from '../../../src/native/frame-output.ts'
import { DeliveryWriter } from '../../../src/native/messaging/delivery-writer.ts'
import { WireDelivery } from '../../../src/native/messaging/wire-delivery.ts'
import { MemoryBudget } from '../../../src/net/memory-budget.ts'
import { RecordingConnection } from '../../support/recording-connection.ts'

let connection: RecordingConnection
let output: FrameOutput
let writer: DeliveryWriter

beforeEach(() => {
  connection = new RecordingConnection()
  output = new FrameOutput(connection, 64 * 1024, {
    outboundBytesMax: 1 << 26,
    memory: new MemoryBudget(1 << 30),
    onOverflow: () => undefined,
    onBlocked: () => undefined,
    onBodySent: () => false,
  })
  writer = new DeliveryWriter(output)
})

const wireOf = (tag: number, payloadBytes: number): WireDelivery => {
  const message = {
    exchange: '',
    routingKey: 'q',
    payload: new Uint8Array(payloadBytes).fill(tag),
    format: 0,
    properties: new Uint8Array(0),
    isPersistent: true,
    priority: 0,
    ttlMs: -1,
    timestampMs: 1,
  }
  const delivery = { offset: tag, message, isRedelivered: false, deliveryCount: 0 }
  const messaging = undefined as unknown as Messaging
  return new WireDelivery().fill(messaging, tag, delivery as unknown as Delivery)
}

const write = (consumer: number, wire: WireDelivery): void =>
  writer.write(consumer, 0, wire, queueDeliverySize(wire))

/** Consumer and tags of each frame. */
const framesOf = (): [number, number[]][] => {
  const frames: [number, number[]][] = []
  const onFrame = ({ correlation, body }: Frame): void => {
    const deliveries = decodeQueueDeliveries(body)
    for (const { tag, payload } of deliveries) {
      expect(payload.every((byte) => byte === tag % 256)).toBe(true)
    }
    frames.push([correlation, deliveries.map(({ tag }) => tag)])
  }
  const limits = { frameBytesMax: 1 << 20, bodyBytesMax: 32 << 20 }
  new FrameDecoder({ ...limits, onFrame }).push(connection.bytes)
  return frames
}

it('gathers what the engine delivers in one go, by consumer, and writes once', async () => {
  for (const [consumer, tag] of [
    [1, 1],
    [1, 2],
    [2, 3],
    [1, 4],
  ] as const) {
    write(consumer, wireOf(tag, 10))
  }
  expect(connection.bytes).toHaveLength(0)
  await Promise.resolve()
  expect(framesOf()).toEqual([
    [1, [1, 2]],
    [2, [3]],
    [1, [4]],
  ])
})

it('keeps the order when a payload is too large to be copied', async () => {
  write(1, wireOf(1, 10))
  write(1, wireOf(2, 200_000))
  write(1, wireOf(3, 10))
  await Promise.resolve()
  expect(framesOf()).toEqual([
    [1, [1]],
    [1, [2]],
    [1, [3]],
  ])
})

it('begins a new frame and a new slab when one is full, and loses nothing', async () => {
  const tags = Array.from({ length: 100 }, (_, index) => index + 1)
  for (const tag of tags) write(1, wireOf(tag, 7_000))
  await Promise.resolve()
  const frames = framesOf()
  expect(frames.length).toBeGreaterThan(20)
  expect(frames.flatMap(([, list]) => list)).toEqual(tags)
})

it('does not overtake a body that waits in line', async () => {
  connection.room = 1
  write(1, wireOf(1, 200_000))
  write(1, wireOf(2, 10))
  await Promise.resolve()
  expect(output.isBlocked).toBe(true)
  connection.room = Infinity
  output.onDrain()
  expect(framesOf()).toEqual([
    [1, [1]],
    [1, [2]],
  ])
})

it('splits frames where the peer agreed on short ones', async () => {
  output.setFrameBytesMax(8_192)
  for (let tag = 1; tag <= 5; tag++) write(1, wireOf(tag, 5_000))
  await Promise.resolve()
  expect(framesOf().flatMap(([, list]) => list)).toEqual([1, 2, 3, 4, 5])
  expect(connection.frames.length).toBeGreaterThan(0)
})
