/**
 * TOPIC_CREATE: a new topic. The answer TOPIC_CREATED is a topic description.
 *
 * ```
 * { topic: str, partitions?: int, settings?: map, ifNotExists?: bool }
 * ```
 */
import { optionalBoolean, optionalInteger, optionalMap, requireString } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'
import type { TopicSettings } from './topic-description.ts'

export interface TopicCreate {
  readonly topic: string
  /** Left out: the broker's default. */
  readonly partitions?: number | undefined
  readonly settings?: TopicSettings | undefined
  /** True: an existing topic is described instead of refused. */
  readonly ifNotExists?: boolean | undefined
}

export const encodeTopicCreate = (create: TopicCreate): Uint8Array => encodeControl(create)

export const decodeTopicCreate = (body: Uint8Array): TopicCreate => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    partitions: optionalInteger(map, 'partitions', 1, UINT32_MAX, undefined),
    settings: optionalMap(map, 'settings'),
    ifNotExists: optionalBoolean(map, 'ifNotExists', false),
  }
}
