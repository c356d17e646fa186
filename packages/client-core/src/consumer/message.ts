/**
 * One received message. Key and payload are views of the delivery they came in: keeping one message
 * for long keeps the whole delivery, so copy what has to stay.
 */
import { type RecordHeader, utf8Decode } from '@millrace/codec'
import { MessageHeaders } from '../headers.ts'
import { type PayloadCodec, decodePayload } from '../payload-codec.ts'

const NO_HEADERS = new MessageHeaders([])

export class Message<T> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Ms since 1970. */
  readonly timestamp: number
  /** `null`: the message has no key. */
  readonly key: Uint8Array | null
  /** The payload as it is stored; `null`: the message has none (a tombstone). */
  readonly bytes: Uint8Array | null
  readonly #codec: PayloadCodec<T>
  readonly #recordHeaders: readonly RecordHeader[] | undefined
  #headers: MessageHeaders | undefined
  #payload: T | null | undefined

  constructor(
    source: MessageSource<T>,
    offset: number,
    timestamp: number,
    key: Uint8Array | null,
    bytes: Uint8Array | null,
    recordHeaders: readonly RecordHeader[] | undefined,
  ) {
    this.topic = source.topic
    this.partition = source.partition
    this.offset = offset
    this.timestamp = timestamp
    this.key = key
    this.bytes = bytes
    this.#codec = source.codec
    this.#recordHeaders = recordHeaders
    this.#headers = undefined
    this.#payload = undefined
  }

  /** The key as UTF-8 text. */
  get keyText(): string | null {
    return this.key === null ? null : utf8Decode(this.key)
  }

  /** In the order they were sent; a name may be there more than once. */
  get headers(): MessageHeaders {
    if (this.#recordHeaders === undefined) return NO_HEADERS
    this.#headers ??= new MessageHeaders(this.#recordHeaders)
    return this.#headers
  }

  /**
   * Decoded by the codec when it is first asked for; `null` when the message has no payload. Throws
   * ERR_PAYLOAD_CODEC when the bytes are something else.
   */
  get payload(): T | null {
    if (this.bytes === null) return null
    this.#payload ??= decodePayload(this.#codec, this.bytes)
    return this.#payload
  }
}

/** What the messages of one delivery have in common. */
export interface MessageSource<T> {
  readonly topic: string
  readonly partition: number
  readonly codec: PayloadCodec<T>
}
