/** Queues as a whole: declare, describe, list, alter, delete, purge, move, replay. */
import type { QueueDescription } from '@millrace/core'
import * as wire from '@millrace/protocol'
import { compareUtf8 } from '../compare-utf8.ts'
import { controlHandler } from '../control-request.ts'
import { readQueuePatch, readQueueSettings } from '../messaging/message-settings.ts'

const { Opcode } = wire

const countersOf = ({ counters }: QueueDescription): wire.QueueCounters => ({
  published: counters.published,
  delivered: counters.delivered,
  redelivered: counters.redelivered,
  settled: counters.settled,
  deadLettered: counters.deadLettered,
  expired: counters.expired,
  dropped: counters.dropped,
})

const describe = (queue: QueueDescription): wire.QueueDescription => ({
  queue: queue.queue,
  exclusive: queue.isExclusive,
  ready: queue.readyCount,
  readyBytes: queue.readyBytes,
  delayed: queue.delayedCount,
  inFlight: queue.inFlightCount,
  consumers: queue.consumerCount,
  counters: countersOf(queue),
  settings: { ...queue.settings },
})

const countOf = ({ messageCount }: { readonly messageCount: number }): wire.MessagesCounted => ({
  messages: messageCount,
})

export const handleQueueDeclare = controlHandler({
  decode: wire.decodeQueueDeclare,
  answerOpcode: Opcode.QUEUE_DECLARED,
  encode: wire.encodeQueueDescription,
  run: async (session, { queue, settings = {}, exclusive = false }) => {
    const { caller, messaging } = session.open
    const declared = await messaging.messaging.declareQueue(caller, {
      queue,
      settings: readQueueSettings(settings),
      isExclusive: exclusive,
      owner: messaging.owner,
    })
    return describe(declared)
  },
})

export const handleQueueDescribe = controlHandler({
  decode: wire.decodeQueueDescribe,
  answerOpcode: Opcode.QUEUE_DESCRIBED,
  encode: wire.encodeQueueDescription,
  run: (session, { queue }) => {
    const { caller, messaging } = session.open
    return describe(messaging.messaging.describeQueue(caller, queue, messaging.owner))
  },
})

export const handleQueueList = controlHandler({
  decode: wire.decodeNameList,
  answerOpcode: Opcode.QUEUE_LISTED,
  encode: wire.encodeQueueListed,
  run: (session, { prefix, after }) => {
    const queues = session.services.broker.messaging
      .listQueues(session.open.caller, prefix === undefined ? {} : { prefix })
      .filter(({ queue }) => after === undefined || compareUtf8(queue, after) > 0)
      .sort((left, right) => compareUtf8(left.queue, right.queue))
    const page = queues.slice(0, wire.QUEUE_LIST_COUNT_MAX).map(describe)
    return { queues: page, more: queues.length > page.length }
  },
})

export const handleQueueAlter = controlHandler({
  decode: wire.decodeQueueAlter,
  answerOpcode: Opcode.QUEUE_ALTERED,
  encode: wire.encodeQueueDescription,
  run: async (session, { queue, settings }) => {
    const request = { queue, settings: readQueuePatch(settings) }
    const { messaging } = session.services.broker
    return describe(await messaging.alterQueue(session.open.caller, request))
  },
})

export const handleQueueDelete = controlHandler({
  decode: wire.decodeQueueDelete,
  answerOpcode: Opcode.QUEUE_DELETED,
  encode: wire.encodeMessagesCounted,
  run: async (session, { queue, ifUnused = false, ifEmpty = false }) => {
    const { caller, messaging } = session.open
    const { owner } = messaging
    return countOf(
      await messaging.messaging.deleteQueue(caller, { queue, owner, ifUnused, ifEmpty }),
    )
  },
})

export const handleQueuePurge = controlHandler({
  decode: wire.decodeQueueDescribe,
  answerOpcode: Opcode.QUEUE_PURGED,
  encode: wire.encodeMessagesCounted,
  run: async (session, { queue }) => {
    const { caller, messaging } = session.open
    const { owner } = messaging
    return countOf(await messaging.messaging.purgeQueue(caller, { queue, owner }))
  },
})

export const handleQueueMove = controlHandler({
  decode: wire.decodeQueueMove,
  answerOpcode: Opcode.QUEUE_MOVED,
  encode: wire.encodeMessagesCounted,
  run: async (session, { queue, exchange, routingKey, count }) => {
    const { messaging } = session.services.broker
    const moved = await messaging.moveMessages(session.open.caller, {
      queue,
      exchange,
      ...(routingKey === undefined ? {} : { routingKey }),
      ...(count === undefined ? {} : { count }),
    })
    return countOf(moved)
  },
})

export const handleQueueReplay = controlHandler({
  decode: wire.decodeQueueReplay,
  answerOpcode: Opcode.QUEUE_REPLAYED,
  encode: wire.encodeMessagesCounted,
  run: async (session, { queue, since }) => {
    const { messaging } = session.services.broker
    const request = { queue, sinceMs: since }
    return countOf(await messaging.replayQueue(session.open.caller, request))
  },
})
