/** Opens topics for actors, which may be deleted under them at any time. */
import type { TopicHandle } from '@millrace/core'
import type { Life } from '../life.ts'
import type { TopicState } from '../metadata-model.ts'
import { callerOf } from '../names.ts'
import { codeOf } from '../read-check.ts'

/** `undefined` when the topic went away meanwhile. */
export const openHandle = async (
  life: Life,
  topic: TopicState,
): Promise<TopicHandle | undefined> => {
  const { metadata } = life.simulation
  const opening = life.broker.openTopic(callerOf(topic.namespace), topic.topic, { create: false })
  try {
    const handle = await life.call(`open ${topic.topic}`, opening)
    return handle.topicId === topic.id ? handle : undefined
  } catch (error) {
    const current = metadata.get(topic.namespace, topic.topic)
    const isGone = current?.id !== topic.id || metadata.isPending(topic.namespace, topic.topic)
    if (codeOf(error) === 'ERR_TOPIC_NOT_FOUND' && isGone) return undefined
    if (life.fatal !== undefined || life.isEnding || life.hasFaulted) return undefined
    throw error
  }
}
