/**
 * The messages of a queue as a whole: move, replay. QUEUE_PURGE is `{ queue: str }`.
 *
 * ```
 * QUEUE_MOVE     { queue: str, exchange: str, routingKey?: str, count?: int }
 * QUEUE_MOVED    { messages: int }
 * QUEUE_REPLAY   { queue: str, since: int ms }
 * QUEUE_REPLAYED { messages: int }
 * ```
 */
import { optionalInteger, optionalString, requireInteger, requireString } from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface QueueMove {
  readonly queue: string
  readonly exchange: string
  /** Left out: each message's own. */
  readonly routingKey?: string | undefined
  /** Left out: all that are there. */
  readonly count?: number | undefined
}

export interface QueueReplay {
  readonly queue: string
  readonly since: number
}

export const encodeQueueMove = (move: QueueMove): Uint8Array => encodeControl(move)

export const decodeQueueMove = (body: Uint8Array): QueueMove => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    exchange: requireString(map, 'exchange'),
    routingKey: optionalString(map, 'routingKey', undefined),
    count: optionalInteger(map, 'count', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}

export const encodeQueueReplay = (replay: QueueReplay): Uint8Array => encodeControl(replay)

export const decodeQueueReplay = (body: Uint8Array): QueueReplay => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    since: requireInteger(map, 'since', 0, Number.MAX_SAFE_INTEGER),
  }
}
