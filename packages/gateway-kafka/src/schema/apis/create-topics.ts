/** CreateTopics (19). */
import { type Api, defineApi } from '../api.ts'
import { boolean, int16, int32, int32Type, int8, uuid } from '../scalars.ts'
import { array, nullableArray, struct } from '../struct.ts'
import { nullableString, string } from '../texts.ts'

interface ReplicaAssignment {
  readonly partitionIndex: number
  readonly brokerIds: readonly number[]
}

export interface TopicConfig {
  readonly name: string
  readonly value: string | null
}

export interface CreatableTopic {
  readonly name: string
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly assignments: readonly ReplicaAssignment[]
  readonly configs: readonly TopicConfig[]
}

export interface CreateTopicsRequest {
  readonly topics: readonly CreatableTopic[]
  readonly timeoutMs: number
  readonly validateOnly: boolean
}

export interface CreatedConfig {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
}

export interface CreatedTopic {
  readonly name: string
  readonly topicId: string
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly topicConfigErrorCode: number
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly configs: readonly CreatedConfig[] | null
}

export interface CreateTopicsResponse {
  readonly throttleTimeMs: number
  readonly topics: readonly CreatedTopic[]
}

const creatable = struct<CreatableTopic>({
  name: string(),
  numPartitions: int32(),
  replicationFactor: int16(),
  assignments: array(
    struct<ReplicaAssignment>({ partitionIndex: int32(), brokerIds: array(int32Type) }),
  ),
  configs: array(struct<TopicConfig>({ name: string(), value: nullableString() })),
})

const config = struct<CreatedConfig>({
  name: string(),
  value: nullableString(),
  readOnly: boolean(),
  configSource: int8({ fallback: -1 }),
  isSensitive: boolean(),
})

const created = struct<CreatedTopic>({
  name: string(),
  topicId: uuid({ since: 7 }),
  errorCode: int16(),
  errorMessage: nullableString(),
  topicConfigErrorCode: int16({ since: 5, tag: 0 }),
  numPartitions: int32({ since: 5, fallback: -1 }),
  replicationFactor: int16({ since: 5, fallback: -1 }),
  configs: nullableArray(config, { since: 5 }),
})

export const createTopics: Api<CreateTopicsRequest, CreateTopicsResponse> = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleSince: 5,
  request: struct<CreateTopicsRequest>({
    topics: array(creatable),
    timeoutMs: int32(),
    validateOnly: boolean(),
  }),
  response: struct<CreateTopicsResponse>({ throttleTimeMs: int32(), topics: array(created) }),
})
