/**
 * Consumers of queues.
 *
 * ```
 * CONSUME         { consumer: int u32 not 0, queue: str, credit?: int, autoSettle?: bool,
 *                   exclusive?: bool, priority?: int i32 }
 * CONSUMING       { consumer: int }
 * CONSUMER_ALTER  { consumer: int, credit: int }      CONSUMER_ALTERED   { }
 * CONSUMER_CANCEL { consumer: int }                   CONSUMER_CANCELLED { }
 * CONSUMER_END    { consumer: int, code: int (wire number), message?: str }
 * ```
 * CONSUMER_END is a push: its correlation is the consumer's number, and nothing of it follows.
 */
import {
  optionalBoolean,
  optionalInteger,
  optionalString,
  requireInteger,
  requireString,
} from '../fields.ts'
import { INT32_MAX, UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface Consume {
  /** Chosen by the client; QUEUE_DELIVER carries it as correlation. */
  readonly consumer: number
  readonly queue: string
  /** Deliveries that may be unsettled at once; 0 for no limit. */
  readonly credit?: number | undefined
  readonly autoSettle?: boolean | undefined
  readonly exclusive?: boolean | undefined
  readonly priority?: number | undefined
}

export interface ConsumerNumber {
  readonly consumer: number
}

export interface ConsumerAlter extends ConsumerNumber {
  readonly credit: number
}

export interface ConsumerEnd extends ConsumerNumber {
  readonly code: number
  readonly message: string
}

const consumerOf = (map: Record<string, unknown>): number =>
  requireInteger(map, 'consumer', 1, UINT32_MAX)

export const encodeConsume = (consume: Consume): Uint8Array => encodeControl(consume)

export const decodeConsume = (body: Uint8Array): Consume => {
  const map = decodeControl(body)
  return {
    consumer: consumerOf(map),
    queue: requireString(map, 'queue'),
    credit: optionalInteger(map, 'credit', 0, UINT32_MAX, 0),
    autoSettle: optionalBoolean(map, 'autoSettle', false),
    exclusive: optionalBoolean(map, 'exclusive', false),
    priority: optionalInteger(map, 'priority', -INT32_MAX - 1, INT32_MAX, 0),
  }
}

/** Of CONSUMING and CONSUMER_CANCEL. */
export const encodeConsumerNumber = (message: ConsumerNumber): Uint8Array => encodeControl(message)

export const decodeConsumerNumber = (body: Uint8Array): ConsumerNumber => ({
  consumer: consumerOf(decodeControl(body)),
})

export const encodeConsumerAlter = (alter: ConsumerAlter): Uint8Array => encodeControl(alter)

export const decodeConsumerAlter = (body: Uint8Array): ConsumerAlter => {
  const map = decodeControl(body)
  return { consumer: consumerOf(map), credit: requireInteger(map, 'credit', 0, UINT32_MAX) }
}

export const encodeConsumerEnd = (end: ConsumerEnd): Uint8Array => encodeControl(end)

export const decodeConsumerEnd = (body: Uint8Array): ConsumerEnd => {
  const map = decodeControl(body)
  return {
    consumer: consumerOf(map),
    code: requireInteger(map, 'code', 0, UINT32_MAX),
    message: optionalString(map, 'message', ''),
  }
}
