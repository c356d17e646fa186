/** Messages of every API that other clients read and write as well as we do. */
import { RecordBatchBuilder } from '@millrace/codec'
import type { Api } from '../../src/schema/api.ts'
import { apiVersions, NO_FEATURES } from '../../src/schema/apis/api-versions.ts'
import { createTopics } from '../../src/schema/apis/create-topics.ts'
import { deleteTopics } from '../../src/schema/apis/delete-topics.ts'
import { fetch } from '../../src/schema/apis/fetch.ts'
import { findCoordinator } from '../../src/schema/apis/find-coordinator.ts'
import { initProducerId } from '../../src/schema/apis/init-producer-id.ts'
import { listOffsets } from '../../src/schema/apis/list-offsets.ts'
import { metadata, NO_OPERATIONS } from '../../src/schema/apis/metadata.ts'
import { NO_ENDPOINTS, produce } from '../../src/schema/apis/produce.ts'
import { saslAuthenticate, saslHandshake } from '../../src/schema/apis/sasl.ts'
import { NO_UUID } from '../../src/schema/scalars.ts'

export interface ExchangeCase {
  /** The name of the folder in kafkajs, and of the API in most clients. */
  readonly folder: string
  readonly api: Api<unknown, unknown>
  readonly asked: object
  readonly understood: object
  readonly answered: object
  /** What kafkajs makes of the answer; fields that a version does not have are left out. */
  readonly decoded: (version: number) => object
}

const batchBytes = (): Uint8Array => {
  const builder = new RecordBatchBuilder()
  builder.append({
    key: Buffer.from('key'),
    value: Buffer.from('value'),
    timestamp: 1_000,
    headers: [],
  })
  return builder.build()
}

export const exchangeCases: readonly ExchangeCase[] = [
  {
    folder: 'metadata',
    api: metadata as unknown as Api<unknown, unknown>,
    asked: { topics: ['orders', 'bills'], allowAutoTopicCreation: false },
    understood: { topics: [{ name: 'orders' }, { name: 'bills' }] },
    answered: {
      throttleTimeMs: 0,
      brokers: [{ nodeId: 7, host: 'host.example', port: 9092, rack: null }],
      clusterId: 'cluster',
      controllerId: 7,
      topics: [
        {
          errorCode: 0,
          name: 'orders',
          topicId: NO_UUID,
          isInternal: false,
          partitions: [
            {
              errorCode: 0,
              partitionIndex: 3,
              leaderId: 7,
              leaderEpoch: 2,
              replicaNodes: [7],
              isrNodes: [7],
              offlineReplicas: [],
            },
          ],
          topicAuthorizedOperations: NO_OPERATIONS,
        },
      ],
      clusterAuthorizedOperations: NO_OPERATIONS,
    },
    decoded: (version) => ({
      brokers: [{ nodeId: 7, host: 'host.example', port: 9092 }],
      ...(version >= 1 ? { controllerId: 7 } : {}),
      ...(version >= 2 ? { clusterId: 'cluster' } : {}),
      topicMetadata: [
        { topic: 'orders', partitionMetadata: [{ partitionId: 3, leader: 7, replicas: [7] }] },
      ],
    }),
  },
  {
    folder: 'produce',
    api: produce as unknown as Api<unknown, unknown>,
    asked: {
      acks: -1,
      timeout: 30_000,
      topicData: [
        {
          topic: 'orders',
          partitions: [{ partition: 2, messages: [{ key: 'k', value: 'v', timestamp: '1000' }] }],
        },
      ],
    },
    understood: {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: 'orders', partitionData: [{ index: 2 }] }],
    },
    answered: {
      responses: [
        {
          name: 'orders',
          partitionResponses: [
            {
              index: 2,
              errorCode: 0,
              baseOffset: 41,
              logAppendTimeMs: -1,
              logStartOffset: 5,
              recordErrors: [],
              errorMessage: null,
              currentLeader: null,
            },
          ],
        },
      ],
      throttleTimeMs: 12,
      nodeEndpoints: NO_ENDPOINTS,
    },
    decoded: (version) => ({
      topics: [
        {
          topicName: 'orders',
          partitions: [
            {
              partition: 2,
              errorCode: 0,
              ...(version < 3 ? { offset: '41' } : { baseOffset: '41', logAppendTime: '-1' }),
              ...(version >= 5 ? { logStartOffset: '5' } : {}),
            },
          ],
        },
      ],
      ...(version >= 6 ? { clientSideThrottleTime: 12 } : version > 0 ? { throttleTime: 12 } : {}),
    }),
  },
  {
    folder: 'fetch',
    api: fetch as unknown as Api<unknown, unknown>,
    asked: {
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 1_000_000,
      isolationLevel: 0,
      topics: [
        { topic: 'orders', partitions: [{ partition: 2, fetchOffset: 17, maxBytes: 65_536 }] },
      ],
    },
    understood: {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1_000_000,
      topics: [
        {
          topic: 'orders',
          partitions: [{ partition: 2, fetchOffset: 17, partitionMaxBytes: 65_536 }],
        },
      ],
    },
    answered: {
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: 0,
      responses: [
        {
          topic: 'orders',
          partitions: [
            {
              partitionIndex: 2,
              errorCode: 0,
              highWatermark: 18,
              lastStableOffset: 18,
              logStartOffset: 3,
              divergingEpoch: null,
              currentLeader: null,
              snapshotId: null,
              abortedTransactions: null,
              preferredReadReplica: -1,
              records: batchBytes(),
            },
          ],
        },
      ],
    },
    decoded: () => ({
      responses: [
        {
          topicName: 'orders',
          partitions: [
            {
              partition: 2,
              highWatermark: '18',
              lastStableOffset: '18',
              messages: [{ key: Buffer.from('key'), value: Buffer.from('value') }],
            },
          ],
        },
      ],
    }),
  },
  {
    folder: 'listOffsets',
    api: listOffsets as unknown as Api<unknown, unknown>,
    asked: { topics: [{ topic: 'orders', partitions: [{ partition: 1, timestamp: -2 }] }] },
    understood: {
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 1, timestamp: -2 }] }],
    },
    answered: {
      throttleTimeMs: 0,
      topics: [
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 1, errorCode: 0, timestamp: 1_000, offset: 9, leaderEpoch: 0 },
          ],
        },
      ],
    },
    decoded: () => ({
      responses: [
        { topic: 'orders', partitions: [{ partition: 1, offset: '9', timestamp: '1000' }] },
      ],
    }),
  },
  {
    folder: 'createTopics',
    api: createTopics as unknown as Api<unknown, unknown>,
    asked: {
      topics: [
        {
          topic: 'orders',
          numPartitions: 4,
          replicationFactor: 1,
          configEntries: [{ name: 'retention.ms', value: '1000' }],
        },
      ],
      validateOnly: true,
      timeout: 1_000,
    },
    understood: {
      topics: [
        { name: 'orders', numPartitions: 4, configs: [{ name: 'retention.ms', value: '1000' }] },
      ],
      validateOnly: true,
      timeoutMs: 1_000,
    },
    answered: {
      throttleTimeMs: 0,
      topics: [
        {
          name: 'orders',
          topicId: NO_UUID,
          errorCode: 36,
          errorMessage: 'it exists',
          topicConfigErrorCode: 0,
          numPartitions: -1,
          replicationFactor: -1,
          configs: null,
        },
      ],
    },
    decoded: () => ({
      topicErrors: [{ topic: 'orders', errorCode: 36, errorMessage: 'it exists' }],
    }),
  },
  {
    folder: 'deleteTopics',
    api: deleteTopics as unknown as Api<unknown, unknown>,
    asked: { topics: ['orders'], timeout: 1_000 },
    understood: { topicNames: ['orders'], timeoutMs: 1_000 },
    answered: {
      throttleTimeMs: 0,
      responses: [{ name: 'orders', topicId: NO_UUID, errorCode: 3, errorMessage: null }],
    },
    decoded: () => ({ topicErrors: [{ topic: 'orders', errorCode: 3 }] }),
  },
  {
    folder: 'initProducerId',
    api: initProducerId as unknown as Api<unknown, unknown>,
    asked: { transactionTimeout: 1_000 },
    understood: { transactionalId: null, transactionTimeoutMs: 1_000 },
    answered: { throttleTimeMs: 0, errorCode: 0, producerId: 4_294_967_297, producerEpoch: 3 },
    decoded: () => ({ producerId: '4294967297', producerEpoch: 3 }),
  },
  {
    folder: 'findCoordinator',
    api: findCoordinator as unknown as Api<unknown, unknown>,
    asked: { groupId: 'group', coordinatorKey: 'group', coordinatorType: 0 },
    understood: { key: 'group' },
    answered: {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      nodeId: 4,
      host: 'host',
      port: 1,
      coordinators: [],
    },
    decoded: () => ({ coordinator: { nodeId: 4, host: 'host', port: 1 } }),
  },
  {
    folder: 'saslHandshake',
    api: saslHandshake as unknown as Api<unknown, unknown>,
    asked: { mechanism: 'PLAIN' },
    understood: { mechanism: 'PLAIN' },
    answered: { errorCode: 33, mechanisms: ['SCRAM-SHA-256'] },
    decoded: () => ({ errorCode: 33, enabledMechanisms: ['SCRAM-SHA-256'] }),
  },
  {
    folder: 'saslAuthenticate',
    api: saslAuthenticate as unknown as Api<unknown, unknown>,
    // It hands over the mechanism's message with the length in front.
    asked: { authBytes: Buffer.from([0, 0, 0, 2, 1, 2]) },
    understood: { authBytes: new Uint8Array([1, 2]) },
    answered: {
      errorCode: 58,
      errorMessage: 'no',
      authBytes: new Uint8Array([3]),
      sessionLifetimeMs: 60_000,
    },
    decoded: (version) => ({
      errorCode: 58,
      errorMessage: 'no',
      ...(version >= 1 ? { sessionLifetimeMs: '60000' } : {}),
    }),
  },
  {
    folder: 'apiVersions',
    api: apiVersions as unknown as Api<unknown, unknown>,
    asked: {},
    understood: {},
    answered: {
      errorCode: 0,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
      throttleTimeMs: 0,
      supportedFeatures: NO_FEATURES,
      finalizedFeaturesEpoch: -1,
      finalizedFeatures: NO_FEATURES,
      zkMigrationReady: false,
    },
    decoded: () => ({ apiVersions: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }),
  },
]
