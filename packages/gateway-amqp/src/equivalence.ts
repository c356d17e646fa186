/**
 * Whether what is declared is what is there already, by RabbitMQ's rules and in its words: only known
 * arguments count, and their values, not their widths.
 */
import type {
  ExchangeDescription,
  ExchangeSettings,
  ExchangeType,
  OverflowPolicy,
  QueueDescription,
  QueueSettings,
} from '@millrace/core'
import type { MethodFields } from './codec/methods.ts'
import { preconditionFailed } from './errors.ts'
import { ALTERNATE_EXCHANGE, DELAYED_TYPE, exchangeTypeName } from './exchange-arguments.ts'
import {
  DEAD_LETTER_STRATEGY,
  QUEUE_MODE,
  QUEUE_TYPE,
  QUEUE_VERSION,
  queueTypeOf,
} from './queue-arguments.ts'
import { inVhost, queueLocked } from './resource-faults.ts'

type Value = string | number | boolean | undefined

const overflowNames: Readonly<Record<OverflowPolicy, string | undefined>> = {
  'drop-head': undefined,
  reject: 'reject-publish',
  'reject-dead-letter': 'reject-publish-dlx',
}

/** In the order in which RabbitMQ compares them. */
const queueArguments: readonly (readonly [string, (settings: Partial<QueueSettings>) => Value])[] =
  [
    ['x-expires', ({ expiresMs }) => expiresMs],
    ['x-message-ttl', ({ messageTtlMs }) => messageTtlMs],
    ['x-dead-letter-exchange', ({ deadLetterExchange }) => deadLetterExchange],
    ['x-dead-letter-routing-key', ({ deadLetterKey }) => deadLetterKey],
    [DEAD_LETTER_STRATEGY, ({ labels }) => labels?.[DEAD_LETTER_STRATEGY]],
    ['x-max-length', ({ lengthMax }) => lengthMax],
    ['x-max-length-bytes', ({ bytesMax }) => bytesMax],
    ['x-max-age', ({ isStream, retentionMs }) => (isStream === true ? retentionMs : undefined)],
    ['x-max-priority', ({ priorityMax }) => priorityMax],
    ['x-overflow', ({ overflow }) => (overflow === undefined ? overflow : overflowNames[overflow])],
    [QUEUE_MODE, ({ labels }) => labels?.[QUEUE_MODE]],
    [QUEUE_VERSION, ({ labels }) => labels?.[QUEUE_VERSION]],
    [
      'x-single-active-consumer',
      ({ isSingleActiveConsumer }) => (isSingleActiveConsumer === true ? true : undefined),
    ],
    ['x-delivery-limit', ({ deliveryLimit }) => deliveryLimit],
    [
      'x-delayed-retry-type',
      ({ redeliveryDelayMsMin, redeliveryDelayOf }) =>
        redeliveryDelayMsMin === undefined ? undefined : redeliveryDelayOf,
    ],
    ['x-delayed-retry-min', ({ redeliveryDelayMsMin }) => redeliveryDelayMsMin],
    ['x-delayed-retry-max', ({ redeliveryDelayMsMax }) => redeliveryDelayMsMax],
    [
      QUEUE_TYPE,
      ({ labels = {} }) => (queueTypeOf(labels) === 'classic' ? undefined : queueTypeOf(labels)),
    ],
  ]

/** Throws PRECONDITION_FAILED, or RESOURCE_LOCKED where one is exclusive and the other is not. */
export const checkQueueEquivalence = (
  { queue, settings, isExclusive }: QueueDescription,
  asked: Partial<QueueSettings>,
  isExclusiveAsked: boolean,
  vhost: string,
): void => {
  if (isExclusive !== isExclusiveAsked) throw queueLocked(queue, vhost)
  const subject = inVhost('queue', queue, vhost)
  same(subject, 'durable', asked.isDurable, settings.isDurable)
  same(subject, 'auto_delete', asked.isAutoDelete, settings.isAutoDelete)
  for (const [name, valueIn] of queueArguments)
    same(subject, name, valueIn(asked), valueIn(settings))
}

export const checkExchangeEquivalence = (
  { exchange, settings }: ExchangeDescription,
  fields: Pick<MethodFields<'exchange.declare'>, 'type'>,
  asked: Partial<ExchangeSettings>,
  vhost: string,
): void => {
  const subject = inVhost('exchange', exchange, vhost)
  same(subject, 'type', fields.type, exchangeTypeName(settings.type))
  same(subject, 'durable', asked.isDurable, settings.isDurable)
  same(subject, 'auto_delete', asked.isAutoDelete, settings.isAutoDelete)
  same(subject, 'internal', asked.isInternal, settings.isInternal)
  same(subject, ALTERNATE_EXCHANGE, asked.alternateExchange, settings.alternateExchange)
  same(subject, DELAYED_TYPE, nameOf(asked.delayedType), nameOf(settings.delayedType))
}

const nameOf = (type: ExchangeType | undefined): string | undefined =>
  type === undefined ? undefined : exchangeTypeName(type)

const same = (subject: string, name: string, asked: Value, current: Value): void => {
  if (asked === current) return
  const areBoth = asked !== undefined && current !== undefined
  const words = areBoth ? (value: Value): string => `'${String(value)}'` : described
  throw preconditionFailed(
    `inequivalent arg '${name}' for ${subject}: ` +
      `received ${words(asked)} but current is ${words(current)}`,
    subject.startsWith('queue') ? 'ERR_QUEUE_EXISTS' : 'ERR_EXCHANGE_EXISTS',
  )
}

const described = (value: Value): string =>
  value === undefined ? 'none' : `the value '${String(value)}' of type '${typeNameOf(value)}'`

/** Settings keep no widths: integers are called what most clients send. */
const typeNameOf = (value: Value): string => {
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'number' ? 'signedint' : 'longstr'
}
