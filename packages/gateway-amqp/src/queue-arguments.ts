/**
 * The arguments of `queue.declare` as the engine's settings. What the engine has no setting for is
 * kept as a label, so that it can be shown and compared; what RabbitMQ refuses for a type of queue is
 * refused here as well, except for a delivery limit and delayed retries, which every queue has.
 */
import type { OverflowPolicy, QueueSettings } from '@millrace/core'
import { ArgumentReader } from './argument-reader.ts'
import type { MethodFields } from './codec/methods.ts'
import { preconditionFailed } from './errors.ts'
import { inVhost } from './resource-faults.ts'
import { ageMs } from './stream-offset.ts'

const TIME_MS_MAX = 0xffff_ffff
const PRIORITY_MAX = 255

export const queueTypes = ['classic', 'quorum', 'stream'] as const
export type QueueType = (typeof queueTypes)[number]

/** Names of labels that say something to this gateway. */
export const QUEUE_TYPE = 'x-queue-type'
export const QUEUE_MODE = 'x-queue-mode'
export const QUEUE_VERSION = 'x-queue-version'
export const DEAD_LETTER_STRATEGY = 'x-dead-letter-strategy'

const overflowPolicies: Readonly<Record<string, OverflowPolicy>> = {
  'drop-head': 'drop-head',
  'reject-publish': 'reject',
  'reject-publish-dlx': 'reject-dead-letter',
}

const ofStreams = ['x-max-age', 'x-stream-max-segment-size-bytes', 'x-stream-filter-size-bytes']
const ofDeadLetters = ['x-dead-letter-exchange', 'x-dead-letter-routing-key', DEAD_LETTER_STRATEGY]

const RETRY_TYPE = 'x-delayed-retry-type'
const RETRY_MIN = 'x-delayed-retry-min'
const RETRY_MAX = 'x-delayed-retry-max'
const ofRetries = [RETRY_TYPE, RETRY_MIN, RETRY_MAX]
const retryTypes = ['disabled', 'all', 'failed', 'returned'] as const

/** Arguments that a type of queue does not have. */
const refused: Readonly<Record<QueueType, readonly string[]>> = {
  classic: [...ofStreams, DEAD_LETTER_STRATEGY],
  quorum: [...ofStreams, 'x-max-priority', QUEUE_MODE],
  stream: [
    ...ofDeadLetters,
    'x-message-ttl',
    'x-expires',
    'x-max-length',
    'x-max-priority',
    'x-overflow',
    'x-single-active-consumer',
    'x-delivery-limit',
    ...ofRetries,
    QUEUE_MODE,
  ],
}

type Declaration = Pick<
  MethodFields<'queue.declare'>,
  'durable' | 'exclusive' | 'autoDelete' | 'arguments'
>

export const queueTypeOf = (labels: QueueSettings['labels']): QueueType =>
  queueTypes.find((type) => type === labels[QUEUE_TYPE]) ?? 'classic'

/** Throws PRECONDITION_FAILED in RabbitMQ's words. */
export const queueSettingsOf = (
  queue: string,
  declaration: Declaration,
  vhost: string,
): Partial<QueueSettings> => {
  const subject = inVhost('queue', queue, vhost)
  const reader = new ArgumentReader(declaration.arguments, subject)
  const type = reader.choice(
    QUEUE_TYPE,
    queueTypes,
    (other) => `"unsupported queue type '${other}'"`,
  )
  checkType(type ?? 'classic', reader, declaration, subject)
  const known = {
    ...limitsOf(reader, type),
    ...deadLettersOf(reader),
    ...consumersOf(reader),
    ...retriesOf(reader),
  }
  return {
    isDurable: declaration.durable,
    isAutoDelete: declaration.autoDelete,
    ...known,
    isStream: type === 'stream',
    labels: { ...labelsOf(reader, type), ...reader.labels() },
  }
}

const checkType = (
  type: QueueType,
  reader: ArgumentReader,
  { durable, exclusive, autoDelete }: Declaration,
  subject: string,
): void => {
  const name = refused[type].find((one) => reader.has(one))
  if (name !== undefined) {
    const text = `invalid arg '${name}' for ${subject} of queue type rabbit_${type}_queue`
    throw preconditionFailed(text)
  }
  if (type === 'classic') return
  const property = !durable
    ? 'non-durable'
    : exclusive
      ? 'exclusive-owner'
      : autoDelete
        ? 'auto-delete'
        : undefined
  if (property === undefined) return
  throw preconditionFailed(`invalid property '${property}' for ${subject}`)
}

const limitsOf = (reader: ArgumentReader, type: QueueType | undefined): Partial<QueueSettings> => {
  const age = type === 'stream' ? reader.text('x-max-age') : undefined
  const retentionMs = age === undefined ? undefined : ageMs(age)
  if (age !== undefined && retentionMs === undefined) {
    throw reader.invalid('x-max-age', `invalid_max_age`)
  }
  return {
    expiresMs: reader.integer('x-expires', { min: 1, max: TIME_MS_MAX }),
    messageTtlMs: reader.integer('x-message-ttl', { min: 0, max: TIME_MS_MAX }),
    lengthMax: reader.integer('x-max-length', { min: 0 }),
    bytesMax: reader.integer('x-max-length-bytes', { min: 0 }),
    retentionMs,
    priorityMax:
      reader.integer('x-max-priority', {
        min: 0,
        max: PRIORITY_MAX,
        aboveMax: 'max_value_exceeded',
      }) || undefined,
  }
}

const deadLettersOf = (reader: ArgumentReader): Partial<QueueSettings> => {
  const overflow = reader.choice(
    'x-overflow',
    Object.keys(overflowPolicies),
    () => 'invalid_overflow',
  )
  const deadLetterExchange = reader.exchangeName('x-dead-letter-exchange')
  const deadLetterKey = reader.text('x-dead-letter-routing-key')
  if (deadLetterKey !== undefined && deadLetterExchange === undefined) {
    throw reader.invalid('x-dead-letter-routing-key', 'routing_key_but_no_dlx_defined')
  }
  const policy = overflow === undefined ? undefined : overflowPolicies[overflow]
  return {
    ...(policy === undefined ? {} : { overflow: policy }),
    deadLetterExchange,
    deadLetterKey,
  }
}

const consumersOf = (reader: ArgumentReader): Partial<QueueSettings> => {
  const limit = reader.integer('x-delivery-limit')
  return {
    isSingleActiveConsumer: reader.boolean('x-single-active-consumer') ?? false,
    // Below 0 it means none.
    deliveryLimit: limit === undefined || limit < 0 ? undefined : limit,
    deliveryTimeoutMs: reader.integer('x-consumer-timeout', { min: 1, max: TIME_MS_MAX }),
  }
}

/** Without a type, and disabled, the times mean nothing. */
const retriesOf = (reader: ArgumentReader): Partial<QueueSettings> => {
  const of = reader.choice(RETRY_TYPE, retryTypes, () => 'invalid_delayed_retry_type')
  const limits = { min: 1, max: TIME_MS_MAX }
  const redeliveryDelayMsMin = reader.integer(RETRY_MIN, limits)
  const redeliveryDelayMsMax = reader.integer(RETRY_MAX, limits)
  if (of === undefined || of === 'disabled') return {}
  if (redeliveryDelayMsMin === undefined)
    throw reader.invalid(RETRY_TYPE, 'delayed_retry_min_not_set')
  return { redeliveryDelayOf: of, redeliveryDelayMsMin, redeliveryDelayMsMax }
}

/** Words that are checked, and mean nothing to the engine. */
const labelsOf = (reader: ArgumentReader, type: QueueType | undefined): Record<string, string> => {
  const mode = reader.choice(
    QUEUE_MODE,
    ['default', 'lazy'],
    (other) => `"unsupported queue mode '${other}'"`,
  )
  const version = reader.integer(QUEUE_VERSION)
  if (version !== undefined && version !== 1 && version !== 2) {
    throw reader.invalid(QUEUE_VERSION, `"unsupported queue version '${version}'"`)
  }
  const strategy = reader.choice(
    DEAD_LETTER_STRATEGY,
    ['at-most-once', 'at-least-once'],
    () => 'invalid_dlx_strategy',
  )
  const labels: [string, string | number | undefined][] = [
    [QUEUE_TYPE, type],
    [QUEUE_MODE, mode],
    [QUEUE_VERSION, version],
    [DEAD_LETTER_STRATEGY, strategy],
  ]
  const known = labels.filter(([, value]) => value !== undefined)
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]))
}
