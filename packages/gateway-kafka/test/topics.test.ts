/** Metadata, CreateTopics, DeleteTopics, ListOffsets, ApiVersions, FindCoordinator. */
import { KafkaError } from '../src/errors.ts'
import { apiVersions } from '../src/schema/apis/api-versions.ts'
import { createTopics } from '../src/schema/apis/create-topics.ts'
import { deleteTopics } from '../src/schema/apis/delete-topics.ts'
import { fetch } from '../src/schema/apis/fetch.ts'
import { findCoordinator } from '../src/schema/apis/find-coordinator.ts'
import { listOffsets } from '../src/schema/apis/list-offsets.ts'
import { metadata } from '../src/schema/apis/metadata.ts'
import { produce } from '../src/schema/apis/produce.ts'
import { NO_UUID } from '../src/schema/scalars.ts'
import type { KafkaPeer } from './support/kafka-peer.ts'
import { type KafkaWorld, openKafkaWorld } from './support/kafka-world.ts'
import {
  batchOf,
  creationOf,
  fetchOf,
  metadataOf,
  offsetsOf,
  produceOf,
} from './support/requests.ts'
import { decodeResponse, encodeRequest } from './support/wire.ts'

let world: KafkaWorld
let peer: KafkaPeer

const caller = { principal: { name: 'anyone', isAnonymous: true }, namespace: '/' }

beforeEach(async () => {
  world = await openKafkaWorld()
  peer = world.connect()
})

afterEach(() => world.stop())

const create = async (topic: Parameters<typeof creationOf>[0][number], validateOnly = false) => {
  const { topics } = await peer.ask(createTopics, 7, creationOf([topic], validateOnly))
  const [created] = topics
  if (created === undefined) throw new Error('no answer')
  return created
}

describe('ApiVersions', () => {
  const request = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }

  it.each([0, 1, 2, 3, 4])('says in version %d what is served', async (version) => {
    const { errorCode, apiKeys } = await peer.ask(apiVersions, version, request)
    expect(errorCode).toBe(KafkaError.NONE)
    const ranges = apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
      apiKey,
      minVersion,
      maxVersion,
    ])
    expect(ranges).toEqual([
      // Produce from 0: otherwise librdkafka turns compression off.
      [0, 0, 11],
      [1, 4, 12],
      [2, 1, 8],
      [3, 0, 12],
      [10, 0, 4],
      [17, 0, 1],
      [18, 0, 4],
      [19, 2, 7],
      [20, 1, 6],
      [22, 0, 4],
      [36, 0, 2],
    ])
  })

  it('answers a version from the future in the layout of version 0, and goes on', async () => {
    const bytes = encodeRequest(apiVersions, 4, 77, request)
    bytes.writeInt16BE(5, 6)
    peer.sendBytes(bytes)
    const { correlation, response } = decodeResponse(apiVersions, 0, await peer.takeFrame())
    expect({ correlation, errorCode: response.errorCode }).toEqual({
      correlation: 77,
      errorCode: KafkaError.UNSUPPORTED_VERSION,
    })
    expect(response.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 })
    expect((await peer.ask(apiVersions, 3, request)).errorCode).toBe(KafkaError.NONE)
  })
})

describe('Metadata', () => {
  it('gives the address that the client used, and all topics where none is named', async () => {
    await world.broker.createTopic(caller, { topic: 'orders', partitions: 2 })
    for (const [version, names] of [
      [0, []],
      [1, null],
      [12, null],
    ] as const) {
      const answered = await peer.ask(metadata, version, metadataOf(names))
      expect(answered.brokers).toEqual([{ nodeId: 0, host: '127.0.0.1', port: 9092, rack: null }])
      expect(answered.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
        ['orders', 2],
      ])
    }
    expect((await peer.ask(metadata, 1, metadataOf([]))).topics).toEqual([])
  })

  it('gives the address that the operator says', async () => {
    await world.stop()
    const settings = { advertisedHost: 'broker.example', advertisedPort: 19_092 }
    world = await openKafkaWorld({ settings })
    peer = world.connect()
    const { brokers } = await peer.ask(metadata, 9, metadataOf(null))
    expect(brokers).toMatchObject([{ host: 'broker.example', port: 19_092 }])
  })

  it('creates a topic that is asked for, unless client or broker will not have it', async () => {
    const [made] = (await peer.ask(metadata, 9, metadataOf(['made']))).topics
    expect(made).toMatchObject({ errorCode: KafkaError.NONE, name: 'made' })
    const [unwanted] = (await peer.ask(metadata, 9, metadataOf(['unwanted'], false))).topics
    expect(unwanted?.errorCode).toBe(KafkaError.UNKNOWN_TOPIC_OR_PARTITION)
    const [invalid] = (await peer.ask(metadata, 9, metadataOf(['a/b']))).topics
    expect(invalid?.errorCode).toBe(KafkaError.INVALID_TOPIC_EXCEPTION)
    expect(world.broker.listTopics(caller).map(({ topic }) => topic)).toEqual(['made'])
  })

  it('knows a topic by its id, which a topic of the same name does not share', async () => {
    const { topicId } = await create({ name: 'orders' })
    expect(topicId).not.toBe(NO_UUID)
    const byId = { ...metadataOf([]), topics: [{ topicId, name: null }] }
    const [found] = (await peer.ask(metadata, 12, byId)).topics
    expect(found).toMatchObject({ errorCode: KafkaError.NONE, name: 'orders', topicId })
    await world.broker.deleteTopic(caller, { topic: 'orders' })
    const [gone] = (await peer.ask(metadata, 12, byId)).topics
    expect(gone).toMatchObject({ errorCode: KafkaError.UNKNOWN_TOPIC_ID, name: null, topicId })
    expect((await create({ name: 'orders' })).topicId).not.toBe(topicId)
  })
})

describe('CreateTopics', () => {
  it('makes Kafka settings ours', async () => {
    const configs = Object.entries({
      'cleanup.policy': 'delete, compact',
      'retention.ms': '60000',
      'retention.bytes': '-1',
      'segment.bytes': '1048576',
      'segment.ms': '3600000',
      'max.message.bytes': '65536',
      'min.compaction.lag.ms': '5',
      'delete.retention.ms': '6',
      'message.timestamp.type': 'LogAppendTime',
      'compression.type': 'producer',
    }).map(([name, value]) => ({ name, value }))
    const created = await create({ name: 'orders', numPartitions: 3, configs })
    expect(created).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 1 })
    expect(created.configs).toContainEqual({
      ...{ name: 'retention.ms', value: '60000', readOnly: false },
      ...{ configSource: 1, isSensitive: false },
    })
    expect(world.broker.describeTopic(caller, 'orders').settings).toMatchObject({
      cleanupPolicy: 'compact,delete',
      retentionMs: 60_000,
      retentionBytes: -1,
      segmentBytes: 1_048_576,
      segmentMs: 3_600_000,
      batchBytesMax: 65_536,
      compactionLagMs: 5,
      tombstoneMs: 6,
      timestampType: 'append',
    })
  })

  it.each([
    [{ name: 'a/b' }, KafkaError.INVALID_TOPIC_EXCEPTION],
    [{ name: 'x', numPartitions: 0 }, KafkaError.INVALID_PARTITIONS],
    [{ name: 'x', numPartitions: 1_000_000 }, KafkaError.INVALID_PARTITIONS],
    [{ name: 'x', replicationFactor: 3 }, KafkaError.INVALID_REPLICATION_FACTOR],
    [
      { name: 'x', assignments: [{ partitionIndex: 0, brokerIds: [0] }] },
      KafkaError.INVALID_REPLICA_ASSIGNMENT,
    ],
    [{ name: 'x', configs: [{ name: 'no.such', value: '1' }] }, KafkaError.INVALID_CONFIG],
    [{ name: 'x', configs: [{ name: 'retention.ms', value: 'soon' }] }, KafkaError.INVALID_CONFIG],
    [{ name: 'x', configs: [{ name: 'segment.bytes', value: '1' }] }, KafkaError.INVALID_CONFIG],
    [{ name: 'x', configs: [{ name: 'toString', value: '1' }] }, KafkaError.INVALID_CONFIG],
    [
      { name: 'x', configs: [{ name: 'compression.type', value: 'zstd' }] },
      KafkaError.INVALID_CONFIG,
    ],
  ])('refuses %j', async (topic, expected) => {
    const { errorCode, errorMessage } = await create(topic)
    expect(errorCode).toBe(expected)
    expect(errorMessage).not.toBeNull()
    expect(world.broker.listTopics(caller)).toEqual([])
  })

  it('refuses what is there, and what is named twice', async () => {
    await create({ name: 'orders' })
    expect((await create({ name: 'orders' })).errorCode).toBe(KafkaError.TOPIC_ALREADY_EXISTS)
    expect((await create({ name: 'orders' }, true)).errorCode).toBe(KafkaError.TOPIC_ALREADY_EXISTS)
    const { topics } = await peer.ask(createTopics, 5, creationOf([{ name: 'b' }, { name: 'b' }]))
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([
      KafkaError.INVALID_REQUEST,
      KafkaError.INVALID_REQUEST,
    ])
  })

  it('creates nothing when it shall only look', async () => {
    expect((await create({ name: 'orders' }, true)).errorCode).toBe(KafkaError.NONE)
    expect(world.broker.listTopics(caller)).toEqual([])
  })
})

describe('DeleteTopics', () => {
  it('deletes by name and by id', async () => {
    const { topicId } = await create({ name: 'orders' })
    await create({ name: 'bills' })
    const named = { topics: [], topicNames: ['bills', 'nowhere'], timeoutMs: 1_000 }
    const byName = await peer.ask(deleteTopics, 5, named)
    expect(byName.responses.map(({ errorCode }) => errorCode)).toEqual([
      KafkaError.NONE,
      KafkaError.UNKNOWN_TOPIC_OR_PARTITION,
    ])
    const topics = [
      { name: null, topicId },
      { name: null, topicId: NO_UUID },
    ]
    const byId = await peer.ask(deleteTopics, 6, { topics, topicNames: [], timeoutMs: 1_000 })
    expect(byId.responses).toMatchObject([
      { name: 'orders', topicId, errorCode: KafkaError.NONE },
      { name: null, errorCode: KafkaError.UNKNOWN_TOPIC_ID },
    ])
    expect(world.broker.listTopics(caller)).toEqual([])
  })
})

describe('ListOffsets', () => {
  const offsetOf = async (timestamp: number, more = {}) => {
    const { topics } = await peer.ask(listOffsets, 8, offsetsOf('orders', timestamp, more))
    const { errorCode, offset, timestamp: found } = topics[0]?.partitions[0] ?? {}
    return { errorCode, offset, timestamp: found }
  }

  beforeEach(async () => {
    await create({ name: 'orders' })
    for (const values of [['a', 'b', 'c'], ['d']]) {
      await peer.ask(produce, 9, produceOf('orders', batchOf(values)))
    }
  })

  it.each([
    ['the end', -1, { offset: 4, timestamp: -1 }],
    ['the beginning', -2, { offset: 0, timestamp: -1 }],
    ['the beginning of what is here', -4, { offset: 0, timestamp: -1 }],
    ['the highest timestamp', -3, { offset: 2, timestamp: 1_002 }],
    ['a moment', 1_001, { offset: 1, timestamp: 1_001 }],
    ['a moment before all', 0, { offset: 0, timestamp: 1_000 }],
    ['a moment after all', 2_000, { offset: -1, timestamp: -1 }],
  ])('finds %s', async (_name, timestamp, expected) => {
    expect(await offsetOf(timestamp)).toEqual({ errorCode: KafkaError.NONE, ...expected })
  })

  it.each([
    [-9, {}, KafkaError.INVALID_REQUEST],
    [-1, { partitionIndex: 5 }, KafkaError.UNKNOWN_TOPIC_OR_PARTITION],
    [-1, { currentLeaderEpoch: 99 }, KafkaError.UNKNOWN_LEADER_EPOCH],
  ])('refuses %d of %j', async (timestamp, more, expected) => {
    expect((await offsetOf(timestamp, more)).errorCode).toBe(expected)
  })
})

it('says that nobody coordinates a group or a transaction', async () => {
  const request = { key: 'mine', keyType: 0, coordinatorKeys: ['mine'] }
  const old = await peer.ask(findCoordinator, 2, request)
  expect(old.errorCode).toBe(KafkaError.COORDINATOR_NOT_AVAILABLE)
  const [answered] = (await peer.ask(findCoordinator, 4, request)).coordinators
  expect(answered).toMatchObject({
    key: 'mine',
    errorCode: KafkaError.COORDINATOR_NOT_AVAILABLE,
    errorMessage: 'this broker serves no consumer groups to Kafka clients',
  })
  const transaction = await peer.ask(findCoordinator, 2, { ...request, keyType: 1 })
  expect(transaction.errorCode).toBe(KafkaError.UNSUPPORTED_VERSION)
})

describe('a peer that may do nothing', () => {
  let isEnforced: boolean

  beforeEach(async () => {
    await world.stop()
    isEnforced = false
    world = await openKafkaWorld({ broker: { isAuthorizationEnforced: () => isEnforced } })
    await world.broker.createTopic(caller, { topic: 'orders' })
    peer = world.connect()
  })

  const codesOf = async () => {
    const named = { topics: [], topicNames: ['nowhere'], timeoutMs: 1 }
    const [described] = (await peer.ask(metadata, 9, metadataOf(['orders']))).topics
    const read = await peer.ask(fetch, 11, fetchOf('orders', [{}]))
    const written = await peer.ask(produce, 9, produceOf('orders', batchOf(['a'])))
    const listed = await peer.ask(listOffsets, 7, offsetsOf('orders', -1))
    return [
      described?.errorCode,
      read.responses[0]?.partitions[0]?.errorCode,
      written.responses[0]?.partitionResponses[0]?.errorCode,
      listed.topics[0]?.partitions[0]?.errorCode,
      (await create({ name: 'more' })).errorCode,
      (await peer.ask(deleteTopics, 5, named)).responses[0]?.errorCode,
    ]
  }

  const refused = Array.from({ length: 6 }, () => KafkaError.TOPIC_AUTHORIZATION_FAILED)

  it('is told so in every call', async () => {
    isEnforced = true
    expect(await codesOf()).toEqual(refused)
    expect((await peer.ask(metadata, 9, metadataOf(null))).topics).toEqual([])
  })

  it('loses and gains its rights on a connection that is open', async () => {
    const allowed = [0, 0, 0, 0, 0, KafkaError.UNKNOWN_TOPIC_OR_PARTITION]
    expect(await codesOf()).toEqual(allowed)
    isEnforced = true
    expect(await codesOf()).toEqual(refused)
    isEnforced = false
    expect((await codesOf()).slice(0, 4)).toEqual(allowed.slice(0, 4))
  })
})
