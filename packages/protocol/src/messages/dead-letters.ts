/**
 * Why and where a message was dead-lettered, newest first: a part of a delivery.
 *
 * ```
 * { deadLetters: [{ queue: str, reason: str, count: int, exchange: str, routingKeys: [str],
 *                   time: int ms, originalTtl?: int ms }] }
 * ```
 */
import { asMap, asString, optionalInteger, requireInteger, requireList } from '../fields.ts'
import { requireString } from '../fields.ts'
import { DEAD_LETTERS_BYTES_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface DeadLetter {
  readonly queue: string
  readonly reason: string
  readonly count: number
  readonly exchange: string
  readonly routingKeys: readonly string[]
  /** Of the first time. */
  readonly time: number
  /** The message's own, taken from it when it expired. */
  readonly originalTtl?: number | undefined
}

const NOTHING = new Uint8Array(0)

/** No bytes for none. What does not fit the limit is left out, the oldest first. */
export const encodeDeadLetters = (deadLetters: readonly DeadLetter[]): Uint8Array => {
  for (let count = deadLetters.length; count > 0; count--) {
    const bytes = encodeControl({ deadLetters: deadLetters.slice(0, count) }, Infinity)
    if (bytes.length <= DEAD_LETTERS_BYTES_MAX) return bytes
  }
  return NOTHING
}

const readDeadLetter = (value: unknown, name: string): DeadLetter => {
  const map = asMap(value, name)
  return {
    queue: requireString(map, 'queue'),
    reason: requireString(map, 'reason'),
    count: requireInteger(map, 'count', 0, Number.MAX_SAFE_INTEGER),
    exchange: requireString(map, 'exchange'),
    routingKeys: requireList(map, 'routingKeys', asString),
    time: requireInteger(map, 'time', 0, Number.MAX_SAFE_INTEGER),
    originalTtl: optionalInteger(map, 'originalTtl', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}

export const decodeDeadLetters = (bytes: Uint8Array): DeadLetter[] =>
  bytes.length === 0 ? [] : requireList(decodeControl(bytes), 'deadLetters', readDeadLetter)
