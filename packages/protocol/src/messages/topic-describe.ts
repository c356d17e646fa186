/**
 * TOPIC_DESCRIBE: one topic with its partitions. The answer TOPIC_DESCRIBED is a topic description.
 *
 * ```
 * { topic: str }
 * ```
 */
import { requireString } from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicDescribe {
  readonly topic: string
}

export const encodeTopicDescribe = (describe: TopicDescribe): Uint8Array => encodeControl(describe)

export const decodeTopicDescribe = (body: Uint8Array): TopicDescribe => ({
  topic: requireString(decodeControl(body), 'topic'),
})
