/**
 * TOPIC_LIST: the topics of the namespace that this peer may see.
 *
 * ```
 * TOPIC_LIST   { prefix?: str }
 * TOPIC_LISTED { topics: [{ topic: str, id: int, partitions: int, durability: str, revision: int }] }
 * ```
 */
import { asMap, optionalString, requireInteger, requireList, requireString } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicList {
  readonly prefix?: string | undefined
}

export interface TopicSummary {
  readonly topic: string
  readonly id: number
  readonly partitions: number
  readonly durability: string
  readonly revision: number
}

export interface TopicListed {
  readonly topics: readonly TopicSummary[]
}

const readSummary = (value: unknown, name: string): TopicSummary => {
  const map = asMap(value, name)
  return {
    topic: requireString(map, 'topic'),
    id: requireInteger(map, 'id', 0, Number.MAX_SAFE_INTEGER),
    partitions: requireInteger(map, 'partitions', 1, UINT32_MAX),
    durability: requireString(map, 'durability'),
    revision: requireInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER),
  }
}

export const encodeTopicList = (list: TopicList): Uint8Array => encodeControl(list)

export const decodeTopicList = (body: Uint8Array): TopicList => ({
  prefix: optionalString(decodeControl(body), 'prefix', undefined),
})

export const encodeTopicListed = (listed: TopicListed): Uint8Array => encodeControl(listed)

export const decodeTopicListed = (body: Uint8Array): TopicListed => ({
  topics: requireList(decodeControl(body), 'topics', readSummary),
})
