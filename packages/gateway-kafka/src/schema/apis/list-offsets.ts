/** ListOffsets (2): the offset of a moment, or of one of the ends. */
import { type Api, defineApi } from '../api.ts'
import { int16, int32, int64, int8 } from '../scalars.ts'
import { array, struct } from '../struct.ts'
import { string } from '../texts.ts'

/** What stands in the place of a timestamp. */
export const offsetTimestamps = {
  LATEST: -1,
  EARLIEST: -2,
  MAX_TIMESTAMP: -3,
  EARLIEST_LOCAL: -4,
} as const

export interface ListOffsetsPartition {
  readonly partitionIndex: number
  readonly currentLeaderEpoch: number
  readonly timestamp: number
}

export interface ListOffsetsTopic {
  readonly name: string
  readonly partitions: readonly ListOffsetsPartition[]
}

export interface ListOffsetsRequest {
  readonly replicaId: number
  readonly isolationLevel: number
  readonly topics: readonly ListOffsetsTopic[]
}

export interface ListedPartition {
  readonly partitionIndex: number
  readonly errorCode: number
  readonly timestamp: number
  readonly offset: number
  readonly leaderEpoch: number
}

export interface ListedTopic {
  readonly name: string
  readonly partitions: readonly ListedPartition[]
}

export interface ListOffsetsResponse {
  readonly throttleTimeMs: number
  readonly topics: readonly ListedTopic[]
}

const asked = struct<ListOffsetsPartition>({
  partitionIndex: int32(),
  currentLeaderEpoch: int32({ since: 4, fallback: -1 }),
  timestamp: int64(),
})

const listed = struct<ListedPartition>({
  partitionIndex: int32(),
  errorCode: int16(),
  timestamp: int64({ fallback: -1 }),
  offset: int64({ fallback: -1 }),
  leaderEpoch: int32({ since: 4, fallback: -1 }),
})

export const listOffsets: Api<ListOffsetsRequest, ListOffsetsResponse> = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 8],
  flexibleSince: 6,
  request: struct<ListOffsetsRequest>({
    replicaId: int32({ fallback: -1 }),
    isolationLevel: int8({ since: 2 }),
    topics: array(struct<ListOffsetsTopic>({ name: string(), partitions: array(asked) })),
  }),
  response: struct<ListOffsetsResponse>({
    throttleTimeMs: int32({ since: 2 }),
    topics: array(struct<ListedTopic>({ name: string(), partitions: array(listed) })),
  }),
})
