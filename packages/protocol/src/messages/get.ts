/**
 * One message, or a look at some.
 *
 * ```
 * GET        { queue: str, autoSettle?: bool }
 * QUEUE_PEEK { queue: str, count?: int }             QUEUE_PEEKED deliveries back to back
 *
 * GOT   0       8
 *       | ready | a delivery, or nothing
 *         u64
 * ```
 */
import { BrokerError, writeUint64 } from '@millrace/codec'
import { optionalBoolean, optionalInteger, requireString } from '../fields.ts'
import { PEEK_COUNT_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'
import { checkHead, readOffset } from './binary-body.ts'
import {
  decodeQueueDeliveries,
  encodeQueueDeliveries,
  type QueueDelivery,
} from './queue-delivery.ts'

export const GOT_HEAD_BYTES = 8

export interface Get {
  readonly queue: string
  readonly autoSettle?: boolean | undefined
}

export interface Got {
  /** Messages that are still ready. */
  readonly ready: number
  readonly delivery?: QueueDelivery | undefined
}

export interface QueuePeek {
  readonly queue: string
  readonly count?: number | undefined
}

export const encodeGet = (get: Get): Uint8Array => encodeControl(get)

export const decodeGet = (body: Uint8Array): Get => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    autoSettle: optionalBoolean(map, 'autoSettle', false),
  }
}

export const encodeGot = ({ ready, delivery }: Got): Uint8Array => {
  const body = encodeQueueDeliveries(delivery === undefined ? [] : [delivery], GOT_HEAD_BYTES)
  writeUint64(body, 0, ready)
  return body
}

/** The delivery is made of views of the body. */
export const decodeGot = (body: Uint8Array): Got => {
  checkHead(body, GOT_HEAD_BYTES, 'GOT')
  const deliveries = decodeQueueDeliveries(body, GOT_HEAD_BYTES)
  if (deliveries.length > 1) throw new BrokerError('ERR_MALFORMED_BODY', ['GOT has two deliveries'])
  return { ready: readOffset(body, 0, 'ready'), delivery: deliveries[0] }
}

export const encodeQueuePeek = (peek: QueuePeek): Uint8Array => encodeControl(peek)

export const decodeQueuePeek = (body: Uint8Array): QueuePeek => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    count: optionalInteger(map, 'count', 1, PEEK_COUNT_MAX, 1),
  }
}
