/** Messages of queues as `millrace sub` and `queue peek` print them. */
import type { QueuedMessage } from '@millrace/client-node'
import { bytesField, headersObject } from './message-format.ts'

const LF = 0x0a

type Bytes = Uint8Array

/** Payload and LF. */
export const formatQueuedPayload = ({ bytes }: QueuedMessage<Bytes>): Uint8Array => {
  const text = Buffer.allocUnsafe(bytes.length + 1)
  text.set(bytes)
  text[bytes.length] = LF
  return text
}

export const formatQueuedLine = (message: QueuedMessage<Bytes>): string => {
  const { queue, offset, timestamp, exchange, routingKey, messageId, priority, ttlMs } = message
  const { isRedelivered: redelivered, deliveryCount, deadLetters } = message
  const fields = {
    ...{ queue, offset, timestamp, exchange, routingKey, messageId },
    ...(message.key === undefined ? {} : bytesField('key', message.key)),
    ...{ priority, ttlMs, redelivered, deliveryCount },
    headers: headersObject(message.headers),
    ...(deadLetters.length === 0 ? {} : { deadLetters }),
    ...bytesField('payload', message.bytes),
  }
  return `${JSON.stringify(fields)}\n`
}
