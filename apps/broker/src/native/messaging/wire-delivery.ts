/**
 * An engine's delivery as the protocol writes it. One object serves all deliveries of a connection:
 * filled, written, filled again.
 */
import { encodeHeaderBlock, propertyFormats } from '@millrace/codec'
import type { DeadLetterEntry, Delivery, Messaging, QueuedMessage } from '@millrace/core'
import { encodeDeadLetters, type QueueDelivery } from '@millrace/protocol'

const NOTHING = new Uint8Array(0)

/** Whatever protocol it came by. */
const headersOf = (messaging: Messaging, message: QueuedMessage): Uint8Array =>
  message.format === propertyFormats.headers
    ? message.properties
    : encodeHeaderBlock(messaging.headersOf(message))

const encodeEntries = (entries: readonly DeadLetterEntry[] | undefined): Uint8Array => {
  if (entries === undefined || entries.length === 0) return NOTHING
  return encodeDeadLetters(
    entries.map(({ timeMs, originalTtlMs, ...entry }) => ({
      ...entry,
      time: timeMs,
      originalTtl: originalTtlMs,
    })),
  )
}

export class WireDelivery implements QueueDelivery {
  tag = 0
  offset = 0
  timestampMs = 0
  ttlMs = -1
  count = 0
  isPersistent = false
  isRedelivered = false
  priority = 0
  exchange = ''
  routingKey = ''
  messageId: string | undefined = undefined
  key: Uint8Array | undefined = undefined
  headers: Uint8Array = NOTHING
  deadLetters: Uint8Array = NOTHING
  payload: Uint8Array = NOTHING

  fill(messaging: Messaging, tag: number, delivery: Delivery): this {
    const { message } = delivery
    this.tag = tag
    this.offset = delivery.offset
    this.timestampMs = message.timestampMs
    this.ttlMs = message.ttlMs
    this.count = delivery.deliveryCount
    this.isPersistent = message.isPersistent
    this.isRedelivered = delivery.isRedelivered
    this.priority = message.priority
    this.exchange = message.exchange
    this.routingKey = message.routingKey
    this.messageId = message.messageId
    this.key = message.key
    this.headers = headersOf(messaging, message)
    this.deadLetters = encodeEntries(message.deadLetters)
    this.payload = message.payload
    return this
  }
}
