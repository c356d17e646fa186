/**
 * Kafka names topics by UUID as well. Ours have numbers, never given twice in a data directory: the
 * UUID is made of the number and of what tells one directory's topic from another's.
 */
import { createHash } from 'node:crypto'
import type { Broker, Caller, TopicDescription } from '@millrace/core'

const VERSION_8 = 0x80
const VARIANT = 0x80

export const topicUuid = ({ namespace, topic, id, createdAtMs }: TopicDescription): string => {
  const text = JSON.stringify([namespace, topic, id, createdAtMs])
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | VERSION_8
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | VARIANT
  const digits = bytes.toString('hex')
  const cuts = [0, 8, 12, 16, 20, 32]
  return cuts
    .slice(1)
    .map((end, index) => digits.slice(cuts[index], end))
    .join('-')
}

/** Looks through all topics: few clients ask by id, and seldom. */
export const findTopicByUuid = (
  broker: Broker,
  caller: Caller,
  uuid: string,
): TopicDescription | undefined =>
  broker
    .listTopics(caller)
    .map(({ topic }) => broker.describeTopic(caller, topic))
    .find((topic) => topicUuid(topic) === uuid)
