/** Queues: declared, bound, emptied, deleted. */
import { isBrokerError } from '@millrace/codec'
import type { Binding, QueueDescription, QueueSettings } from '@millrace/core'
import type { AmqpChannel } from '../amqp-channel.ts'
import { bindingOf } from '../binding-arguments.ts'
import type { MethodFields } from '../codec/methods.ts'
import { DIRECT_REPLY_QUEUE, isDirectReplyAddress, randomText } from '../direct-reply.ts'
import { accessRefused } from '../errors.ts'
import { checkQueueEquivalence } from '../equivalence.ts'
import type { HandlersOf } from '../method-handlers.ts'
import { cleanName } from '../names.ts'
import { queueSettingsOf } from '../queue-arguments.ts'
import {
  defaultExchangeRefused,
  noPreviousQueue,
  queueNotFound,
  resourceFault,
} from '../resource-faults.ts'

const RESERVED_PREFIX = 'amq.'
const GENERATED_PREFIX = 'amq.gen-'

/** The queue that a method names, or that the channel declared last. */
export const namedQueue = (channel: AmqpChannel, queue: string): string => {
  const name = queue === '' ? channel.lastQueue : cleanName(queue)
  if (name === undefined) throw noPreviousQueue()
  return name
}

export const queueHandlers: HandlersOf<
  'queue.declare' | 'queue.bind' | 'queue.unbind' | 'queue.purge' | 'queue.delete'
> = {
  'queue.declare': async (channel, fields) => {
    const name = cleanName(fields.queue)
    await channel.publisher.through()
    const { queue, readyCount, consumerCount } = await declare(channel, name, fields)
    channel.lastQueue = queue
    if (fields.nowait) return
    const counts = { messageCount: readyCount, consumerCount }
    channel.reply('queue.declare-ok', { queue, ...counts })
  },
  'queue.bind': async (channel, fields) => {
    const { messaging, caller, owner } = channel.host
    const queue = namedQueue(channel, fields.queue)
    const binding = bindingFor(channel, fields, queue)
    await inQueueWords(
      channel,
      queue,
      () => messaging.bind(caller, binding, owner),
      binding.exchange,
    )
    if (!fields.nowait) channel.reply('queue.bind-ok', {})
  },
  'queue.unbind': async (channel, fields) => {
    const { messaging, caller, owner } = channel.host
    const queue = namedQueue(channel, fields.queue)
    if (isBindable(channel, fields.exchange)) {
      const binding = bindingFor(channel, fields, queue)
      await inQueueWords(channel, queue, () =>
        unlessMissing(messaging.unbind(caller, binding, owner)),
      )
    }
    channel.reply('queue.unbind-ok', {})
  },
  'queue.purge': async (channel, { queue: name, nowait }) => {
    const { messaging, caller, owner } = channel.host
    const queue = namedQueue(channel, name)
    await channel.publisher.through()
    const { messageCount } = await inQueueWords(channel, queue, () =>
      messaging.purgeQueue(caller, { queue, owner }),
    )
    if (!nowait) channel.reply('queue.purge-ok', { messageCount })
  },
  'queue.delete': async (channel, { queue: name, ifUnused, ifEmpty, nowait }) => {
    const { messaging, caller, owner } = channel.host
    const queue = namedQueue(channel, name)
    await channel.publisher.through()
    const { messageCount } = await inQueueWords(channel, queue, () =>
      messaging.deleteQueue(caller, { queue, owner, ifUnused, ifEmpty }),
    )
    if (!nowait) channel.reply('queue.delete-ok', { messageCount })
  },
}

/** A failure in the words of RabbitMQ. */
export const inQueueWords = async <T>(
  { host }: AmqpChannel,
  queue: string,
  work: () => T | Promise<T>,
  exchange?: string,
): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    throw resourceFault(error, {
      ...host.names,
      queue,
      ...(exchange === undefined ? {} : { exchange }),
    })
  }
}

type Declaration = MethodFields<'queue.declare'>
type Declared = Pick<QueueDescription, 'queue' | 'readyCount' | 'consumerCount'>

const declare = async (
  channel: AmqpChannel,
  name: string,
  fields: Declaration,
): Promise<Declared> => {
  if (name === DIRECT_REPLY_QUEUE || isDirectReplyAddress(name)) return replyQueue(channel, name)
  if (fields.passive) return existing(channel, name)
  const queue = name === '' ? generatedName(channel) : name
  const settings = queueSettingsOf(queue, fields, channel.host.name)
  if (name === '') return create(channel, queue, settings, fields.exclusive)
  const found = find(channel, queue)
  if (found !== undefined) {
    channel.host.checkRight('configure', 'queue', queue)
    checkQueueEquivalence(found, settings, fields.exclusive, channel.host.name)
    return found
  }
  if (queue.startsWith(RESERVED_PREFIX)) {
    throw accessRefused(`queue name '${queue}' contains reserved prefix 'amq.*'`)
  }
  return create(channel, queue, settings, fields.exclusive)
}

const existing = (channel: AmqpChannel, queue: string): Declared => {
  const { messaging, caller, owner, names } = channel.host
  try {
    return messaging.describeQueue(caller, queue, owner)
  } catch (error) {
    throw resourceFault(error, { ...names, queue })
  }
}

const find = (channel: AmqpChannel, queue: string): QueueDescription | undefined => {
  const { messaging, caller, owner, names } = channel.host
  try {
    return messaging.describeQueue(caller, queue, owner)
  } catch (error) {
    if (isBrokerError(error) && error.code === 'ERR_QUEUE_NOT_FOUND') return undefined
    throw resourceFault(error, { ...names, queue })
  }
}

const create = (
  channel: AmqpChannel,
  queue: string,
  settings: Partial<QueueSettings>,
  isExclusive: boolean,
): Promise<Declared> => {
  const { messaging, caller, owner } = channel.host
  return inQueueWords(channel, queue, () =>
    messaging.declareQueue(caller, { queue, settings, isExclusive, owner }),
  )
}

const generatedName = ({ session }: AmqpChannel): string =>
  GENERATED_PREFIX + randomText(session.services.environment.random)

/** Clients ask whether whoever waits for an answer is still there. */
const replyQueue = ({ session, host }: AmqpChannel, queue: string): Declared => {
  const { namespace } = host.caller
  const isThere = queue === DIRECT_REPLY_QUEUE || session.directReplies.has(queue, namespace)
  if (!isThere) throw queueNotFound(queue, host.name)
  return { queue, readyCount: 0, consumerCount: 1 }
}

type BindingFields = Pick<
  MethodFields<'queue.bind'>,
  'exchange' | 'routingKey' | 'arguments' | 'queue'
>

const bindingFor = (channel: AmqpChannel, fields: BindingFields, queue: string): Binding => {
  const exchange = cleanName(fields.exchange)
  if (exchange === '') throw defaultExchangeRefused()
  // With both names left out the key is the queue's name too.
  const isAllLeftOut = fields.queue === '' && fields.routingKey === ''
  const routingKey = isAllLeftOut ? queue : fields.routingKey
  return bindingOf(channel.host, {
    exchange,
    targetKind: 'queue',
    target: queue,
    routingKey,
    arguments: fields.arguments,
  })
}

/** Who takes away a binding of an exchange that is not there has what he wants. */
const isBindable = (channel: AmqpChannel, name: string): boolean => {
  const exchange = cleanName(name)
  if (exchange === '') throw defaultExchangeRefused()
  return channel.host.findExchange(exchange) !== undefined
}

const unlessMissing = async (work: Promise<void>): Promise<void> => {
  try {
    await work
  } catch (error) {
    const isMissing =
      isBrokerError(error) &&
      (error.code === 'ERR_QUEUE_NOT_FOUND' || error.code === 'ERR_EXCHANGE_NOT_FOUND')
    if (!isMissing) throw error
  }
}
