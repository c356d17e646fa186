/**
 * Failures of calls that name a queue or an exchange, in the words that RabbitMQ has for them: clients
 * and their users look for these texts.
 */
import { type BrokerError, type ErrorCode, isBrokerError } from '@millrace/codec'
import { accessRefused, AmqpFault, faultOf, isAmqpFault, preconditionFailed } from './errors.ts'

export interface NamedResources {
  readonly vhost: string
  readonly user: string
  readonly queue?: string
  readonly exchange?: string
}

export const inVhost = (kind: string, name: string, vhost: string): string =>
  `${kind} '${name}' in vhost '${vhost}'`

export const queueNotFound = (queue: string, vhost: string): AmqpFault =>
  new AmqpFault(
    'NOT_FOUND',
    'channel',
    `no ${inVhost('queue', queue, vhost)}`,
    'ERR_QUEUE_NOT_FOUND',
  )

export const exchangeNotFound = (exchange: string, vhost: string): AmqpFault =>
  new AmqpFault(
    'NOT_FOUND',
    'channel',
    `no ${inVhost('exchange', exchange, vhost)}`,
    'ERR_EXCHANGE_NOT_FOUND',
  )

export const noPreviousQueue = (): AmqpFault =>
  new AmqpFault('NOT_FOUND', 'channel', 'no previously declared queue', 'ERR_QUEUE_NOT_FOUND')

export const queueLocked = (queue: string, vhost: string): AmqpFault =>
  new AmqpFault(
    'RESOURCE_LOCKED',
    'channel',
    `cannot obtain exclusive access to locked ${inVhost('queue', queue, vhost)}. It could be ` +
      'originally declared on another connection or the exclusive property value does not match ' +
      'that of the original declaration.',
    'ERR_QUEUE_LOCKED',
  )

export const exclusiveUse = (queue: string, vhost: string): AmqpFault =>
  new AmqpFault(
    'ACCESS_REFUSED',
    'channel',
    `${inVhost('queue', queue, vhost)} in exclusive use`,
    'ERR_QUEUE_IN_USE',
  )

export const defaultExchangeRefused = (): AmqpFault =>
  accessRefused('operation not permitted on the default exchange')

type Words = (names: NamedResources) => AmqpFault

const queueOf = ({ queue = '', vhost }: NamedResources): string => inVhost('queue', queue, vhost)

const exchangeOf = ({ exchange = '', vhost }: NamedResources): string =>
  inVhost('exchange', exchange, vhost)

const words: ReadonlyMap<ErrorCode, Words> = new Map<ErrorCode, Words>([
  ['ERR_QUEUE_NOT_FOUND', ({ queue = '', vhost }) => queueNotFound(queue, vhost)],
  ['ERR_QUEUE_DELETED', ({ queue = '', vhost }) => queueNotFound(queue, vhost)],
  ['ERR_EXCHANGE_NOT_FOUND', ({ exchange = '', vhost }) => exchangeNotFound(exchange, vhost)],
  ['ERR_QUEUE_LOCKED', ({ queue = '', vhost }) => queueLocked(queue, vhost)],
  [
    'ERR_QUEUE_IN_USE',
    (names) => preconditionFailed(`${queueOf(names)} in use`, 'ERR_QUEUE_IN_USE'),
  ],
  [
    'ERR_QUEUE_NOT_EMPTY',
    (names) => preconditionFailed(`${queueOf(names)} not empty`, 'ERR_QUEUE_NOT_EMPTY'),
  ],
  [
    'ERR_EXCHANGE_IN_USE',
    (names) => preconditionFailed(`${exchangeOf(names)} in use`, 'ERR_EXCHANGE_IN_USE'),
  ],
  [
    'ERR_NOT_AUTHORIZED',
    (names) => {
      const what = names.queue === undefined ? exchangeOf(names) : queueOf(names)
      return accessRefused(`access to ${what} refused for user '${names.user}'`)
    },
  ],
])

/** Anything that is no error for a peer is thrown. */
export const resourceFault = (error: unknown, names: NamedResources): AmqpFault => {
  if (isAmqpFault(error)) return error
  if (!isBrokerError(error)) throw error
  return wordsFor(error, names)
}

const wordsFor = (error: BrokerError, names: NamedResources): AmqpFault =>
  words.get(error.code)?.(names) ?? faultOf(error)
