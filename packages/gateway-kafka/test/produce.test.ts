/** Produce: what is stored, what is refused and in which words, and the order of answers. */
import { BATCH_CRC_AT, batchTotalBytes, compressionCodecs } from '@millrace/codec'
import { KafkaError } from '../src/errors.ts'
import { initProducerId } from '../src/schema/apis/init-producer-id.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { produce, type ProduceRequest } from '../src/schema/apis/produce.ts'
import type { KafkaPeer } from './support/kafka-peer.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import { batchOf, metadataOf, produceOf } from './support/requests.ts'
import { oneTurn, until } from './support/settled.ts'
import { encodeRequest } from './support/wire.ts'

let world: KafkaWorld
let peer: KafkaPeer

const caller = { principal: { name: 'anyone', isAnonymous: true }, namespace: '/' }

beforeEach(async () => {
  world = await openKafkaWorld()
  await world.broker.createTopic(caller, { topic: 'orders', partitions: 2 })
  peer = world.connect()
})

afterEach(() => world.stop())

const outcome = async (request: ProduceRequest, version = 9) => {
  const { responses } = await peer.ask(produce, version, request)
  const partition = responses[0]?.partitionResponses[0]
  if (partition === undefined) throw new Error('no outcome')
  return partition
}

const nextOffset = (partition = 0): number =>
  world.broker.describeTopic(caller, 'orders').partitions[partition]?.next ?? -1

it.each([3, 4, 5, 6, 7, 8, 9, 10, 11])(
  'stores a batch that comes in version %d',
  async (version) => {
    const stored = await outcome(produceOf('orders', batchOf(['a', 'b'])), version)
    expect(stored).toMatchObject({ index: 0, errorCode: KafkaError.NONE, baseOffset: 0 })
    expect(nextOffset()).toBe(2)
  },
)

it.each([0, 1, 2])('refuses version %d, which carries an older format', async (version) => {
  const { errorCode } = await outcome(produceOf('orders', batchOf(['a'])), version)
  expect(errorCode).toBe(KafkaError.UNSUPPORTED_VERSION)
  expect(nextOffset()).toBe(0)
})

it('stores the batches of several topics and partitions', async () => {
  await world.broker.createTopic(caller, { topic: 'bills' })
  const both = [0, 1].map((index) => ({ index, records: batchOf([`${index}`]) }))
  const topicData = [
    { name: 'orders', partitionData: both },
    { name: 'bills', partitionData: [{ index: 0, records: batchOf(['bill']) }] },
  ]
  const request = { ...produceOf('orders', null), topicData }
  const { responses } = await peer.ask(produce, 7, request)
  expect(
    responses.map(({ name, partitionResponses }) => [name, partitionResponses.length]),
  ).toEqual([
    ['orders', 2],
    ['bills', 1],
  ])
  for (const { partitionResponses } of responses) {
    for (const { errorCode } of partitionResponses) expect(errorCode).toBe(KafkaError.NONE)
  }
})

it('answers in the order of the requests, however they fare', async () => {
  const asked = [
    peer.send(produce, 9, produceOf('orders', batchOf(['a']))),
    peer.send(produce, 9, produceOf('nowhere', batchOf(['b']))),
    peer.send(metadata, 9, metadataOf(['orders'])),
    peer.send(produce, 9, produceOf('orders', batchOf(['c']))),
    peer.send(produce, 9, produceOf('orders', null)),
    peer.send(produce, 9, produceOf('orders', batchOf(['d']))),
  ]
  const answered: number[] = []
  for (let count = 0; count < asked.length; count++) {
    answered.push(Buffer.from(await peer.takeFrame()).readInt32BE(0))
  }
  expect(answered).toEqual(asked)
  expect(nextOffset()).toBe(3)
})

it('gives no answer to acks 0, and stores', async () => {
  peer.send(produce, 9, produceOf('orders', batchOf(['silent']), { acks: 0 }))
  const { baseOffset } = await outcome(produceOf('orders', batchOf(['loud'])))
  expect(baseOffset).toBe(1)
  expect(peer.connection.received).toHaveLength(0)
})

it('closes the connection when a request fails whose answer nobody awaits', async () => {
  peer.send(produce, 9, produceOf('orders', new Uint8Array(100), { acks: 0 }))
  await until('the connection ends', () => peer.isEnded)
  expect(peer.connection.received).toHaveLength(0)
})

const broken = (change: (batch: Uint8Array) => Uint8Array): Uint8Array =>
  change(batchOf(['a', 'b']))

it.each([
  ['no records', null, KafkaError.INVALID_RECORD],
  ['an empty set', new Uint8Array(0), KafkaError.INVALID_RECORD],
  ['half a batch', broken((batch) => batch.subarray(0, 70)), KafkaError.INVALID_RECORD],
  ['two batches', Buffer.concat([batchOf(['a']), batchOf(['b'])]), KafkaError.INVALID_RECORD],
  ['an older format', broken((batch) => batch.fill(1, 16, 17)), KafkaError.INVALID_RECORD],
  [
    'a wrong checksum',
    broken((batch) => batch.fill(7, BATCH_CRC_AT, BATCH_CRC_AT + 4)),
    KafkaError.CORRUPT_MESSAGE,
  ],
  ['a control batch', batchOf(['a'], { isControl: true }), KafkaError.INVALID_RECORD],
])('refuses %s', async (_name, records, expected) => {
  const { errorCode, errorMessage, baseOffset } = await outcome(produceOf('orders', records))
  expect({ errorCode, baseOffset }).toEqual({ errorCode: expected, baseOffset: -1 })
  expect(errorMessage).not.toBeNull()
  expect(nextOffset()).toBe(0)
  expect(peer.isEnded).toBe(false)
})

it.each([
  ['an unknown topic', produceOf('nowhere', batchOf(['a'])), KafkaError.UNKNOWN_TOPIC_OR_PARTITION],
  [
    'an unknown partition',
    produceOf('orders', batchOf(['a']), { index: 7 }),
    KafkaError.UNKNOWN_TOPIC_OR_PARTITION,
  ],
  [
    'a transactional id',
    produceOf('orders', batchOf(['a']), { transactionalId: 'mine' }),
    KafkaError.UNSUPPORTED_VERSION,
  ],
  ['acks 2', produceOf('orders', batchOf(['a']), { acks: 2 }), KafkaError.INVALID_REQUIRED_ACKS],
])('refuses %s', async (_name, request, expected) => {
  expect((await outcome(request)).errorCode).toBe(expected)
})

it('takes a batch as large as the topic allows and none that is larger', async () => {
  await world.broker.alterTopic(caller, { topic: 'orders', settings: { batchBytesMax: 1_024 } })
  const overhead = batchTotalBytes(batchOf(['x'.repeat(900)])) - 900
  const exact = batchOf(['x'.repeat(1_024 - overhead)])
  expect(exact).toHaveLength(1_024)
  expect((await outcome(produceOf('orders', exact))).errorCode).toBe(KafkaError.NONE)
  const larger = batchOf(['x'.repeat(1_025 - overhead)])
  expect((await outcome(produceOf('orders', larger))).errorCode).toBe(KafkaError.MESSAGE_TOO_LARGE)
})

it('finds a topic that was deleted and created again', async () => {
  await outcome(produceOf('orders', batchOf(['a'])))
  await world.broker.deleteTopic(caller, { topic: 'orders' })
  const { errorCode } = await outcome(produceOf('orders', batchOf(['b'])))
  expect(errorCode).toBe(KafkaError.UNKNOWN_TOPIC_OR_PARTITION)
  await world.broker.createTopic(caller, { topic: 'orders' })
  expect(await outcome(produceOf('orders', batchOf(['c'])))).toMatchObject({ baseOffset: 0 })
})

it('goes on after the engine was full, in the order of the requests', async () => {
  await world.stop()
  world = await openKafkaWorld({ limits: { inFlightCountMax: 2 } })
  await world.broker.createTopic(caller, { topic: 'orders' })
  peer = world.connect()
  const requests = Array.from({ length: 50 }, (_, index) =>
    encodeRequest(produce, 9, index, produceOf('orders', batchOf([`${index}`]))),
  )
  peer.sendBytes(Buffer.concat(requests))
  expect(peer.connection.isPaused).toBe(true)
  for (let index = 0; index < 50; index++) {
    const { correlation, response } = await peer.take(produce, 9)
    const baseOffset = response.responses[0]?.partitionResponses[0]?.baseOffset
    expect({ correlation, baseOffset }).toEqual({ correlation: index, baseOffset: index })
  }
  expect(peer.connection.isPaused).toBe(false)
})

it('keeps what the engine does not take at once, though the bytes were borrowed', async () => {
  await world.stop()
  world = await openKafkaWorld({ limits: { inFlightCountMax: 2 } })
  await world.broker.createTopic(caller, { topic: 'orders', partitions: 8 })
  peer = world.connect()
  await outcome(produceOf('orders', batchOf(['first'])))
  const partitionData = Array.from({ length: 8 }, (_, index) => ({
    index,
    records: batchOf([`value ${index}`]),
  }))
  const topicData = [{ name: 'orders', partitionData }]
  const asked = peer.send(produce, 9, { ...produceOf('orders', null), topicData })
  const behind = peer.send(produce, 9, produceOf('orders', batchOf(['behind'])))
  const { correlation, response } = await peer.take(produce, 9)
  expect(correlation).toBe(asked)
  const answered = response.responses[0]?.partitionResponses ?? []
  expect(answered.map(({ errorCode }) => errorCode)).toEqual(partitionData.map(() => 0))
  const last = await peer.take(produce, 9)
  expect(last.correlation).toBe(behind)
  expect(last.response.responses[0]?.partitionResponses[0]).toMatchObject({ baseOffset: 2 })
})

it('handles requests however they are cut', async () => {
  const requests = [0, 1, 2].map((index) =>
    encodeRequest(produce, 9, index, produceOf('orders', batchOf([`value ${index}`]))),
  )
  for (const byte of Buffer.concat(requests)) {
    peer.sendBytes(new Uint8Array([byte]))
    if (byte === 0) await oneTurn()
  }
  for (let index = 0; index < 3; index++) {
    expect((await peer.take(produce, 9)).correlation).toBe(index)
  }
  expect(nextOffset()).toBe(3)
})

describe('an idempotent producer', () => {
  const ask = async () => {
    const request = { transactionalId: null, transactionTimeoutMs: 0 }
    const fields = { ...request, producerId: -1, producerEpoch: -1 }
    return peer.ask(initProducerId, 4, fields)
  }

  it('gets an id that nobody else has', async () => {
    const first = await ask()
    const second = await ask()
    expect(first).toMatchObject({ errorCode: KafkaError.NONE, producerEpoch: 0 })
    expect(second.producerId).not.toBe(first.producerId)
  })

  it('is stored once however often it sends, and told of a gap', async () => {
    const { producerId, producerEpoch } = await ask()
    const batch = (baseSequence: number) =>
      produceOf('orders', batchOf(['a', 'b'], { producerId, producerEpoch, baseSequence }))
    expect(await outcome(batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(await outcome(batch(0))).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(await outcome(batch(2))).toMatchObject({ errorCode: 0, baseOffset: 2 })
    expect(await outcome(batch(9))).toMatchObject({
      errorCode: KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    })
    expect(nextOffset()).toBe(4)
  })

  it('is fenced by a later epoch', async () => {
    const { producerId } = await ask()
    const batch = (producerEpoch: number) =>
      produceOf('orders', batchOf(['a'], { producerId, producerEpoch, baseSequence: 0 }))
    expect((await outcome(batch(1))).errorCode).toBe(KafkaError.NONE)
    expect((await outcome(batch(0))).errorCode).toBe(KafkaError.INVALID_PRODUCER_EPOCH)
  })

  it('that is not known any more learns where the partition begins', async () => {
    const { producerId, producerEpoch } = await ask()
    const unknown = batchOf(['a'], { producerId, producerEpoch, baseSequence: 5 })
    expect(await outcome(produceOf('orders', unknown))).toMatchObject({
      errorCode: KafkaError.UNKNOWN_PRODUCER_ID,
      logStartOffset: 0,
    })
  })

  it('may not be transactional', async () => {
    const request = { transactionalId: 'mine', transactionTimeoutMs: 0 }
    const fields = { ...request, producerId: -1, producerEpoch: -1 }
    const { errorCode } = await peer.ask(initProducerId, 4, fields)
    expect(errorCode).toBe(KafkaError.UNSUPPORTED_VERSION)
  })
})

it('knows no codec that the broker does not', async () => {
  const attributes = batchOf(['a'])
  expect(Object.values(compressionCodecs)).not.toContain(5)
  attributes[22] = 5
  const { errorCode } = await outcome(produceOf('orders', attributes))
  // The checksum covers the attributes: changing them damages the batch first of all.
  expect(errorCode).toBe(KafkaError.CORRUPT_MESSAGE)
})
