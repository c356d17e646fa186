/** A record of a topic as a message of the queue that is a view of it. */
import { encodeHeaderBlock, propertyFormats, utf8Decode, type RecordCursor } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'

const nothing = new Uint8Array(0)

const textOf = (value: Uint8Array | null | undefined): string =>
  value === null || value === undefined ? '' : utf8Decode(value)

export const readTopicRecord = (cursor: RecordCursor): QueuedMessage => {
  const headers = cursor.headers()
  const header = (name: string): string => textOf(headers.find(({ key }) => key === name)?.value)
  const { key } = cursor
  return {
    exchange: header('mr-exchange'),
    routingKey: header('mr-routing-key') || textOf(key).slice(0, 255),
    extraRoutingKeys: undefined,
    payload: cursor.value ?? nothing,
    format: propertyFormats.headers,
    properties: encodeHeaderBlock(headers.filter(({ key: name }) => !isOfRouting(name))),
    isPersistent: true,
    priority: 0,
    ttlMs: -1,
    messageId: header('mr-message-id') || undefined,
    key: key ?? undefined,
    timestampMs: cursor.timestamp,
    deadLetters: undefined,
  }
}

const isOfRouting = (name: string): boolean => name === 'mr-exchange' || name === 'mr-routing-key'
