/** What `send` and `write` take. */
import type { HeadersInput } from '../headers.ts'

/** A payload with what goes beside it. */
export interface MessageEnvelope<T> {
  /** `null` stores a record without a payload (a tombstone), whatever the codec. */
  readonly value: T | null
  /** Messages of one key go to one partition, in order. Text is taken as UTF-8. */
  readonly key?: string | Uint8Array | null
  readonly headers?: HeadersInput
  /** Ms since 1970, or a Date. Default: now. */
  readonly timestamp?: number | Date
  /** Instead of what the key or the partitioner says. */
  readonly partition?: number
}

/**
 * Either the payload itself or an envelope. An object is an envelope when it has a `value` and no
 * property that an envelope does not have: put a payload that looks like one into an envelope.
 */
export type ProducerMessage<T> = T | MessageEnvelope<T>

const isEnvelopeName = (name: string): boolean => {
  switch (name) {
    case 'value':
    case 'key':
    case 'headers':
    case 'timestamp':
    case 'partition':
      return true
    default:
      return false
  }
}

export const isEnvelope = <T>(message: ProducerMessage<T>): message is MessageEnvelope<T> => {
  if (typeof message !== 'object' || message === null || ArrayBuffer.isView(message)) return false
  if (!('value' in message)) return false
  for (const name in message) if (!isEnvelopeName(name)) return false
  return true
}

/** Where a message went. */
export interface ProduceResult {
  readonly topic: string
  readonly partition: number
  /** -1 with durability `none`: nobody told. */
  readonly offset: number
  /** Ms since 1970: the broker's, on a topic that stamps what it appends, else the message's own. */
  readonly timestamp: number
}
