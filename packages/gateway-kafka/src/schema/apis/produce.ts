/**
 * Produce (0): record batches into partitions. Versions 0 to 2 carried an older batch format; they
 * are described so that they can be refused in words their clients understand.
 */
import { type Api, defineApi } from '../api.ts'
import { int16, int32, int64 } from '../scalars.ts'
import { array, nested, struct } from '../struct.ts'
import { nullableString, type Records, records, string } from '../texts.ts'

export interface ProducePartition {
  readonly index: number
  /** Exactly one batch of format 2. */
  readonly records: Records
}

export interface ProduceTopic {
  readonly name: string
  readonly partitionData: readonly ProducePartition[]
}

export interface ProduceRequest {
  readonly transactionalId: string | null
  readonly acks: number
  readonly timeoutMs: number
  readonly topicData: readonly ProduceTopic[]
}

interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string | null
}

interface CurrentLeader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export interface ProducedPartition {
  index: number
  errorCode: number
  baseOffset: number
  logAppendTimeMs: number
  logStartOffset: number
  recordErrors: readonly RecordError[]
  errorMessage: string | null
  currentLeader: CurrentLeader | null
}

export interface ProducedTopic {
  readonly name: string
  readonly partitionResponses: readonly ProducedPartition[]
}

interface NodeEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface ProduceResponse {
  readonly responses: readonly ProducedTopic[]
  readonly throttleTimeMs: number
  readonly nodeEndpoints: readonly NodeEndpoint[]
}

export const NO_ENDPOINTS: readonly never[] = []

const recordError = struct<RecordError>({
  batchIndex: int32(),
  batchIndexErrorMessage: nullableString(),
})

const currentLeader = struct<CurrentLeader>({ leaderId: int32(), leaderEpoch: int32() })

const produced = struct<ProducedPartition>({
  index: int32(),
  errorCode: int16(),
  baseOffset: int64(),
  logAppendTimeMs: int64({ since: 2, fallback: -1 }),
  logStartOffset: int64({ since: 5, fallback: -1 }),
  recordErrors: array(recordError, { since: 8 }),
  errorMessage: nullableString({ since: 8 }),
  currentLeader: nested(currentLeader, { since: 10, tag: 0 }),
})

const endpoint = struct<NodeEndpoint>({
  nodeId: int32(),
  host: string(),
  port: int32(),
  rack: nullableString(),
})

export const PRODUCE_KEY = 0
/** From here on a batch has format 2. */
export const PRODUCE_SERVED_SINCE = 3

export const produce: Api<ProduceRequest, ProduceResponse> = defineApi({
  key: PRODUCE_KEY,
  name: 'Produce',
  versions: [0, 11],
  flexibleSince: 9,
  request: struct<ProduceRequest>({
    transactionalId: nullableString({ since: 3 }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(
      struct<ProduceTopic>({
        name: string(),
        partitionData: array(struct<ProducePartition>({ index: int32(), records: records() })),
      }),
    ),
  }),
  response: struct<ProduceResponse>({
    responses: array(
      struct<ProducedTopic>({ name: string(), partitionResponses: array(produced) }),
    ),
    throttleTimeMs: int32({ since: 1 }),
    nodeEndpoints: array(endpoint, { since: 10, tag: 0, fallback: NO_ENDPOINTS }),
  }),
})
