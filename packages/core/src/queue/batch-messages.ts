/**
 * Messages of a batch for who hands them over without reading them again. Payload and properties are
 * views of the batch's own bytes: nothing is copied for them, and nobody writes to the bytes of a
 * record once its batch is built.
 *
 * ```
 *   record: | … | payload | 1 | 11 | "mr-envelope" | size | envelope … properties |
 *                         ^ payloadEnd                                            ^ recordEnd
 * ```
 */
import type { QueuedMessage } from '../engine/messaging.ts'
import { envelopeHeaderBytes, type MessageFields } from './message-record.ts'

type Unfinished = { -readonly [Field in keyof QueuedMessage]: QueuedMessage[Field] }

const noBytes = new Uint8Array(0)

const none: readonly QueuedMessage[] = []

export class BatchMessages {
  /** Made with the first one, for one: an empty list that grows takes room for sixteen. */
  #messages: Unfinished[] | undefined
  /** Of each message: where its payload begins and ends, where its properties begin and end. */
  #places: number[] = []

  get count(): number {
    return this.#messages?.length ?? 0
  }

  /** The last record of the batch, which ends at `recordEnd` with an envelope of so many bytes. */
  add(message: MessageFields, timestampMs: number, recordEnd: number, envelopeBytes: number): void {
    const payloadEnd = recordEnd - envelopeHeaderBytes(envelopeBytes)
    const payloadAt = payloadEnd - message.payload.length
    const propertiesAt = recordEnd - message.properties.length
    const unfinished: Unfinished = {
      exchange: message.exchange,
      routingKey: message.routingKey,
      extraRoutingKeys: message.extraRoutingKeys,
      payload: noBytes,
      format: message.format,
      properties: noBytes,
      isPersistent: message.isPersistent,
      priority: message.priority,
      ttlMs: message.ttlMs,
      messageId: message.messageId,
      key: message.key?.slice(),
      timestampMs,
      deadLetters: message.deadLetters,
    }
    if (this.#messages === undefined) {
      this.#messages = [unfinished]
      this.#places = [payloadAt, payloadEnd, propertiesAt, recordEnd]
    } else {
      this.#messages.push(unfinished)
      this.#places.push(payloadAt, payloadEnd, propertiesAt, recordEnd)
    }
  }

  /** The messages, when the batch is built. */
  in(bytes: Uint8Array): readonly QueuedMessage[] {
    const places = this.#places
    const messages = this.#messages
    if (messages === undefined) return none
    for (let index = 0; index < messages.length; index++) {
      const message = messages[index]!
      const at = index * 4
      message.payload = bytes.subarray(places[at], places[at + 1])
      message.properties = bytes.subarray(places[at + 2], places[at + 3])
    }
    return messages
  }
}
