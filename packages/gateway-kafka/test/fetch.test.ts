/** Fetch: what is read, how long it waits and how much it brings. */
import {
  batchAttributes,
  batchBaseOffset,
  batchTotalBytes,
  compressionOf,
  deflateBatch,
} from '@millrace/codec'
import { createCompression } from '@millrace/compression'
import { KafkaError } from '../src/errors.ts'
import { fetch, type FetchedPartition, type FetchRequest } from '../src/schema/apis/fetch.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { produce } from '../src/schema/apis/produce.ts'
import type { KafkaPeer } from './support/kafka-peer.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import { batchOf, fetchOf, metadataOf, produceOf } from './support/requests.ts'
import { oneTurn, until } from './support/settled.ts'

let world: KafkaWorld
let peer: KafkaPeer
let writer: KafkaPeer

const caller = { principal: { name: 'anyone', isAnonymous: true }, namespace: '/' }

beforeEach(async () => {
  world = await openKafkaWorld()
  await world.broker.createTopic(caller, { topic: 'orders', partitions: 3 })
  peer = world.connect()
  writer = world.connect()
})

afterEach(() => world.stop())

const write = async (records: Uint8Array, index = 0): Promise<void> => {
  const { responses } = await writer.ask(produce, 9, produceOf('orders', records, { index }))
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(KafkaError.NONE)
}

const read = async (request: FetchRequest, version = 11): Promise<readonly FetchedPartition[]> => {
  const { responses } = await peer.ask(fetch, version, request)
  return responses[0]?.partitions ?? []
}

const bytesOf = (partition: FetchedPartition | undefined): Uint8Array =>
  partition?.records as Uint8Array

it.each([4, 5, 6, 7, 8, 9, 10, 11, 12])(
  'brings batches as they were sent, version %d',
  async (version) => {
    const batch = batchOf(['a', 'b'])
    await write(batch)
    const [partition] = await read(fetchOf('orders', [{}]), version)
    expect(partition).toMatchObject({ errorCode: 0, highWatermark: 2, lastStableOffset: 2 })
    // The prefix before the checksum is the log's own.
    expect(
      Buffer.from(bytesOf(partition)).subarray(17).equals(Buffer.from(batch).subarray(17)),
    ).toBe(true)
  },
)

it('sends what it read without copying it', async () => {
  await write(batchOf(['a']))
  await read(fetchOf('orders', [{}]))
  expect(peer.connection.leaseCount).toBe(1)
})

it('begins with the batch that holds the offset', async () => {
  await write(batchOf(['a', 'b']))
  await write(batchOf(['c', 'd']))
  const [partition] = await read(fetchOf('orders', [{ fetchOffset: 3 }]))
  expect(batchBaseOffset(bytesOf(partition))).toBe(2)
})

it('waits for a record and answers as soon as it is there', async () => {
  peer.send(fetch, 11, fetchOf('orders', [{}], { maxWaitMs: 30_000 }))
  await oneTurn()
  expect(peer.connection.received).toHaveLength(0)
  await write(batchOf(['late']))
  const { response } = await peer.take(fetch, 11)
  expect(bytesOf(response.responses[0]?.partitions[0])).not.toHaveLength(0)
})

it('waits for a record in any of several partitions', async () => {
  const partitions = [{}, { partition: 1 }, { partition: 2 }]
  peer.send(fetch, 11, fetchOf('orders', partitions, { maxWaitMs: 30_000 }))
  await oneTurn()
  await write(batchOf(['late']), 2)
  const { response } = await peer.take(fetch, 11)
  const lengths = response.responses[0]?.partitions.map((one) => bytesOf(one).length > 0)
  expect(lengths).toEqual([false, false, true])
})

it('adds up the partitions for its least number of bytes', async () => {
  const batch = batchOf(['x'.repeat(400)])
  const partitions = [{}, { partition: 1 }]
  const minBytes = batch.length * 3
  await write(batch)
  peer.send(fetch, 11, fetchOf('orders', partitions, { maxWaitMs: 30_000, minBytes }))
  await write(batch, 1)
  await oneTurn()
  expect(peer.connection.received).toHaveLength(0)
  await write(batch, 1)
  const { response } = await peer.take(fetch, 11)
  const total = response.responses[0]?.partitions.reduce((sum, one) => sum + bytesOf(one).length, 0)
  expect(total).toBe(minBytes)
})

it('answers with what there is when its time is up', async () => {
  await world.stop()
  world = await openKafkaWorld({ settings: {} })
  await world.broker.createTopic(caller, { topic: 'orders', partitions: 3 })
  peer = world.connect()
  // The engine's own timers run in real time.
  const partitions = [{}, { partition: 1 }]
  peer.send(fetch, 11, fetchOf('orders', partitions, { maxWaitMs: 30, minBytes: 1 }))
  await oneTurn()
  world.timers.nowMs += 30
  const { response } = await peer.take(fetch, 11)
  expect(response.responses[0]?.partitions.map((one) => bytesOf(one).length)).toEqual([0, 0])
})

it('brings one batch even when it is larger than the limits', async () => {
  const batch = batchOf(['x'.repeat(5_000)])
  await write(batch)
  await write(batch, 1)
  const partitions = [{ partitionMaxBytes: 100 }, { partition: 1, partitionMaxBytes: 100 }]
  const answered = await read(fetchOf('orders', partitions, { maxBytes: 100 }))
  expect(answered.map((one) => bytesOf(one).length)).toEqual([batch.length, 0])
  expect(answered[1]).toMatchObject({ errorCode: 0, highWatermark: 1 })
})

it('keeps to the limit of all partitions together', async () => {
  const batch = batchOf(['x'.repeat(1_000)])
  for (const index of [0, 1, 2]) await write(batch, index)
  const partitions = [{}, { partition: 1 }, { partition: 2 }]
  const answered = await read(fetchOf('orders', partitions, { maxBytes: batch.length * 2 }))
  expect(answered.map((one) => bytesOf(one).length)).toEqual([batch.length, batch.length, 0])
})

it.each([
  ['behind the end', 'orders', { fetchOffset: 99 }, KafkaError.OFFSET_OUT_OF_RANGE],
  ['before all', 'orders', { fetchOffset: -5 }, KafkaError.OFFSET_OUT_OF_RANGE],
  ['of an unknown topic', 'nowhere', {}, KafkaError.UNKNOWN_TOPIC_OR_PARTITION],
  ['of an unknown partition', 'orders', { partition: 9 }, KafkaError.UNKNOWN_TOPIC_OR_PARTITION],
  ['of an older leader', 'orders', { currentLeaderEpoch: 99 }, KafkaError.UNKNOWN_LEADER_EPOCH],
])('says what is wrong with a fetch %s', async (_name, topic, partition, expected) => {
  await write(batchOf(['a']))
  const request = fetchOf(topic, [partition], { maxWaitMs: 30_000 })
  const [answered] = await read(request)
  expect(answered?.errorCode).toBe(expected)
  expect(bytesOf(answered)).toHaveLength(0)
})

it('keeps no sessions, and says so', async () => {
  const unknown = await peer.ask(fetch, 11, fetchOf('orders', [{}], { sessionId: 7 }))
  expect(unknown.errorCode).toBe(KafkaError.FETCH_SESSION_ID_NOT_FOUND)
  const later = await peer.ask(fetch, 11, fetchOf('orders', [{}], { sessionEpoch: 3 }))
  expect(later.errorCode).toBe(KafkaError.INVALID_FETCH_SESSION_EPOCH)
  const first = await peer.ask(fetch, 11, fetchOf('orders', [{}], { sessionEpoch: 0 }))
  expect(first).toMatchObject({ errorCode: KafkaError.NONE, sessionId: 0 })
})

it('inflates zstd for a client that cannot read it', async () => {
  const compression = await createCompression()
  const packed = deflateBatch(batchOf(['the same words '.repeat(50)]), compression, 4)
  await write(packed)
  const codecOf = async (version: number) => {
    const [partition] = await read(fetchOf('orders', [{}]), version)
    return compressionOf(batchAttributes(bytesOf(partition)))
  }
  expect(await codecOf(9)).toBe(0)
  expect(await codecOf(10)).toBe(4)
})

it('answers a waiting fetch before what was asked behind it', async () => {
  const waiting = peer.send(fetch, 11, fetchOf('orders', [{}], { maxWaitMs: 30_000 }))
  const behind = peer.send(metadata, 9, metadataOf(['orders']))
  await write(batchOf(['a']))
  expect((await peer.take(fetch, 11)).correlation).toBe(waiting)
  expect((await peer.take(metadata, 9)).correlation).toBe(behind)
})

it('answers waiting fetches and ends when the broker stops', async () => {
  const waiting = fetchOf('orders', [{}], { maxWaitMs: 30_000 })
  for (let count = 0; count < 3; count++) peer.send(fetch, 11, waiting)
  await oneTurn()
  await oneTurn()
  const closed = world.gateway.close(1_000)
  for (let count = 0; count < 3; count++) {
    const { response } = await peer.take(fetch, 11)
    expect(bytesOf(response.responses[0]?.partitions[0])).toHaveLength(0)
  }
  await until('the connection ends', () => peer.isEnded)
  peer.close()
  writer.close()
  await closed
})

it('gives everything back when the peer goes away while it waits', async () => {
  await write(batchOf(['a']))
  peer.send(
    fetch,
    11,
    fetchOf('orders', [{}, { partition: 1 }], { maxWaitMs: 30_000, minBytes: 9_999 }),
  )
  await oneTurn()
  peer.close()
  await write(batchOf(['b']), 1)
  expect(peer.connection.received).toHaveLength(0)
  expect(world.events).toEqual([])
})

it('goes on with what was asked before the peer stopped reading, once it reads again', async () => {
  await write(batchOf(['a']))
  await read(fetchOf('orders', [{}]))
  peer.connection.hasRoom = false
  const asked = [1, 2, 3].map(() => peer.send(fetch, 11, fetchOf('orders', [{}])))
  const answered: number[] = []
  for (const _each of asked) {
    answered.push((await peer.take(fetch, 11)).correlation)
    // By now the next answer is ready; nothing more comes from the peer but room.
    for (let turns = 0; turns < 10; turns++) await oneTurn()
    peer.session.onDrain()
  }
  expect(answered).toEqual(asked)
})

it('reads no more requests while the peer takes no answers', async () => {
  await write(batchOf(['a']))
  await read(fetchOf('orders', [{}]))
  peer.connection.hasRoom = false
  await read(fetchOf('orders', [{}]))
  peer.send(fetch, 11, fetchOf('orders', [{}]))
  await oneTurn()
  expect(peer.connection.isPaused).toBe(true)
  expect(peer.connection.received).toHaveLength(0)
  peer.connection.hasRoom = true
  peer.session.onDrain()
  expect(peer.connection.isPaused).toBe(false)
  const { response } = await peer.take(fetch, 11)
  const records = bytesOf(response.responses[0]?.partitions[0])
  expect(batchTotalBytes(records)).toBe(records.length)
})
