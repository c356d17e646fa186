/**
 * One message as the fields of a record. The object is filled again for every message, so that the
 * fast path makes none; what has to wait is copied, because a program may use its buffer again.
 */
import type { RecordHeader } from '@millrace/codec'
import { isDate } from '../check.ts'
import { invalidArgument } from '../errors.ts'
import { toRecordHeaders } from '../headers.ts'
import { encodePayload } from '../payload-codec.ts'
import type { Platform } from '../platform.ts'
import { TextEncoding } from '../text-encoding.ts'
import { type MessageEnvelope, type ProducerMessage, isEnvelope } from './producer-message.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'

export interface MessageFields<T> {
  key: Uint8Array | null
  value: Uint8Array | null
  headers: readonly RecordHeader[]
  timestamp: number
  /** -1: not said. */
  partition: number
  /** For a partitioner of one's own; `undefined` without one. */
  envelope: MessageEnvelope<T> | undefined
}

/** The constructor copies, also from a Buffer, whose `slice` would not. */
const copyOf = (bytes: Uint8Array | null): Uint8Array | null =>
  bytes === null ? null : new Uint8Array(bytes)

/** A copy that shares no byte with the caller. */
export const keepFields = <T>(fields: MessageFields<T>): MessageFields<T> => ({
  key: copyOf(fields.key),
  value: copyOf(fields.value),
  headers: fields.headers,
  timestamp: fields.timestamp,
  partition: fields.partition,
  envelope: fields.envelope,
})

const timestampOf = (timestamp: number | Date | undefined, platform: Platform): number => {
  if (timestamp === undefined) return platform.now()
  const ms = isDate(timestamp) ? timestamp.getTime() : timestamp
  if (Number.isSafeInteger(ms) && ms >= 0) return ms
  throw invalidArgument('timestamp', `${String(ms)} is not a whole number of ms since 1970`)
}

export class FieldEncoder<T> {
  readonly #platform: Platform
  readonly #options: ResolvedProducerOptions<T>
  readonly #keyText = new TextEncoding()
  readonly #fields: MessageFields<T>

  constructor(platform: Platform, options: ResolvedProducerOptions<T>) {
    this.#platform = platform
    this.#options = options
    this.#fields = {
      key: null,
      value: null,
      headers: options.headers,
      timestamp: 0,
      partition: -1,
      envelope: undefined,
    }
  }

  /** The same object every time, valid until the next call. */
  encode(message: ProducerMessage<T>): MessageFields<T> {
    if (isEnvelope(message)) return this.#encodeEnvelope(message)
    const fields = this.#fields
    fields.value = encodePayload(this.#options.codec, message)
    fields.key = null
    fields.headers = this.#options.headers
    fields.timestamp = this.#platform.now()
    fields.partition = -1
    fields.envelope = this.#options.partitioner === undefined ? undefined : { value: message }
    return fields
  }

  #encodeEnvelope(message: MessageEnvelope<T>): MessageFields<T> {
    const { value, key, headers, partition } = message
    const fields = this.#fields
    const options = this.#options
    fields.value =
      value === null || value === undefined ? null : encodePayload(options.codec, value)
    fields.key = this.#encodeKey(key)
    fields.headers =
      headers === undefined ? options.headers : toRecordHeaders(headers, options.headers)
    fields.timestamp = timestampOf(message.timestamp, this.#platform)
    fields.partition = partition ?? -1
    if (partition !== undefined && partition < 0)
      throw invalidArgument('partition', 'it is negative')
    fields.envelope = options.partitioner === undefined ? undefined : message
    return fields
  }

  #encodeKey(key: string | Uint8Array | null | undefined): Uint8Array | null {
    if (key === null || key === undefined) return null
    if (typeof key === 'string') return this.#keyText.encode(key)
    if (ArrayBuffer.isView(key)) return key
    throw invalidArgument('key', `${typeof key} is not text, bytes or null`)
  }
}
