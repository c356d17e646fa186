/** Metadata (3): the broker's address, and topics with their partitions. */
import { type Api, defineApi } from '../api.ts'
import { int32Type, boolean, int16, int32, NO_UUID, uuid } from '../scalars.ts'
import { array, nullableArray, struct } from '../struct.ts'
import { nullableString, string } from '../texts.ts'

export interface MetadataTopicName {
  readonly topicId: string
  readonly name: string | null
}

export interface MetadataRequest {
  /** Null asks for all topics; in version 0 an empty list does. */
  readonly topics: readonly MetadataTopicName[] | null
  readonly allowAutoTopicCreation: boolean
  readonly includeClusterAuthorizedOperations: boolean
  readonly includeTopicAuthorizedOperations: boolean
}

export interface MetadataBroker {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface MetadataPartition {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaNodes: readonly number[]
  readonly isrNodes: readonly number[]
  readonly offlineReplicas: readonly number[]
}

export interface MetadataTopic {
  readonly errorCode: number
  readonly name: string | null
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly MetadataPartition[]
  readonly topicAuthorizedOperations: number
}

export interface MetadataResponse {
  readonly throttleTimeMs: number
  readonly brokers: readonly MetadataBroker[]
  readonly clusterId: string | null
  readonly controllerId: number
  readonly topics: readonly MetadataTopic[]
  readonly clusterAuthorizedOperations: number
}

/** "Not asked for" in the fields of authorized operations. */
export const NO_OPERATIONS = -2_147_483_648

const topicName = struct<MetadataTopicName>({
  topicId: uuid({ since: 10, fallback: NO_UUID }),
  name: nullableString({ nullableSince: 10 }),
})

const broker = struct<MetadataBroker>({
  nodeId: int32(),
  host: string(),
  port: int32(),
  rack: nullableString({ since: 1 }),
})

const partition = struct<MetadataPartition>({
  errorCode: int16(),
  partitionIndex: int32(),
  leaderId: int32(),
  leaderEpoch: int32({ since: 7, fallback: -1 }),
  replicaNodes: array(int32Type),
  isrNodes: array(int32Type),
  offlineReplicas: array(int32Type, { since: 5 }),
})

const topic = struct<MetadataTopic>({
  errorCode: int16(),
  name: nullableString({ nullableSince: 12 }),
  topicId: uuid({ since: 10 }),
  isInternal: boolean({ since: 1 }),
  partitions: array(partition),
  topicAuthorizedOperations: int32({ since: 8, fallback: NO_OPERATIONS }),
})

export const metadata: Api<MetadataRequest, MetadataResponse> = defineApi({
  key: 3,
  name: 'Metadata',
  versions: [0, 12],
  flexibleSince: 9,
  request: struct<MetadataRequest>({
    topics: nullableArray(topicName, { nullableSince: 1 }),
    allowAutoTopicCreation: boolean({ since: 4, fallback: true }),
    includeClusterAuthorizedOperations: boolean({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: boolean({ since: 8 }),
  }),
  response: struct<MetadataResponse>({
    throttleTimeMs: int32({ since: 3 }),
    brokers: array(broker),
    clusterId: nullableString({ since: 2 }),
    controllerId: int32({ since: 1, fallback: -1 }),
    topics: array(topic),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, fallback: NO_OPERATIONS }),
  }),
})
