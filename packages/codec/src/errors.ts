/**
 * Every error Millrace reports: one table, one class.
 *
 * Codes and wire numbers are append-only; a retired number is never used again. `docs/errors.md` is
 * checked against this table in both directions. Text sent to a peer never holds a path or a stack.
 *
 * Scope says what the receiver does after it has answered:
 * - `request`: answer the request, go on;
 * - `session`: answer, then end the session (the connection closes after the answer is flushed);
 * - `connection`: answer if possible, close at once: the byte stream cannot be trusted any more.
 *
 * Wire numbers: 0x00xx framing and connection, 0x01xx names and arguments, 0x02xx storage,
 * 0x03xx identity, 0x04xx flow and limits, 0x05xx client side (never sent), 0x0Fxx internal.
 */
export type ErrorScope = 'request' | 'session' | 'connection'

export interface ErrorDefinition {
  readonly wire: number
  readonly scope: ErrorScope
  /** Whether the same request may succeed later without being changed. */
  readonly retriable: boolean
  /** `%s` and `%d` are filled from the constructor's arguments, in order. */
  readonly template: string
}

const define = (
  wire: number,
  scope: ErrorScope,
  retriable: boolean,
  template: string,
): ErrorDefinition => ({ wire, scope, retriable, template })

export const errorTable = {
  ERR_MALFORMED_FRAME: define(0x0001, 'connection', false, 'malformed frame: %s'),
  ERR_UNEXPECTED_FRAME: define(0x0002, 'connection', false, 'frame %s is not allowed %s'),
  ERR_FRAME_TOO_LARGE: define(
    0x0003,
    'connection',
    false,
    'frame of %d bytes exceeds the limit of %d',
  ),
  ERR_UNKNOWN_OPCODE: define(0x0004, 'request', false, 'unknown opcode %d'),
  ERR_UNSUPPORTED_VERSION: define(
    0x0005,
    'session',
    false,
    'protocol version %s is not supported: this broker speaks %s',
  ),
  ERR_HEARTBEAT_TIMEOUT: define(0x0006, 'connection', true, 'nothing received for %d ms'),
  ERR_HANDSHAKE_TIMEOUT: define(0x0007, 'connection', true, 'no handshake within %d ms'),
  ERR_GOING_AWAY: define(0x0008, 'session', true, 'the broker is shutting down: reconnect'),
  ERR_MALFORMED_BODY: define(0x0009, 'request', false, 'malformed body: %s'),
  ERR_BODY_TOO_LARGE: define(0x000a, 'session', false, 'body of %d bytes exceeds the limit of %d'),

  ERR_TOPIC_NOT_FOUND: define(0x0101, 'request', false, "topic '%s' does not exist"),
  ERR_TOPIC_EXISTS: define(0x0102, 'request', false, "topic '%s' already exists"),
  ERR_INVALID_NAME: define(0x0103, 'request', false, "'%s' is not a valid name: %s"),
  ERR_INVALID_ARGUMENT: define(0x0104, 'request', false, "argument '%s' is not valid: %s"),
  ERR_PARTITION_NOT_FOUND: define(0x0105, 'request', false, "topic '%s' has no partition %d"),
  ERR_OFFSET_OUT_OF_RANGE: define(0x0106, 'request', false, 'offset %d is outside %d to %d'),
  ERR_STALE_HANDLE: define(0x0107, 'request', true, 'the handle is stale: open the topic again'),
  ERR_REVISION_CONFLICT: define(
    0x0108,
    'request',
    true,
    "revision %d of '%s' is not the current one (%d)",
  ),
  ERR_INVALID_BATCH: define(0x0109, 'request', false, 'the record batch is not valid: %s'),
  ERR_BATCH_CHECKSUM: define(0x010a, 'request', true, 'the record batch fails its CRC-32C'),
  ERR_BATCH_TOO_LARGE: define(
    0x010b,
    'request',
    false,
    'a batch of %d bytes exceeds the limit of %d',
  ),
  ERR_UNSUPPORTED_CODEC: define(
    0x010c,
    'request',
    false,
    "compression codec '%s' is not supported",
  ),
  ERR_UNSUPPORTED_DURABILITY: define(
    0x010d,
    'request',
    false,
    "durability '%s' is not available: %s",
  ),
  ERR_SUBSCRIPTION_NOT_FOUND: define(0x010e, 'request', false, 'subscription %d does not exist'),
  ERR_SUBSCRIPTION_EXISTS: define(0x010f, 'request', false, 'subscription %d already exists'),
  ERR_TOPIC_DELETED: define(0x0110, 'request', false, "topic '%s' was deleted"),
  ERR_NAMESPACE_NOT_FOUND: define(0x0111, 'session', false, "namespace '%s' does not exist"),
  ERR_UNSUPPORTED_FEATURE: define(0x0112, 'request', false, '%s is not supported'),

  ERR_OUT_OF_SEQUENCE: define(
    0x0113,
    'request',
    false,
    'sequence %d of producer %d is not the next one: %d is',
  ),
  ERR_PRODUCER_FENCED: define(
    0x0114,
    'request',
    false,
    'epoch %d of producer %d is fenced by epoch %d',
  ),
  ERR_UNKNOWN_PRODUCER: define(
    0x0115,
    'request',
    false,
    'producer %d is not known here any more: its sequences cannot be checked',
  ),
  ERR_DUPLICATE_SEQUENCE: define(
    0x0116,
    'request',
    false,
    'sequence %d of producer %d was stored before, at an offset that is not known any more',
  ),

  ERR_QUEUE_NOT_FOUND: define(0x0117, 'request', false, "queue '%s' does not exist"),
  ERR_QUEUE_EXISTS: define(
    0x0118,
    'request',
    false,
    "queue '%s' exists with another %s: '%s' was asked for, it is '%s'",
  ),
  ERR_QUEUE_LOCKED: define(
    0x0119,
    'request',
    false,
    "queue '%s' is exclusive to another connection",
  ),
  ERR_QUEUE_IN_USE: define(0x011a, 'request', false, "queue '%s' is in use"),
  ERR_QUEUE_NOT_EMPTY: define(0x011b, 'request', false, "queue '%s' is not empty"),
  ERR_QUEUE_DELETED: define(0x011c, 'request', false, "queue '%s' was deleted"),
  ERR_EXCHANGE_NOT_FOUND: define(0x011d, 'request', false, "exchange '%s' does not exist"),
  ERR_EXCHANGE_EXISTS: define(
    0x011e,
    'request',
    false,
    "exchange '%s' exists with another %s: '%s' was asked for, it is '%s'",
  ),
  ERR_EXCHANGE_IN_USE: define(0x011f, 'request', false, "exchange '%s' is in use"),
  ERR_RESERVED_NAME: define(0x0120, 'request', false, "the name '%s' is reserved"),
  ERR_UNKNOWN_DELIVERY: define(0x0121, 'request', false, 'delivery %d is not known here'),
  ERR_MESSAGE_REFUSED: define(0x0122, 'request', true, "queue '%s' is full and refuses messages"),
  ERR_DELIVERY_TIMEOUT: define(
    0x0123,
    'session',
    false,
    "a delivery of queue '%s' was not settled within %d ms",
  ),
  ERR_CONSUMER_NOT_FOUND: define(0x0124, 'request', false, 'consumer %s does not exist'),
  ERR_CONSUMER_EXISTS: define(0x0125, 'request', false, 'consumer %s already exists'),

  ERR_STORAGE_FULL: define(0x0201, 'request', true, 'the disk is full: %s'),
  ERR_STORAGE_FAILED: define(0x0202, 'session', true, 'the storage failed: the broker stops'),
  ERR_DATA_CORRUPT: define(0x0203, 'request', false, "offsets %d to %d of '%s' are damaged"),
  ERR_DIRECTORY_LOCKED: define(
    0x0204,
    'connection',
    false,
    'the data directory is in use by process %s',
  ),
  ERR_DATA_FORMAT: define(
    0x0205,
    'connection',
    false,
    'the data directory has format %s: this broker reads %s',
  ),

  ERR_AUTHENTICATION_FAILED: define(0x0301, 'session', false, 'authentication failed'),
  ERR_UNSUPPORTED_MECHANISM: define(
    0x0302,
    'session',
    false,
    "mechanism '%s' is not offered: choose one of %s",
  ),
  ERR_NOT_AUTHENTICATED: define(0x0303, 'connection', false, 'authenticate first'),
  ERR_NOT_AUTHORIZED: define(0x0304, 'request', false, "'%s' may not %s '%s'"),

  ERR_USER_NOT_FOUND: define(0x0305, 'request', false, "user '%s' does not exist"),
  ERR_USER_EXISTS: define(0x0306, 'request', false, "user '%s' already exists"),
  ERR_CREDENTIALS_EXPIRED: define(
    0x0307,
    'session',
    true,
    'the credentials expired: connect with new ones',
  ),
  ERR_LOGIN_DELAYED: define(0x0308, 'session', true, 'too many failed logins: wait %d ms'),

  ERR_BUSY: define(0x0401, 'request', true, 'too many requests in flight: wait for answers'),
  ERR_LIMIT_EXCEEDED: define(0x0402, 'request', false, 'the limit of %d %s is reached'),
  ERR_CONNECTION_LIMIT: define(
    0x0403,
    'connection',
    true,
    'the limit of %d connections is reached',
  ),
  ERR_TIMED_OUT: define(0x0404, 'request', true, 'no answer within %d ms'),
  ERR_SLOW_CONSUMER: define(
    0x0405,
    'connection',
    true,
    'the peer does not read: %d bytes wait for it',
  ),

  ERR_QUOTA_EXCEEDED: define(0x0406, 'request', true, "the quota of %d %s of '%s' is used up"),

  ERR_CONNECTION_LOST: define(0x0501, 'connection', true, 'the connection was lost: %s'),
  ERR_CONNECT_FAILED: define(0x0502, 'connection', true, 'cannot reach %s: %s'),
  ERR_CLOSED: define(0x0503, 'request', false, '%s is closed'),
  ERR_ABORTED: define(0x0504, 'request', false, 'aborted'),
  ERR_PAYLOAD_CODEC: define(0x0505, 'request', false, 'the payload cannot be read as %s: %s'),

  ERR_INTERNAL: define(0x0f01, 'session', false, 'internal error'),
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorTable

const codesByWire: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(errorTable).map(([code, entry]) => [entry.wire, code as ErrorCode]),
)

/** The code of a wire number, or `undefined` when this version does not know it. */
export const errorCodeOfWire = (wire: number): ErrorCode | undefined => codesByWire.get(wire)

const brand: unique symbol = Symbol.for('millrace.error') as never

const fill = (template: string, values: readonly (string | number)[]): string => {
  let next = 0
  return template.replace(/%[sd]/g, () => String(values[next++] ?? '?'))
}

/**
 * The one error class. Recognise it with {@link isBrokerError}, never with `instanceof`: two copies
 * of this package may be loaded.
 */
export class BrokerError extends Error {
  readonly [brand] = true
  readonly code: ErrorCode
  readonly scope: ErrorScope
  readonly retriable: boolean

  constructor(code: ErrorCode, values: readonly (string | number)[] = [], options?: ErrorOptions) {
    super(fill(errorTable[code].template, values), options)
    this.name = 'BrokerError'
    this.code = code
    this.scope = errorTable[code].scope
    this.retriable = errorTable[code].retriable
  }

  /** An error received from a peer, with the text that the peer wrote. */
  static received(code: ErrorCode, message: string): BrokerError {
    const error = new BrokerError(code)
    error.message = message
    return error
  }
}

export const isBrokerError = (value: unknown): value is BrokerError =>
  typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
