/** The requests about topics as a whole: create, list, describe, alter, delete, open. */
import type {
  TopicDescription as EngineDescription,
  TopicSettings,
  TopicSettingsPatch,
  TopicSummary,
} from '@millrace/core'
import {
  BODY_HEAD_BYTES_MAX,
  decodeTopicAlter,
  decodeTopicCreate,
  decodeTopicDelete,
  decodeTopicDescribe,
  decodeTopicList,
  decodeTopicOpen,
  encodeTopicDeleted,
  encodeTopicDescription,
  encodeTopicListed,
  encodeTopicOpened,
  Opcode,
  TOPIC_LIST_COUNT_MAX,
  type TopicDescription,
} from '@millrace/protocol'
import { controlHandler } from '../control-request.ts'
import { compareUtf8 } from '../compare-utf8.ts'
import type { NativeSession } from '../native-session.ts'

const describe = (topic: EngineDescription): TopicDescription => ({
  topic: topic.topic,
  id: topic.id,
  revision: topic.revision,
  createdAt: topic.createdAtMs,
  settings: { ...topic.settings },
  partitions: topic.partitions.map(
    ({ partition, earliest, next, highWatermark, epoch, bytes }) => ({
      partition,
      earliest,
      next,
      highWatermark,
      epoch,
      bytes,
    }),
  ),
})

/** A segment holds at least this many of the largest batches: what is larger is refused. */
const BATCHES_PER_SEGMENT_MIN = 4

/** The largest batch that the engine takes. */
const batchBytesMaxOf = ({ batchBytesMax, segmentBytes }: TopicSettings): number =>
  Math.min(batchBytesMax, Math.floor(segmentBytes / BATCHES_PER_SEGMENT_MIN))

/** Nobody should learn only after a crash that an acknowledgement meant less than a sync. */
const noteDurability = (session: NativeSession, { topic, settings }: EngineDescription): void => {
  if (settings.durability === 'persisted') return
  const { durability } = settings
  session.services.environment.log.warn('topic.below-persisted', { topic, durability })
}

/** The engine checks names and values of settings; here they are still what the peer sent. */
const asPatch = (settings: Readonly<Record<string, unknown>>): TopicSettingsPatch =>
  settings as TopicSettingsPatch

const without = <Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { [K in Key]?: Value } =>
  value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value })

export const handleCreate = controlHandler({
  decode: decodeTopicCreate,
  answerOpcode: Opcode.TOPIC_CREATED,
  encode: encodeTopicDescription,
  run: async (session, { topic, partitions, settings, ifNotExists }) => {
    const created = await session.services.broker.createTopic(session.open.caller, {
      topic,
      ...without('partitions', partitions),
      ...without('settings', settings === undefined ? undefined : asPatch(settings)),
      ...without('ifNotExists', ifNotExists),
    })
    noteDurability(session, created)
    return describe(created)
  },
})

export const handleList = controlHandler({
  decode: decodeTopicList,
  answerOpcode: Opcode.TOPIC_LISTED,
  encode: encodeTopicListed,
  run: (session, { prefix, after }) => {
    const { caller } = session.open
    const topics = session.services.broker
      .listTopics(caller, without('prefix', prefix))
      .filter(({ topic }) => after === undefined || compareUtf8(topic, after) > 0)
      .sort((left, right) => compareUtf8(left.topic, right.topic))
    const page = topics.slice(0, TOPIC_LIST_COUNT_MAX).map(summarize)
    return { topics: page, more: topics.length > page.length }
  },
})

const summarize = ({ topic, id, partitionCount, durability, revision }: TopicSummary) => ({
  topic,
  id,
  partitions: partitionCount,
  durability,
  revision,
})

export const handleDescribe = controlHandler({
  decode: decodeTopicDescribe,
  answerOpcode: Opcode.TOPIC_DESCRIBED,
  encode: encodeTopicDescription,
  run: (session, { topic }) => {
    return describe(session.services.broker.describeTopic(session.open.caller, topic))
  },
})

export const handleAlter = controlHandler({
  decode: decodeTopicAlter,
  answerOpcode: Opcode.TOPIC_ALTERED,
  encode: encodeTopicDescription,
  run: async (session, { topic, settings, partitions, revision }) => {
    const altered = await session.services.broker.alterTopic(session.open.caller, {
      topic,
      settings: asPatch(settings),
      ...without('partitions', partitions),
      ...without('revision', revision),
    })
    noteDurability(session, altered)
    return describe(altered)
  },
})

export const handleDelete = controlHandler({
  decode: decodeTopicDelete,
  answerOpcode: Opcode.TOPIC_DELETED,
  encode: encodeTopicDeleted,
  run: async (session, { topic, revision }) => {
    const request = { topic, ...without('revision', revision) }
    await session.services.broker.deleteTopic(session.open.caller, request)
    return {}
  },
})

export const handleOpen = controlHandler({
  decode: decodeTopicOpen,
  answerOpcode: Opcode.TOPIC_OPENED,
  encode: encodeTopicOpened,
  run: async (session, { topic, create }) => {
    const { broker } = session.services
    const { caller, handles } = session.open
    const handle = await broker.openTopic(caller, topic, { create: create === true })
    const opened = handles.open(handle)
    const { settings } = broker.describeTopic(caller, topic)
    const { bodyBytesMax } = session.services.limits
    return {
      handle: opened.handle,
      topic: handle.topic,
      id: handle.topicId,
      partitions: handle.partitionCount,
      durability: handle.durability,
      batchBytesMax: Math.min(batchBytesMaxOf(settings), bodyBytesMax - BODY_HEAD_BYTES_MAX),
    }
  },
})
