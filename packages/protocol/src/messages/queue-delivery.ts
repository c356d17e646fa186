/**
 * A delivery of a queued message, as QUEUE_DELIVER, GOT and QUEUE_PEEKED carry it: a head of fixed
 * size, then its parts. QUEUE_DELIVER is deliveries back to back; its correlation is the consumer.
 *
 * ```
 * 0     8        16          24    32      36      37         38
 * | tag | offset | timestamp | ttl | count | flags | priority |
 *   u64   u64      i64         i64   u32     u8      u8
 *
 * 38         40            42           44    46      48        52             56        60
 * | exchange | routing key | message id | key | zeros | headers | dead letters | payload | parts …
 *   u16        u16           u16          u16   2       u32       u32            u32
 * ```
 * From `exchange` on these are lengths; the parts follow in this order. The tag is 0 when there is
 * nothing to settle.
 */
import {
  BrokerError,
  readUint16,
  readUint32,
  utf8DecodeRange,
  utf8Length,
  writeInt64,
  writeUint16,
  writeUint32,
  writeUint64,
  writeUtf8,
} from '@millrace/codec'
import { readOffset, readTimestamp } from './binary-body.ts'
import { MessageFlag } from './published-message.ts'

export const DELIVERY_HEAD_BYTES = 60

export interface QueueDelivery {
  readonly tag: number
  /** Of the message in its queue. */
  readonly offset: number
  /** When it came into the queue. */
  readonly timestampMs: number
  /** Of its own, -1 for none. */
  readonly ttlMs: number
  /** How often it was returned before. */
  readonly count: number
  readonly isPersistent: boolean
  readonly isRedelivered: boolean
  readonly priority: number
  readonly exchange: string
  readonly routingKey: string
  readonly messageId?: string | undefined
  readonly key?: Uint8Array | undefined
  /** `decodeHeaderBlock` of @millrace/codec reads them. */
  readonly headers: Uint8Array
  /** `decodeDeadLetters` reads them; empty for none. */
  readonly deadLetters: Uint8Array
  readonly payload: Uint8Array
}

export const queueDeliverySize = (delivery: QueueDelivery): number =>
  DELIVERY_HEAD_BYTES +
  utf8Length(delivery.exchange) +
  utf8Length(delivery.routingKey) +
  (delivery.messageId === undefined ? 0 : utf8Length(delivery.messageId)) +
  (delivery.key?.length ?? 0) +
  delivery.headers.length +
  delivery.deadLetters.length +
  delivery.payload.length

const flagsOf = (delivery: QueueDelivery): number =>
  (delivery.isPersistent ? MessageFlag.PERSISTENT : 0) |
  (delivery.messageId === undefined ? 0 : MessageFlag.MESSAGE_ID) |
  (delivery.key === undefined ? 0 : MessageFlag.KEY) |
  (delivery.isRedelivered ? MessageFlag.REDELIVERED : 0)

const writeText = (target: Uint8Array, at: number, lengthAt: number, text: string): number => {
  const end = writeUtf8(target, at, text)
  writeUint16(target, lengthAt, end - at)
  return end
}

const writePart = (target: Uint8Array, at: number, part: Uint8Array): number => {
  target.set(part, at)
  return at + part.length
}

/**
 * All of it but the payload, whose place is behind: a large one is sent as it is. Returns where the
 * payload goes.
 */
export const writeDeliveryHead = (
  target: Uint8Array,
  at: number,
  delivery: QueueDelivery,
): number => {
  const { key, headers, deadLetters } = delivery
  writeUint64(target, at, delivery.tag)
  writeUint64(target, at + 8, delivery.offset)
  writeInt64(target, at + 16, delivery.timestampMs)
  writeInt64(target, at + 24, delivery.ttlMs)
  writeUint32(target, at + 32, delivery.count)
  target[at + 36] = flagsOf(delivery)
  target[at + 37] = delivery.priority
  writeUint16(target, at + 44, key?.length ?? 0)
  writeUint16(target, at + 46, 0)
  writeUint32(target, at + 48, headers.length)
  writeUint32(target, at + 52, deadLetters.length)
  writeUint32(target, at + 56, delivery.payload.length)
  let end = writeText(target, at + DELIVERY_HEAD_BYTES, at + 38, delivery.exchange)
  end = writeText(target, end, at + 40, delivery.routingKey)
  end = writeText(target, end, at + 42, delivery.messageId ?? '')
  if (key !== undefined) end = writePart(target, end, key)
  end = writePart(target, end, headers)
  return writePart(target, end, deadLetters)
}

/** Returns the next position; the caller has made room for `queueDeliverySize`. */
export const writeQueueDelivery = (
  target: Uint8Array,
  at: number,
  delivery: QueueDelivery,
): number => writePart(target, writeDeliveryHead(target, at, delivery), delivery.payload)

const malformed = (text: string): BrokerError => new BrokerError('ERR_MALFORMED_BODY', [text])

const readDelivery = (body: Uint8Array, at: number): { delivery: QueueDelivery; end: number } => {
  if (body.length - at < DELIVERY_HEAD_BYTES) {
    throw malformed('it ends inside the head of a delivery')
  }
  const flags = body[at + 36] as number
  const exchangeAt = at + DELIVERY_HEAD_BYTES
  const routingKeyAt = exchangeAt + readUint16(body, at + 38)
  const messageIdAt = routingKeyAt + readUint16(body, at + 40)
  const keyAt = messageIdAt + readUint16(body, at + 42)
  const headersAt = keyAt + readUint16(body, at + 44)
  const deadLettersAt = headersAt + readUint32(body, at + 48)
  const payloadAt = deadLettersAt + readUint32(body, at + 52)
  const end = payloadAt + readUint32(body, at + 56)
  if (end > body.length) throw malformed('a delivery is longer than what is left')
  const hasMessageId = (flags & MessageFlag.MESSAGE_ID) !== 0
  const delivery = {
    tag: readOffset(body, at, 'tag'),
    offset: readOffset(body, at + 8, 'offset'),
    timestampMs: readTimestamp(body, at + 16, 'timestamp'),
    ttlMs: readTimestamp(body, at + 24, 'time to live'),
    count: readUint32(body, at + 32),
    isPersistent: (flags & MessageFlag.PERSISTENT) !== 0,
    isRedelivered: (flags & MessageFlag.REDELIVERED) !== 0,
    priority: body[at + 37] as number,
    exchange: utf8DecodeRange(body, exchangeAt, routingKeyAt),
    routingKey: utf8DecodeRange(body, routingKeyAt, messageIdAt),
    messageId: hasMessageId ? utf8DecodeRange(body, messageIdAt, keyAt) : undefined,
    key: (flags & MessageFlag.KEY) !== 0 ? body.subarray(keyAt, headersAt) : undefined,
    headers: body.subarray(headersAt, deadLettersAt),
    deadLetters: body.subarray(deadLettersAt, payloadAt),
    payload: body.subarray(payloadAt, end),
  }
  return { delivery, end }
}

/** Deliveries that stand back to back, as views of the body. Throws ERR_MALFORMED_BODY. */
export const decodeQueueDeliveries = (body: Uint8Array, from = 0): QueueDelivery[] => {
  const deliveries: QueueDelivery[] = []
  for (let at = from; at < body.length;) {
    const { delivery, end } = readDelivery(body, at)
    deliveries.push(delivery)
    at = end
  }
  return deliveries
}

export const encodeQueueDeliveries = (
  deliveries: readonly QueueDelivery[],
  headBytes = 0,
): Uint8Array => {
  let size = headBytes
  for (const delivery of deliveries) size += queueDeliverySize(delivery)
  const body = new Uint8Array(size)
  let at = headBytes
  for (const delivery of deliveries) at = writeQueueDelivery(body, at, delivery)
  return body
}
