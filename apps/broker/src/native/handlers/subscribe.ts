/** SUBSCRIBE, UNSUBSCRIBE and CREDIT. */
import { BrokerError, isBrokerError } from '@millrace/codec'
import type { OffsetQuery, TopicEvent, TopicHandle } from '@millrace/core'
import {
  createCredit,
  decodeCredit,
  decodeSubscribe,
  decodeUnsubscribe,
  encodeSubscribed,
  encodeUnsubscribe,
  type Frame,
  Opcode,
  type Subscribe,
  type SubscribeFrom,
} from '@millrace/protocol'
import { checkAllowed, controlHandler } from '../control-request.ts'
import type { NativeSession } from '../native-session.ts'
import { checkPartitionList } from '../partition-list.ts'
import type { DamagedRange, Subscription } from '../subscription.ts'

interface Start {
  readonly partition: number
  readonly offset: number
}

export const handleSubscribe = (session: NativeSession, frame: Frame): void => {
  void serveSubscribe(session, frame.body, frame.channel, frame.correlation)
}

const serveSubscribe = async (
  session: NativeSession,
  body: Uint8Array,
  channel: number,
  correlation: number,
): Promise<void> => {
  session.beginControl()
  try {
    await subscribe(session, decodeSubscribe(body), channel, correlation)
  } catch (error) {
    session.fail(error, channel, correlation)
  } finally {
    session.endControl()
  }
}

const subscribe = async (
  session: NativeSession,
  request: Subscribe,
  channel: number,
  correlation: number,
): Promise<void> => {
  const { caller, subscriptions } = session.open
  const { topic, subscription: id } = request
  checkAllowed(session, 'read', topic)
  subscriptions.check(id)
  const handle = await session.services.broker.openTopic(caller, topic, { create: false })
  const starts = await resolveStarts(session, request, handle)
  // The connection may have gone, or be going, while the offsets were looked up.
  if (session.state !== 'open') throw new BrokerError('ERR_GOING_AWAY')
  const subscription = subscriptions.open({
    id,
    channel,
    creditBytes: request.credit,
    partitionCount: starts.length,
    bytesPerDelivery: request.maxBytesPerDeliver,
    damageFrom: (partition, offset) => damageFrom(session, topic, partition, offset),
  })
  const answer = encodeSubscribed({
    subscription: id,
    topic,
    id: handle.topicId,
    partitions: starts,
  })
  session.output.sendInLine(Opcode.SUBSCRIBED, channel, correlation, answer)
  try {
    watch(session, subscription, handle, request.partitions === undefined)
    for (const { partition, offset } of starts) subscription.start(handle, partition, offset)
  } catch (error) {
    // The request is answered already: what fails now ends the subscription.
    if (!isBrokerError(error)) throw error
    subscription.endWith(error)
  }
}

/** `undefined` also when the topic has gone meanwhile. */
const damageFrom = (
  session: NativeSession,
  topic: string,
  partition: number,
  offset: number,
): DamagedRange | undefined => {
  const { broker } = session.services
  try {
    const { partitions } = broker.describeTopic(session.open.caller, topic)
    return partitions[partition]?.quarantined.find(({ to }) => to > offset)
  } catch {
    return undefined
  }
}

const watch = (
  session: NativeSession,
  subscription: Subscription,
  handle: TopicHandle,
  takesNewPartitions: boolean,
): void => {
  let partitionCount = handle.partitionCount
  const onEvent = (event: TopicEvent): void => {
    if (event.kind === 'deleted') {
      subscription.endWith(new BrokerError('ERR_TOPIC_DELETED', [handle.topic]))
      return
    }
    const first = partitionCount
    partitionCount = event.handle.partitionCount
    if (!takesNewPartitions) return
    for (let partition = first; partition < partitionCount; partition++) {
      subscription.start(event.handle, partition, 0)
    }
  }
  subscription.watchWith(session.services.broker.watchTopic(handle, onEvent))
}

const resolveStarts = async (
  session: NativeSession,
  request: Subscribe,
  handle: TopicHandle,
): Promise<readonly Start[]> => {
  const partitions = choosePartitions(request, handle)
  const query = toQuery(request.from)
  const { broker } = session.services
  const { caller } = session.open
  const { topic, from } = request
  if (query !== undefined) {
    const answers = await broker.listOffsets(caller, { topic, partitions, at: query })
    return answers.map(({ partition, offset }) => ({ partition, offset }))
  }
  checkGivenPartitions(from, handle)
  const described = broker.describeTopic(caller, topic).partitions
  return partitions.map((partition) => {
    const { earliest, highWatermark } = described[partition] ?? { earliest: 0, highWatermark: 0 }
    const offset = givenOffset(from, partition) ?? earliest
    if (offset < earliest || offset > highWatermark) {
      throw new BrokerError('ERR_OFFSET_OUT_OF_RANGE', [offset, earliest, highWatermark])
    }
    return { partition, offset }
  })
}

const choosePartitions = (request: Subscribe, handle: TopicHandle): readonly number[] => {
  const asked = request.partitions
  if (asked === undefined) return Array.from({ length: handle.partitionCount }, (_, at) => at)
  checkPartitionList(asked)
  for (const partition of asked) checkPartition(handle, partition)
  return asked
}

const checkPartition = (handle: TopicHandle, partition: number): void => {
  if (partition < handle.partitionCount) return
  throw new BrokerError('ERR_PARTITION_NOT_FOUND', [handle.topic, partition])
}

/** `undefined` when the peer gave offsets itself. */
const toQuery = (from: SubscribeFrom): OffsetQuery | undefined => {
  if (from === 'earliest' || from === 'latest') return from
  if (typeof from === 'number' || 'offsets' in from) return undefined
  return { timestamp: from.timestamp }
}

/** An offset of a partition that is not there was meant for another topic. */
const checkGivenPartitions = (from: SubscribeFrom, handle: TopicHandle): void => {
  if (typeof from !== 'object' || !('offsets' in from)) return
  for (const partition of Object.keys(from.offsets)) checkPartition(handle, Number(partition))
}

/** A partition that a resumed subscription has not seen yet starts at its beginning. */
const givenOffset = (from: SubscribeFrom, partition: number): number | undefined => {
  if (typeof from === 'number') return from
  if (typeof from === 'string' || !('offsets' in from)) return undefined
  return from.offsets[String(partition)]
}

export const handleUnsubscribe = controlHandler({
  decode: decodeUnsubscribe,
  answerOpcode: Opcode.UNSUBSCRIBED,
  encode: encodeUnsubscribe,
  run: (session, { subscription }) => {
    session.open.subscriptions.close(subscription)
    return { subscription }
  },
})

/** Credit for a subscription that has ended meanwhile is no mistake of the peer's. */
export const handleCredit = (session: NativeSession, frame: Frame): void => {
  const { subscription, bytes } = decodeCredit(frame.body, createCredit())
  session.open.subscriptions.find(subscription)?.addCredit(bytes)
}
