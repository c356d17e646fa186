/** Requests as tests want them: everything that does not matter is filled in. */
import { RecordBatchBuilder, type RecordBatchOptions } from '@millrace/codec'
import type { CreatableTopic, CreateTopicsRequest } from '../../src/schema/apis/create-topics.ts'
import type { FetchPartition, FetchRequest } from '../../src/schema/apis/fetch.ts'
import type { ListOffsetsRequest } from '../../src/schema/apis/list-offsets.ts'
import type { ProduceRequest } from '../../src/schema/apis/produce.ts'
import { NO_UUID } from '../../src/schema/scalars.ts'
import type { MetadataRequest } from '../../src/schema/apis/metadata.ts'

export const batchOf = (
  values: readonly string[],
  options: RecordBatchOptions = {},
): Uint8Array => {
  const builder = new RecordBatchBuilder(options)
  for (const [index, value] of values.entries()) {
    builder.append({ key: null, value: Buffer.from(value), headers: [], timestamp: 1_000 + index })
  }
  return builder.build()
}

export const produceOf = (
  topic: string,
  records: Uint8Array | null,
  more: Partial<ProduceRequest> & { index?: number } = {},
): ProduceRequest => {
  const { index = 0, ...fields } = more
  return {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index, records }] }],
    ...fields,
  }
}

export const partitionOf = (more: Partial<FetchPartition> = {}): FetchPartition => ({
  partition: 0,
  currentLeaderEpoch: -1,
  fetchOffset: 0,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  partitionMaxBytes: 1 << 20,
  ...more,
})

export const fetchOf = (
  topic: string,
  partitions: readonly Partial<FetchPartition>[],
  more: Partial<FetchRequest> = {},
): FetchRequest => ({
  clusterId: null,
  replicaId: -1,
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1 << 24,
  isolationLevel: 0,
  sessionId: 0,
  sessionEpoch: -1,
  topics: [{ topic, partitions: partitions.map(partitionOf) }],
  forgottenTopicsData: [],
  rackId: '',
  ...more,
})

export const offsetsOf = (
  topic: string,
  timestamp: number,
  more: { currentLeaderEpoch?: number; partitionIndex?: number } = {},
): ListOffsetsRequest => ({
  replicaId: -1,
  isolationLevel: 0,
  topics: [
    {
      name: topic,
      partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp, ...more }],
    },
  ],
})

export const creationOf = (
  topics: readonly (Partial<CreatableTopic> & { name: string })[],
  validateOnly = false,
): CreateTopicsRequest => ({
  topics: topics.map((topic) => ({
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...topic,
  })),
  timeoutMs: 1_000,
  validateOnly,
})

export const metadataOf = (
  names: readonly string[] | null,
  allowAutoTopicCreation = true,
): MetadataRequest => ({
  topics: names === null ? null : names.map((name) => ({ topicId: NO_UUID, name })),
  allowAutoTopicCreation,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
})
