/** DeleteTopics (20): by name, from version 6 on also by id. */
import { type Api, defineApi } from '../api.ts'
import { int16, int32, uuid } from '../scalars.ts'
import { array, struct } from '../struct.ts'
import { nullableString, stringType } from '../texts.ts'

export interface DeletableTopic {
  readonly name: string | null
  readonly topicId: string
}

export interface DeleteTopicsRequest {
  readonly topics: readonly DeletableTopic[]
  readonly topicNames: readonly string[]
  readonly timeoutMs: number
}

export interface DeletedTopic {
  readonly name: string | null
  readonly topicId: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

export interface DeleteTopicsResponse {
  readonly throttleTimeMs: number
  readonly responses: readonly DeletedTopic[]
}

const deleted = struct<DeletedTopic>({
  name: nullableString({ nullableSince: 6 }),
  topicId: uuid({ since: 6 }),
  errorCode: int16(),
  errorMessage: nullableString({ since: 5 }),
})

export const deleteTopics: Api<DeleteTopicsRequest, DeleteTopicsResponse> = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleSince: 4,
  request: struct<DeleteTopicsRequest>({
    topics: array(struct<DeletableTopic>({ name: nullableString(), topicId: uuid() }), {
      since: 6,
    }),
    topicNames: array(stringType, { until: 5 }),
    timeoutMs: int32(),
  }),
  response: struct<DeleteTopicsResponse>({ throttleTimeMs: int32(), responses: array(deleted) }),
})
