/** INIT_PRODUCER, RECORDS_DELETE and TOPIC_TRUNCATE: what goes to the engine, what comes back. */
import {
  decodeProducerInitialized,
  decodeRecordsDeleted,
  decodeTopicTruncated,
  encodeInitProducer,
  encodeRecordsDelete,
  encodeTopicTruncate,
  Opcode,
} from '@millrace/protocol'
import { type FakeServer, startFakeServer } from '../support/fake-server.ts'
import { RawPeer } from '../support/raw-peer.ts'

let fake: FakeServer
let peer: RawPeer

beforeEach(async () => {
  fake = await startFakeServer()
  peer = await RawPeer.open(fake.port)
  fake.broker.add('orders', 2)
})

afterEach(async () => {
  peer.close()
  await fake.stop()
})

it('gives every producer a number of its own', async () => {
  const numbers: number[] = []
  for (let count = 0; count < 2; count++) {
    peer.send(Opcode.INIT_PRODUCER, encodeInitProducer())
    const { body } = await peer.take(Opcode.PRODUCER_INITIALIZED)
    const { producer, epoch } = decodeProducerInitialized(body)
    expect(epoch).toBe(0)
    numbers.push(producer)
  }
  expect(new Set(numbers).size).toBe(2)
})

it('says what the partitions begin with after records are deleted', async () => {
  const partitions = [
    { partition: 1, before: 0 },
    { partition: 0, before: -1 },
  ]
  peer.send(Opcode.RECORDS_DELETE, encodeRecordsDelete({ topic: 'orders', partitions }))
  const { body } = await peer.take(Opcode.RECORDS_DELETED)
  const earliest = [
    { partition: 1, earliest: 0 },
    { partition: 0, earliest: 0 },
  ]
  expect(decodeRecordsDeleted(body).partitions).toEqual(earliest)
})

it.each([
  ['no partition', []],
  [
    'a partition twice',
    [
      { partition: 1, before: 0 },
      { partition: 1, before: 5 },
    ],
  ],
])('refuses RECORDS_DELETE of %s', async (_what, partitions) => {
  peer.send(Opcode.RECORDS_DELETE, encodeRecordsDelete({ topic: 'orders', partitions }))
  expect(await peer.takeError()).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
})

it('says where a truncated partition goes on', async () => {
  const body = encodeTopicTruncate({ topic: 'orders', partition: 1, from: 0 })
  peer.send(Opcode.TOPIC_TRUNCATE, body)
  const answer = await peer.take(Opcode.TOPIC_TRUNCATED)
  expect(decodeTopicTruncated(answer.body)).toEqual({ next: 0 })
})
