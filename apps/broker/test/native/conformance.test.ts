/** Sentences of docs/protocol.md about requests, each over the real engine. */
import {
  createFetch,
  decodeProduced,
  decodeTopicOpened,
  encodeControl,
  encodeFetch,
  encodeProduce,
  encodeTopicCreate,
  encodeTopicOpen,
  Opcode,
} from '@millrace/protocol'
import { type RealServer, startRealServer } from '../support/real-server.ts'
import { batchOf, RawPeer } from '../support/raw-peer.ts'

let real: RealServer
let peer: RawPeer

beforeEach(async () => {
  real = await startRealServer()
  peer = await RawPeer.open(real.port)
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'orders', partitions: 2 }))
  await peer.take(Opcode.TOPIC_CREATED)
})

afterEach(async () => {
  await peer.ping()
  peer.close()
  await real.stop()
})

it.each([
  ['no partition', { at: 'latest', partitions: [] }, 'ERR_INVALID_ARGUMENT'],
  ['a partition twice', { at: 'latest', partitions: [1, 1] }, 'ERR_INVALID_ARGUMENT'],
  ['a partition that is not there', { at: 'latest', partitions: [2] }, 'ERR_PARTITION_NOT_FOUND'],
  ['another word', { at: 'noon' }, 'ERR_MALFORMED_BODY'],
])('refuses LIST_OFFSETS of %s', async (_what, request, code) => {
  const body = encodeControl({ topic: 'orders', ...request })
  const correlation = peer.send(Opcode.LIST_OFFSETS, body)
  expect(await peer.takeError()).toMatchObject({ code, correlation })
})

it.each([
  ['no partition', { from: 'latest', partitions: [] }, 'ERR_INVALID_ARGUMENT'],
  ['a partition twice', { from: 'latest', partitions: [1, 1] }, 'ERR_INVALID_ARGUMENT'],
  ['a time and offsets', { from: { timestamp: 1, offsets: {} } }, 'ERR_MALFORMED_BODY'],
  ['offsets of a stranger', { from: { offsets: { 2: 0 } } }, 'ERR_PARTITION_NOT_FOUND'],
  ['an offset above the high watermark', { from: 1 }, 'ERR_OFFSET_OUT_OF_RANGE'],
])('refuses SUBSCRIBE to %s', async (_what, request, code) => {
  const body = encodeControl({ subscription: 1, topic: 'orders', credit: 0, ...request })
  const correlation = peer.send(Opcode.SUBSCRIBE, body)
  expect(await peer.takeError()).toMatchObject({ code, correlation })
})

it('takes offsets of partitions that the subscription leaves out', async () => {
  const from = { offsets: { 0: 99, 1: 0 } }
  const request = { subscription: 1, topic: 'orders', credit: 0, from, partitions: [1] }
  peer.send(Opcode.SUBSCRIBE, encodeControl(request))
  await peer.take(Opcode.SUBSCRIBED)
})

it.each([
  ['its own limit', { batchBytesMax: 5_000 }, 5_000],
  ['a quarter of a segment', { segmentBytes: 8_192 }, 2_048],
])('opens a topic with the largest batch it takes: %s', async (_what, settings, bytes) => {
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'sized', settings }))
  await peer.take(Opcode.TOPIC_CREATED)
  peer.send(Opcode.TOPIC_OPEN, encodeTopicOpen({ topic: 'sized' }))
  const { handle, batchBytesMax } = decodeTopicOpened((await peer.take(Opcode.TOPIC_OPENED)).body)
  expect(batchBytesMax).toBe(bytes)
  for (const extra of [0, 1]) {
    const batch = batchOfBytes(bytes + extra)
    peer.send(Opcode.PRODUCE, encodeProduce({ handle, partition: 0, durability: 0, batch }))
    if (extra === 0) await peer.take(Opcode.PRODUCED)
    else expect((await peer.takeError()).code).toMatch(/ERR_BATCH_TOO_LARGE/)
  }
})

it('opens a topic with no larger batch than the connection carries', async () => {
  const settings = { batchBytesMax: 64 << 20 }
  peer.send(Opcode.TOPIC_CREATE, encodeTopicCreate({ topic: 'sized', settings }))
  await peer.take(Opcode.TOPIC_CREATED)
  peer.send(Opcode.TOPIC_OPEN, encodeTopicOpen({ topic: 'sized' }))
  const { body } = await peer.take(Opcode.TOPIC_OPENED)
  expect(decodeTopicOpened(body).batchBytesMax).toBe(16 << 20)
})

/** One record; the head of a batch and the lengths of the record take the rest. */
const batchOfBytes = (bytes: number): Uint8Array => {
  const overhead = batchOf(['x'.repeat(bytes - 100)]).length - (bytes - 100)
  const batch = batchOf(['x'.repeat(bytes - overhead)])
  expect(batch.length).toBe(bytes)
  return batch
}

it('answers nothing to a PRODUCE that wants no answer, whatever is wrong with it', async () => {
  const handle = await peer.openTopic('orders')
  const silent = { handle, partition: 0, durability: 255, batch: batchOf(['x']) } as const
  const bodies = [
    encodeProduce(silent),
    encodeProduce({ ...silent, handle: 99 }),
    encodeProduce({ ...silent, partition: 9 }),
    encodeProduce({ ...silent, batch: new Uint8Array(3) }),
    encodeProduce(silent).subarray(0, 11),
  ]
  for (const body of bodies) peer.send(Opcode.PRODUCE, body, 0)
  const correlation = peer.produce(handle, 'y')
  const frame = await peer.next()
  expect(frame).toMatchObject({ opcode: Opcode.PRODUCED, correlation })
  expect(decodeProduced(frame?.body ?? new Uint8Array(0)).baseOffset).toBe(1)
})

it('answers two requests of one correlation, both under it', async () => {
  const handle = await peer.openTopic('orders')
  const body = encodeFetch({ ...createFetch(), handle, maxBytes: 1, minBytes: 1, maxWaitMs: 50 })
  peer.send(Opcode.FETCH, body, 77)
  peer.send(Opcode.FETCH, body, 77)
  const frames = [await peer.next(), await peer.next()]
  expect(frames.map((frame) => frame?.correlation)).toEqual([77, 77])
})

it('answers a CREDIT that cannot be read without a correlation, and goes on', async () => {
  peer.send(Opcode.CREDIT, new Uint8Array(7), 42)
  expect(await peer.takeError()).toMatchObject({ code: 'ERR_MALFORMED_BODY', correlation: 0 })
})
