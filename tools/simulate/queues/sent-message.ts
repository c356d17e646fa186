/** A message that a simulated publisher has sent, and how it is known again wherever it turns up. */
import {
  encodeHeaderBlock,
  propertyFormats,
  readUint32,
  utf8Encode,
  writeUint32,
} from '@millrace/codec'
import type { MessageSource, QueuedMessage } from '@millrace/core'
import type { QueueModel } from './queue-model.ts'

/** What became of it, as far as its publisher knows. */
export type SentState = 'pending' | 'confirmed' | 'refused' | 'unknown'

export interface SentMessage {
  /** Unique in a world. */
  readonly number: number
  readonly publisher: number
  /** Counted for each publisher, in the order of publication. */
  readonly sequence: number
  readonly exchange: string
  readonly routingKey: string
  readonly payloadBytes: number
  readonly isPersistent: boolean
  readonly priority: number
  readonly ttlMs: number
  /** Of those that go to the queue that knows ids, and are sent again on purpose. */
  readonly messageId: string | undefined
  isSentAgain: boolean
  /** When it was sent first, monotonic. */
  readonly askedAtMs: number
  /** Of those that go to the queue that delivers one of a key at a time. */
  readonly key: string | undefined
  /** When the broker was last asked to take it, monotonic. */
  sentAtMs: number
  /** When the transaction that it is in was done: a queue in memory has it from then on. */
  doneAtMs?: number
  /** The process of the broker that it was sent to. */
  readonly life: number
  state: SentState
  /** Durable queues that it goes to for sure, in one unit. */
  unit: readonly QueueModel[]
}

export const IDENTITY_BYTES = 12
const MESSAGE_ID = 'mr-message-id'

const payloadOf = ({ number, publisher, sequence, payloadBytes }: SentMessage): Uint8Array => {
  const payload = new Uint8Array(payloadBytes).fill(number & 0xff)
  writeUint32(payload, 0, number)
  writeUint32(payload, 4, publisher)
  writeUint32(payload, 8, sequence)
  return payload
}

const propertiesOf = ({ number }: SentMessage): Uint8Array =>
  encodeHeaderBlock([{ key: 'n', value: utf8Encode(String(number)) }])

export const sourceOf = (sent: SentMessage): MessageSource => ({
  exchange: sent.exchange,
  routingKey: sent.routingKey,
  extraRoutingKeys: undefined,
  payload: payloadOf(sent),
  format: propertyFormats.headers,
  properties: propertiesOf(sent),
  isPersistent: sent.isPersistent,
  priority: sent.priority,
  ttlMs: sent.ttlMs,
  messageId: sent.messageId,
  key: sent.key === undefined ? undefined : utf8Encode(sent.key),
  matchHeaders: () => new Map(),
  neutralHeaders: () => [{ key: 'n', value: utf8Encode(String(sent.number)) }],
})

/** The number in a payload, -1 when no publisher has made it. */
export const numberIn = ({ payload }: QueuedMessage): number =>
  payload.length < IDENTITY_BYTES ? -1 : readUint32(payload, 0)

const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((byte, index) => byte === right[index])

/** What differs from what was sent, if anything. A letter and a view have an address of their own. */
export const differenceOf = (
  sent: SentMessage,
  found: QueuedMessage,
  isAddressed: boolean,
): string | undefined => {
  if (!isEqual(found.payload, payloadOf(sent))) return 'its payload'
  if (!isEqual(found.properties, propertiesOf(sent))) return 'its properties'
  if (found.messageId !== sent.messageId) return `${MESSAGE_ID} ${found.messageId}`
  if (!isAddressed) return undefined
  if (found.exchange !== sent.exchange) return `exchange '${found.exchange}'`
  if (found.routingKey !== sent.routingKey) return `routing key '${found.routingKey}'`
  if (found.isPersistent !== sent.isPersistent) return 'its persistence'
  if (found.priority !== sent.priority) return `priority ${found.priority}`
  if (found.ttlMs !== sent.ttlMs) return `a time to live of ${found.ttlMs}`
  return undefined
}
