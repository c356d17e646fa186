/**
 * What a peer is told when something fails: a reply code, a text that begins with the code's name, and
 * whether the channel ends or the connection. One table holds every error of the broker; what only
 * AMQP knows is made here too, as a fault that names the broker's code it is counted under.
 */
import { type BrokerError, type ErrorCode, isBrokerError } from '@millrace/codec'

export const ReplyCode = {
  SUCCESS: 200,
  NO_ROUTE: 312,
  CONNECTION_FORCED: 320,
  ACCESS_REFUSED: 403,
  NOT_FOUND: 404,
  RESOURCE_LOCKED: 405,
  PRECONDITION_FAILED: 406,
  FRAME_ERROR: 501,
  SYNTAX_ERROR: 502,
  COMMAND_INVALID: 503,
  CHANNEL_ERROR: 504,
  UNEXPECTED_FRAME: 505,
  RESOURCE_ERROR: 506,
  NOT_ALLOWED: 530,
  NOT_IMPLEMENTED: 540,
  INTERNAL_ERROR: 541,
} as const
export type ReplyName = keyof typeof ReplyCode

export type FaultScope = 'channel' | 'connection'

const brand: unique symbol = Symbol.for('millrace.amqp-fault') as never

/** The end of a channel or a connection, in AMQP's words. */
export class AmqpFault extends Error {
  readonly [brand] = true
  readonly reply: ReplyName
  readonly scope: FaultScope
  /** Where it is counted. */
  readonly code: ErrorCode

  constructor(reply: ReplyName, scope: FaultScope, text: string, code: ErrorCode) {
    super(`${reply} - ${text}`)
    this.name = 'AmqpFault'
    this.reply = reply
    this.scope = scope
    this.code = code
  }

  get replyCode(): number {
    return ReplyCode[this.reply]
  }
}

export const isAmqpFault = (value: unknown): value is AmqpFault =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true

type Reply = readonly [reply: ReplyName, scope: FaultScope]

const replies: Readonly<Record<ErrorCode, Reply>> = {
  ERR_MALFORMED_FRAME: ['FRAME_ERROR', 'connection'],
  ERR_UNEXPECTED_FRAME: ['UNEXPECTED_FRAME', 'connection'],
  ERR_FRAME_TOO_LARGE: ['FRAME_ERROR', 'connection'],
  ERR_UNKNOWN_OPCODE: ['COMMAND_INVALID', 'connection'],
  ERR_UNSUPPORTED_VERSION: ['NOT_IMPLEMENTED', 'connection'],
  ERR_HEARTBEAT_TIMEOUT: ['CONNECTION_FORCED', 'connection'],
  ERR_HANDSHAKE_TIMEOUT: ['CONNECTION_FORCED', 'connection'],
  ERR_GOING_AWAY: ['CONNECTION_FORCED', 'connection'],
  // What RabbitMQ answers when it cannot decode a method.
  ERR_MALFORMED_BODY: ['FRAME_ERROR', 'connection'],
  ERR_BODY_TOO_LARGE: ['PRECONDITION_FAILED', 'channel'],

  ERR_TOPIC_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_TOPIC_EXISTS: ['PRECONDITION_FAILED', 'channel'],
  ERR_INVALID_NAME: ['PRECONDITION_FAILED', 'channel'],
  ERR_INVALID_ARGUMENT: ['PRECONDITION_FAILED', 'channel'],
  ERR_PARTITION_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_OFFSET_OUT_OF_RANGE: ['PRECONDITION_FAILED', 'channel'],
  ERR_STALE_HANDLE: ['NOT_FOUND', 'channel'],
  ERR_REVISION_CONFLICT: ['PRECONDITION_FAILED', 'channel'],
  ERR_INVALID_BATCH: ['PRECONDITION_FAILED', 'channel'],
  ERR_BATCH_CHECKSUM: ['PRECONDITION_FAILED', 'channel'],
  ERR_BATCH_TOO_LARGE: ['PRECONDITION_FAILED', 'channel'],
  ERR_UNSUPPORTED_CODEC: ['NOT_IMPLEMENTED', 'connection'],
  ERR_UNSUPPORTED_DURABILITY: ['PRECONDITION_FAILED', 'channel'],
  ERR_SUBSCRIPTION_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_SUBSCRIPTION_EXISTS: ['NOT_ALLOWED', 'connection'],
  ERR_TOPIC_DELETED: ['NOT_FOUND', 'channel'],
  ERR_NAMESPACE_NOT_FOUND: ['NOT_ALLOWED', 'connection'],
  ERR_UNSUPPORTED_FEATURE: ['NOT_IMPLEMENTED', 'connection'],

  ERR_OUT_OF_SEQUENCE: ['PRECONDITION_FAILED', 'channel'],
  ERR_PRODUCER_FENCED: ['PRECONDITION_FAILED', 'channel'],
  ERR_UNKNOWN_PRODUCER: ['PRECONDITION_FAILED', 'channel'],
  ERR_DUPLICATE_SEQUENCE: ['PRECONDITION_FAILED', 'channel'],

  ERR_QUEUE_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_QUEUE_EXISTS: ['PRECONDITION_FAILED', 'channel'],
  ERR_QUEUE_LOCKED: ['RESOURCE_LOCKED', 'channel'],
  // Of a deletion; who finds an exclusive consumer in the way is refused access: see `consume`.
  ERR_QUEUE_IN_USE: ['PRECONDITION_FAILED', 'channel'],
  ERR_QUEUE_NOT_EMPTY: ['PRECONDITION_FAILED', 'channel'],
  ERR_QUEUE_DELETED: ['NOT_FOUND', 'channel'],
  ERR_EXCHANGE_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_EXCHANGE_EXISTS: ['PRECONDITION_FAILED', 'channel'],
  ERR_EXCHANGE_IN_USE: ['PRECONDITION_FAILED', 'channel'],
  ERR_RESERVED_NAME: ['ACCESS_REFUSED', 'channel'],
  ERR_UNKNOWN_DELIVERY: ['PRECONDITION_FAILED', 'channel'],
  ERR_MESSAGE_REFUSED: ['RESOURCE_ERROR', 'channel'],
  ERR_DELIVERY_TIMEOUT: ['PRECONDITION_FAILED', 'channel'],
  ERR_CONSUMER_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_CONSUMER_EXISTS: ['NOT_ALLOWED', 'connection'],

  ERR_STORAGE_FULL: ['RESOURCE_ERROR', 'channel'],
  ERR_STORAGE_FAILED: ['INTERNAL_ERROR', 'connection'],
  ERR_DATA_CORRUPT: ['INTERNAL_ERROR', 'channel'],
  ERR_DIRECTORY_LOCKED: ['INTERNAL_ERROR', 'connection'],
  ERR_DATA_FORMAT: ['INTERNAL_ERROR', 'connection'],

  ERR_AUTHENTICATION_FAILED: ['ACCESS_REFUSED', 'connection'],
  ERR_UNSUPPORTED_MECHANISM: ['ACCESS_REFUSED', 'connection'],
  ERR_NOT_AUTHENTICATED: ['ACCESS_REFUSED', 'connection'],
  ERR_NOT_AUTHORIZED: ['ACCESS_REFUSED', 'channel'],
  ERR_USER_NOT_FOUND: ['NOT_FOUND', 'channel'],
  ERR_USER_EXISTS: ['PRECONDITION_FAILED', 'channel'],
  ERR_CREDENTIALS_EXPIRED: ['CONNECTION_FORCED', 'connection'],
  ERR_LOGIN_DELAYED: ['ACCESS_REFUSED', 'connection'],

  ERR_BUSY: ['RESOURCE_ERROR', 'channel'],
  ERR_LIMIT_EXCEEDED: ['PRECONDITION_FAILED', 'channel'],
  ERR_CONNECTION_LIMIT: ['NOT_ALLOWED', 'connection'],
  ERR_TIMED_OUT: ['RESOURCE_ERROR', 'channel'],
  ERR_SLOW_CONSUMER: ['RESOURCE_ERROR', 'connection'],
  ERR_QUOTA_EXCEEDED: ['NOT_ALLOWED', 'connection'],

  ERR_CONNECTION_LOST: ['CONNECTION_FORCED', 'connection'],
  ERR_CONNECT_FAILED: ['CONNECTION_FORCED', 'connection'],
  ERR_CLOSED: ['CONNECTION_FORCED', 'connection'],
  ERR_ABORTED: ['INTERNAL_ERROR', 'channel'],
  ERR_PAYLOAD_CODEC: ['INTERNAL_ERROR', 'channel'],
  ERR_INTERNAL: ['INTERNAL_ERROR', 'connection'],
}

/** What the peer is told when nobody knows better words. */
export const faultOf = ({ code, message }: BrokerError): AmqpFault => {
  const [reply, scope] = replies[code]
  return new AmqpFault(reply, scope, message, code)
}

/** An error that a peer can be told of: anything else is a bug and goes on its way. */
export const asFault = (error: unknown): AmqpFault => {
  if (isAmqpFault(error)) return error
  if (isBrokerError(error)) return faultOf(error)
  throw error
}

export const preconditionFailed = (
  text: string,
  code: ErrorCode = 'ERR_INVALID_ARGUMENT',
): AmqpFault => new AmqpFault('PRECONDITION_FAILED', 'channel', text, code)

export const accessRefused = (text: string): AmqpFault =>
  new AmqpFault('ACCESS_REFUSED', 'channel', text, 'ERR_NOT_AUTHORIZED')

export const notImplemented = (text: string): AmqpFault =>
  new AmqpFault('NOT_IMPLEMENTED', 'connection', text, 'ERR_UNSUPPORTED_FEATURE')

export const notAllowed = (text: string, code: ErrorCode): AmqpFault =>
  new AmqpFault('NOT_ALLOWED', 'connection', text, code)

export const commandInvalid = (text: string): AmqpFault =>
  new AmqpFault('COMMAND_INVALID', 'connection', text, 'ERR_UNKNOWN_OPCODE')

export const channelError = (text: string): AmqpFault =>
  new AmqpFault('CHANNEL_ERROR', 'connection', text, 'ERR_UNEXPECTED_FRAME')

export const unexpectedFrame = (text: string): AmqpFault =>
  new AmqpFault('UNEXPECTED_FRAME', 'connection', text, 'ERR_UNEXPECTED_FRAME')
