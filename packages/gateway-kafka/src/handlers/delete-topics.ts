/** DeleteTopics, by name or by id. */
import type { AnyControlHandler } from '../control-answer.ts'
import { controlHandler } from '../control-answer.ts'
import { asAnswerable, KafkaError, kafkaErrorOf } from '../errors.ts'
import type { KafkaSession } from '../kafka-session.ts'
import {
  type DeletableTopic,
  type DeletedTopic,
  deleteTopics,
} from '../schema/apis/delete-topics.ts'
import { NO_UUID } from '../schema/scalars.ts'
import { findTopicByUuid, topicUuid } from '../topic-uuid.ts'

export const deleteTopicsHandler: AnyControlHandler = controlHandler({
  api: deleteTopics,
  run: async (session, { topics, topicNames }) => {
    const named = topicNames.map((name): DeletableTopic => ({ name, topicId: NO_UUID }))
    const responses: DeletedTopic[] = []
    for (const topic of [...topics, ...named]) responses.push(await remove(session, topic))
    return { throttleTimeMs: 0, responses }
  },
})

const remove = async (session: KafkaSession, asked: DeletableTopic): Promise<DeletedTopic> => {
  const { broker } = session.services
  const { caller } = session.open
  const name = asked.name ?? findTopicByUuid(broker, caller, asked.topicId)?.topic
  if (name === undefined) {
    const errorMessage = 'no topic has this id'
    return { ...asked, errorCode: KafkaError.UNKNOWN_TOPIC_ID, errorMessage }
  }
  try {
    const topicId = topicUuid(broker.describeTopic(caller, name))
    await broker.deleteTopic(caller, { topic: name })
    return { name, topicId, errorCode: KafkaError.NONE, errorMessage: null }
  } catch (error) {
    const answerable = asAnswerable(error)
    const errorCode = kafkaErrorOf(answerable)
    return { name, topicId: asked.topicId, errorCode, errorMessage: answerable.message }
  }
}
