/** What actors share: a session to read with, and topics, which may be deleted under them at any time. */
import type { EngineSession, TopicHandle } from '@millrace/core'
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

/** A session that appends nothing. */
export const openReadSession = (life: Life, namespace: string): EngineSession =>
  life.broker.openSession({
    ...callerOf(namespace),
    inFlightCountMax: 16,
    inFlightBytesMax: 1024 * 1024,
    onCompletions: () => {},
    onWritable: () => {},
  })

/** Any topic of the namespace, if there is one. */
export const pickTopic = (life: Life, namespace: string): TopicState | undefined => {
  const topics = life.simulation.metadata.topics().filter((topic) => topic.namespace === namespace)
  return topics.length === 0 ? undefined : life.random.pick(topics)
}

/** Where an actor goes next. */
export interface Destination {
  readonly topic: TopicState
  readonly partition: number
}

/** Goes to one topic after the other until the process comes to its end; `prefer` may say which. */
export const visitTopics = async (
  life: Life,
  namespace: string,
  visit: (topic: TopicState, handle: TopicHandle, partition: number) => Promise<void>,
  prefer: () => Destination | undefined = () => undefined,
): Promise<void> => {
  while (!life.isEnding) {
    await life.idle()
    if (life.isEnding) return
    const preferred = prefer()
    const topic = preferred?.topic ?? pickTopic(life, namespace)
    if (topic === undefined) continue
    const handle = await openHandle(life, topic)
    if (handle === undefined) continue
    await visit(topic, handle, preferred?.partition ?? life.random.below(handle.partitionCount))
  }
}
