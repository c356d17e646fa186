/** Consuming: how much at a time, from where, and one message at a time. */
import type { ConsumeRequest } from '@millrace/core'
import type { AmqpChannel } from '../amqp-channel.ts'
import { ArgumentReader } from '../argument-reader.ts'
import type { MethodFields } from '../codec/methods.ts'
import { findField } from '../codec/field-table.ts'
import { checkConsumerArguments } from '../consumer-arguments.ts'
import { writeGetOk } from '../delivery-frames.ts'
import { DIRECT_REPLY_QUEUE, randomText } from '../direct-reply.ts'
import { notAllowed, notImplemented, preconditionFailed } from '../errors.ts'
import type { HandlersOf } from '../method-handlers.ts'
import { outgoingProperties } from '../outgoing-message.ts'
import { queueTypeOf } from '../queue-arguments.ts'
import { QueueConsumer } from '../queue-consumer.ts'
import { ReplyConsumer } from '../reply-consumer.ts'
import { exclusiveUse, inVhost, resourceFault } from '../resource-faults.ts'
import { StreamConsumer } from '../stream-consumer.ts'
import { streamFilterOf } from '../stream-filter.ts'
import { findStart, STREAM_OFFSET, streamStartOf } from '../stream-offset.ts'
import { inQueueWords, namedQueue } from './queue.ts'

const GENERATED_PREFIX = 'amq.ctag-'

export const basicHandlers: HandlersOf<
  | 'basic.qos'
  | 'basic.consume'
  | 'basic.cancel'
  | 'basic.cancel-ok'
  | 'basic.get'
  | 'basic.recover'
  | 'basic.recover-async'
> = {
  'basic.qos': (channel, { prefetchSize, prefetchCount, global }) => {
    if (prefetchSize !== 0) throw notImplemented(`prefetch_size!=0 (${prefetchSize})`)
    if (global) channel.limitPool(prefetchCount)
    else channel.prefetchCount = prefetchCount
    channel.reply('basic.qos-ok', {})
  },
  'basic.consume': (channel, fields) => {
    channel.session.checkConsumerLimit()
    const { random } = channel.session.services.environment
    const tag =
      fields.consumerTag === '' ? GENERATED_PREFIX + randomText(random) : fields.consumerTag
    if (channel.consumers.has(tag)) {
      throw notAllowed(`attempt to reuse consumer tag '${tag}'`, 'ERR_CONSUMER_EXISTS')
    }
    const queue = namedQueue(channel, fields.queue)
    if (queue === DIRECT_REPLY_QUEUE) return consumeReplies(channel, fields, tag)
    return consumeQueue(channel, fields, queue, tag)
  },
  'basic.cancel': (channel, { consumerTag, nowait }) => {
    const consumer = channel.consumers.get(consumerTag)
    if (consumer !== undefined) channel.removeConsumer(consumer)
    if (!nowait) channel.reply('basic.cancel-ok', { consumerTag })
  },
  'basic.cancel-ok': () => undefined,
  'basic.get': (channel, { queue: name, noAck }) => {
    const queue = namedQueue(channel, name)
    return getOne(channel, queue, noAck)
  },
  'basic.recover': (channel, { requeue }) => {
    recover(channel, requeue)
    channel.reply('basic.recover-ok', {})
  },
  'basic.recover-async': (channel, { requeue }) => recover(channel, requeue),
}

const recover = (channel: AmqpChannel, isRequeued: boolean): void => {
  if (!isRequeued) throw notImplemented('requeue=false')
  channel.settlements.recover()
}

type Consume = MethodFields<'basic.consume'>

const consumeReplies = (channel: AmqpChannel, { noAck, nowait }: Consume, tag: string): void => {
  if (!noAck) throw preconditionFailed('reply consumer cannot acknowledge')
  if (channel.replyAddress !== undefined) throw preconditionFailed('reply consumer already set')
  channel.addConsumer(new ReplyConsumer(channel, tag))
  if (!nowait) channel.reply('basic.consume-ok', { consumerTag: tag })
}

const consumeQueue = (
  channel: AmqpChannel,
  fields: Consume,
  queue: string,
  tag: string,
): void | Promise<void> => {
  const { messaging, caller, owner, names } = channel.host
  try {
    const { settings } = messaging.describeQueue(caller, queue, owner)
    const type = settings.isStream ? 'stream' : queueTypeOf(settings.labels)
    checkConsumerArguments(type, fields.arguments, inVhost('queue', queue, names.vhost))
    if (type === 'stream') return consumeStream(channel, fields, queue, tag)
    if (settings.isSingleActiveConsumer && fields.exclusive) {
      throw exclusiveUse(queue, names.vhost)
    }
    const countsDeliveries = type === 'quorum'
    const request = requestOf(channel, fields, queue)
    const consumer = new QueueConsumer(channel, { tag, request, countsDeliveries })
    consumer.start(channel.engine, request)
    channel.addConsumer(consumer)
  } catch (error) {
    const fault = resourceFault(error, { ...names, queue })
    throw fault.code === 'ERR_QUEUE_IN_USE' ? exclusiveUse(queue, names.vhost) : fault
  }
  if (!fields.nowait) channel.reply('basic.consume-ok', { consumerTag: tag })
  return undefined
}

const requestOf = (channel: AmqpChannel, fields: Consume, queue: string): ConsumeRequest => {
  const { owner, name: vhost } = channel.host
  const reader = new ArgumentReader(fields.arguments, inVhost('queue', queue, vhost))
  return {
    queue,
    owner,
    isAutoSettled: fields.noAck,
    isExclusive: fields.exclusive,
    priority: reader.integer('x-priority') ?? 0,
    inFlightCountMax: channel.prefetchCount,
    pool: channel.pool,
  }
}

const consumeStream = async (
  channel: AmqpChannel,
  fields: Consume,
  queue: string,
  tag: string,
): Promise<void> => {
  const { host, prefetchCount } = channel
  const { services } = channel.session
  const { caller } = host
  const stream = inVhost('queue', queue, host.name)
  if (fields.noAck) {
    const text = 'automatic acknowledgement not supported by stream queues'
    throw notImplemented(`${text} ${stream}`)
  }
  if (prefetchCount === 0) {
    throw preconditionFailed(`consumer prefetch count is not set for '${stream}'`)
  }
  const now = services.environment.clock.now()
  const start = streamStartOf(findField(fields.arguments, STREAM_OFFSET), now)
  const filter = streamFilterOf(fields.arguments)
  const { broker } = services
  const { handle, offset } = await inQueueWords(channel, queue, async () => ({
    handle: await broker.openTopic(caller, queue, { create: false }),
    offset: await findStart(broker, caller, queue, start),
  }))
  if (!channel.isOpen) return
  const consumer = new StreamConsumer(channel, { tag, handle, offset, prefetchCount, filter })
  if (!fields.nowait) channel.reply('basic.consume-ok', { consumerTag: tag })
  channel.addConsumer(consumer)
  consumer.start(host.streams)
}

const getOne = async (
  channel: AmqpChannel,
  queue: string,
  isAutoSettled: boolean,
): Promise<void> => {
  const { messaging, caller, owner, name: vhost } = channel.host
  let countsDeliveries = false
  await channel.publisher.through()
  const got = await inQueueWords(channel, queue, () => {
    const { settings } = messaging.describeQueue(caller, queue, owner)
    if (settings.isStream) {
      const stream = inVhost('queue', queue, vhost)
      throw notImplemented(`basic.get not supported by stream queues ${stream}`)
    }
    countsDeliveries = queueTypeOf(settings.labels) === 'quorum'
    return channel.engine.get({ queue, owner, isAutoSettled })
  })
  if (got === undefined) {
    channel.reply('basic.get-empty', { clusterId: '' })
    return
  }
  const { delivery, readyCount } = got
  const tag = channel.handOut(isAutoSettled ? undefined : delivery)
  if (tag === undefined) return
  const { message, isRedelivered } = delivery
  const { output } = channel.session
  writeGetOk(output, channel.number, tag, isRedelivered, message, readyCount)
  const properties = outgoingProperties(delivery, countsDeliveries, messaging)
  output.content(channel.number, properties, message.payload)
  channel.session.noteDelivered(message.payload.length)
  channel.session.noteAnswer()
}
