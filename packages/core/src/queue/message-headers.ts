/** Headers of stored messages, whatever protocol they came by. */
import {
  decodeHeaderBlock,
  encodeHeaderBlock,
  propertyFormats,
  utf8Decode,
  utf8Encode,
  type RecordHeader,
} from '@millrace/codec'
import type { PropertyFormat, QueuedMessage } from '../engine/messaging.ts'
import { negateDelay } from '../routing/delay.ts'
import type { MessageFields } from './message-record.ts'

const noHeaders: readonly RecordHeader[] = []

export class MessageHeaders {
  readonly #formats: ReadonlyMap<number, PropertyFormat>

  constructor(formats: ReadonlyMap<number, PropertyFormat> | undefined) {
    this.#formats = formats ?? new Map()
  }

  of(message: MessageFields): readonly RecordHeader[] {
    return [...this.#ofProperties(message), ...ofDeadLetters(message)]
  }

  /** As a headers exchange compares them. */
  toMatch(message: MessageFields): ReadonlyMap<string, string> {
    const format = this.#formats.get(message.format)
    if (format?.toMatchHeaders !== undefined) return format.toMatchHeaders(message.properties)
    const headers = new Map<string, string>()
    for (const { key, value } of this.#ofProperties(message))
      if (!headers.has(key)) headers.set(key, value === null ? 'v' : `s${utf8Decode(value)}`)
    return headers
  }

  /** The properties with a delay that was waited for; the same where there is none. */
  withoutDelay({ format, properties }: MessageFields): Uint8Array {
    if (properties.length === 0) return properties
    if (format === propertyFormats.headers)
      return encodeHeaderBlock(negateDelay(decodeHeaderBlock(properties)))
    return this.#formats.get(format)?.negateDelay?.(properties) ?? properties
  }

  #ofProperties(message: MessageFields): readonly RecordHeader[] {
    const { format, properties } = message
    if (properties.length === 0) return noHeaders
    if (format === propertyFormats.headers) return decodeHeaderBlock(properties)
    return this.#formats.get(format)?.toHeaders(properties) ?? noHeaders
  }
}

const ofDeadLetters = (
  message: Pick<QueuedMessage, 'deadLetters'> | MessageFields,
): RecordHeader[] => {
  const { deadLetters } = message
  if (deadLetters === undefined) return []
  return [{ key: 'mr-dead-letters', value: utf8Encode(JSON.stringify(deadLetters)) }]
}
