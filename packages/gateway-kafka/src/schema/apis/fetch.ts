/** Fetch (1): record batches out of partitions, with long polls. */
import { type Api, defineApi } from '../api.ts'
import { int16, int32, int32Type, int64, int8 } from '../scalars.ts'
import { array, nested, nullableArray, struct } from '../struct.ts'
import { nullableString, type Records, records, string } from '../texts.ts'

export interface FetchPartition {
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly logStartOffset: number
  readonly partitionMaxBytes: number
}

export interface FetchTopic {
  readonly topic: string
  readonly partitions: readonly FetchPartition[]
}

interface ForgottenTopic {
  readonly topic: string
  readonly partitions: readonly number[]
}

export interface FetchRequest {
  readonly clusterId: string | null
  readonly replicaId: number
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolationLevel: number
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topics: readonly FetchTopic[]
  readonly forgottenTopicsData: readonly ForgottenTopic[]
  readonly rackId: string
}

interface EpochEndOffset {
  readonly epoch: number
  readonly endOffset: number
}

interface LeaderIdAndEpoch {
  readonly leaderId: number
  readonly leaderEpoch: number
}

interface SnapshotId {
  readonly endOffset: number
  readonly epoch: number
}

interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

export interface FetchedPartition {
  partitionIndex: number
  errorCode: number
  highWatermark: number
  lastStableOffset: number
  logStartOffset: number
  divergingEpoch: EpochEndOffset | null
  currentLeader: LeaderIdAndEpoch | null
  snapshotId: SnapshotId | null
  abortedTransactions: readonly AbortedTransaction[] | null
  preferredReadReplica: number
  records: Records
}

export interface FetchedTopic {
  readonly topic: string
  readonly partitions: readonly FetchedPartition[]
}

export interface FetchResponse {
  readonly throttleTimeMs: number
  readonly errorCode: number
  readonly sessionId: number
  readonly responses: readonly FetchedTopic[]
}

const epochEndOffset = struct<EpochEndOffset>({
  epoch: int32({ fallback: -1 }),
  endOffset: int64({ fallback: -1 }),
})

const leaderIdAndEpoch = struct<LeaderIdAndEpoch>({ leaderId: int32(), leaderEpoch: int32() })
const snapshot = struct<SnapshotId>({ endOffset: int64(), epoch: int32() })
const aborted = struct<AbortedTransaction>({ producerId: int64(), firstOffset: int64() })

const requested = struct<FetchPartition>({
  partition: int32(),
  currentLeaderEpoch: int32({ since: 9, fallback: -1 }),
  fetchOffset: int64(),
  lastFetchedEpoch: int32({ since: 12, fallback: -1 }),
  logStartOffset: int64({ since: 5, fallback: -1 }),
  partitionMaxBytes: int32(),
})

const fetched = struct<FetchedPartition>({
  partitionIndex: int32(),
  errorCode: int16(),
  highWatermark: int64(),
  lastStableOffset: int64({ fallback: -1 }),
  logStartOffset: int64({ since: 5, fallback: -1 }),
  divergingEpoch: nested(epochEndOffset, { since: 12, tag: 0 }),
  currentLeader: nested(leaderIdAndEpoch, { since: 12, tag: 1 }),
  snapshotId: nested(snapshot, { since: 12, tag: 2 }),
  abortedTransactions: nullableArray(aborted),
  preferredReadReplica: int32({ since: 11, fallback: -1 }),
  records: records(),
})

export const FETCH_KEY = 1
/** From here on clients read zstd. */
export const FETCH_ZSTD_SINCE = 10

export const fetch: Api<FetchRequest, FetchResponse> = defineApi({
  key: FETCH_KEY,
  name: 'Fetch',
  versions: [4, 12],
  flexibleSince: 12,
  request: struct<FetchRequest>({
    clusterId: nullableString({ since: 12, tag: 0 }),
    replicaId: int32({ fallback: -1 }),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32(),
    isolationLevel: int8(),
    sessionId: int32({ since: 7 }),
    sessionEpoch: int32({ since: 7, fallback: -1 }),
    topics: array(struct<FetchTopic>({ topic: string(), partitions: array(requested) })),
    forgottenTopicsData: array(
      struct<ForgottenTopic>({ topic: string(), partitions: array(int32Type) }),
      { since: 7 },
    ),
    rackId: string({ since: 11 }),
  }),
  response: struct<FetchResponse>({
    throttleTimeMs: int32(),
    errorCode: int16({ since: 7 }),
    sessionId: int32({ since: 7 }),
    responses: array(struct<FetchedTopic>({ topic: string(), partitions: array(fetched) })),
  }),
})
