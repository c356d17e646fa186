/**
 * TOPIC_ALTER: new settings or more partitions. The answer TOPIC_ALTERED is a topic description.
 *
 * ```
 * { topic: str, settings?: map, partitions?: int, revision?: int }
 * ```
 * A setting of nil goes back to its default. With `revision` the change happens only when the topic
 * still has that revision.
 */
import { optionalInteger, optionalMap, requireString } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'
import type { TopicSettings } from './topic-description.ts'

export interface TopicAlter {
  readonly topic: string
  readonly settings: TopicSettings
  readonly partitions?: number | undefined
  readonly revision?: number | undefined
}

export const encodeTopicAlter = (alter: TopicAlter): Uint8Array => encodeControl(alter)

export const decodeTopicAlter = (body: Uint8Array): TopicAlter => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    settings: optionalMap(map, 'settings') ?? {},
    partitions: optionalInteger(map, 'partitions', 1, UINT32_MAX, undefined),
    revision: optionalInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}
