/** CreateTopics: one node, so one replica; settings by `topic-configs.ts`. */
import { BrokerError } from '@millrace/codec'
import { type Caller, checkName, type TopicSettings } from '@millrace/core'
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { asAnswerable, KafkaError, kafkaErrorOf } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import {
  type CreatableTopic,
  type CreatedTopic,
  createTopics,
} from '../schema/apis/create-topics.ts'
import { NO_UUID } from '../schema/scalars.ts'
import { configsOf, settingsOf } from '../topic-configs.ts'
import { topicUuid } from '../topic-uuid.ts'

const DEFAULT = -1
const REPLICAS = 1

interface Refusal {
  readonly errorCode: number
  readonly message: string
}

export const createTopicsHandler: AnyControlHandler = controlHandler({
  api: createTopics,
  run: async (session, { topics, validateOnly }) => {
    const repeated = repeatedNames(topics)
    const created: CreatedTopic[] = []
    for (const topic of topics) {
      if (repeated.has(topic.name)) {
        const message = 'the topic is named twice in the request'
        created.push(refused(topic.name, { errorCode: KafkaError.INVALID_REQUEST, message }))
      } else {
        created.push(await create(session, topic, validateOnly))
      }
    }
    return { throttleTimeMs: 0, topics: created }
  },
})

const repeatedNames = (topics: readonly CreatableTopic[]): ReadonlySet<string> => {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { name } of topics) {
    if (seen.has(name)) repeated.add(name)
    seen.add(name)
  }
  return repeated
}

const create = async (
  session: KafkaSession,
  topic: CreatableTopic,
  validateOnly: boolean,
): Promise<CreatedTopic> => {
  const refusal = refusalOf(topic)
  if (refusal !== undefined) return refused(topic.name, refusal)
  const { caller } = session.open
  try {
    if (validateOnly) return validate(session, caller, topic)
    const description = await session.services.broker.createTopic(caller, {
      topic: topic.name,
      settings: settingsOf(topic.configs),
      ...(topic.numPartitions === DEFAULT ? {} : { partitions: topic.numPartitions }),
    })
    const { settings, partitions } = description
    return accepted(topic, topicUuid(description), partitions.length, settings)
  } catch (error) {
    return refused(topic.name, wordsOf(asAnswerable(error)))
  }
}

const refusalOf = ({
  assignments,
  numPartitions,
  replicationFactor,
}: CreatableTopic): Refusal | undefined => {
  if (assignments.length > 0) {
    const message = 'this broker places partitions itself: send a number of them, no assignment'
    return { errorCode: KafkaError.INVALID_REPLICA_ASSIGNMENT, message }
  }
  if (replicationFactor !== DEFAULT && replicationFactor !== REPLICAS) {
    const message = `this broker is one node: the replication factor is 1, not ${replicationFactor}`
    return { errorCode: KafkaError.INVALID_REPLICATION_FACTOR, message }
  }
  if (numPartitions !== DEFAULT && numPartitions < 1) {
    const message = `a topic cannot have ${numPartitions} partitions`
    return { errorCode: KafkaError.INVALID_PARTITIONS, message }
  }
  return undefined
}

/** What can be said without creating it. */
const validate = (session: KafkaSession, caller: Caller, topic: CreatableTopic): CreatedTopic => {
  checkName(topic.name)
  settingsOf(topic.configs)
  const { broker } = session.services
  const isThere = broker.listTopics(caller, { prefix: topic.name }).some((known) => {
    return known.topic === topic.name
  })
  if (isThere) throw new BrokerError('ERR_TOPIC_EXISTS', [topic.name])
  return accepted(topic, NO_UUID, topic.numPartitions, undefined)
}

/** A wrong argument of a topic is its number of partitions or one of its settings. */
const wordsOf = (error: BrokerError): Refusal => {
  const { message } = error
  if (error.code !== 'ERR_INVALID_ARGUMENT') return { errorCode: kafkaErrorOf(error), message }
  const isCount = message.startsWith("argument 'partitions'")
  const errorCode = isCount ? KafkaError.INVALID_PARTITIONS : KafkaError.INVALID_CONFIG
  return { errorCode, message }
}

const refused = (name: string, { errorCode, message }: Refusal): CreatedTopic => ({
  name,
  topicId: NO_UUID,
  errorCode,
  errorMessage: message,
  topicConfigErrorCode: 0,
  numPartitions: -1,
  replicationFactor: -1,
  configs: null,
})

const accepted = (
  { name, configs }: CreatableTopic,
  topicId: string,
  numPartitions: number,
  settings: TopicSettings | undefined,
): CreatedTopic => ({
  name,
  topicId,
  errorCode: KafkaError.NONE,
  errorMessage: null,
  topicConfigErrorCode: 0,
  numPartitions,
  replicationFactor: REPLICAS,
  configs: settings === undefined ? [] : configsOf(settings, configs),
})
