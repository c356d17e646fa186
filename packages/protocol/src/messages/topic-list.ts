/**
 * TOPIC_LIST: the topics of the namespace that this peer may see.
 *
 * ```
 * TOPIC_LIST   { prefix?: str, after?: str }
 * TOPIC_LISTED { topics: [{ topic: str, id: int, partitions: int, durability: str, revision: int }],
 *                more?: bool }
 * ```
 * Sorted by the UTF-8 bytes of the name, at most 1,000 at a time: with `more`, ask again with the
 * last name as `after`.
 */
import {
  asMap,
  optionalBoolean,
  optionalString,
  requireInteger,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicList {
  readonly prefix?: string | undefined
  /** Only names that sort after this one. */
  readonly after?: string | undefined
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
  /** True: there are more after the last one. */
  readonly more?: boolean | undefined
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

export const decodeTopicList = (body: Uint8Array): TopicList => {
  const map = decodeControl(body)
  return {
    prefix: optionalString(map, 'prefix', undefined),
    after: optionalString(map, 'after', undefined),
  }
}

export const encodeTopicListed = (listed: TopicListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeTopicListed = (body: Uint8Array): TopicListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    topics: requireList(map, 'topics', readSummary),
    more: optionalBoolean(map, 'more', false),
  }
}
