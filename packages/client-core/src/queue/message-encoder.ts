/**
 * A message of the program as the fields that PUBLISH writes down. The object is filled again for
 * every message; what it holds is copied into a batch before the next one.
 */
import { encodeHeaderBlock } from '@millrace/codec'
import { NO_TTL, type PublishedMessage } from '@millrace/protocol'
import { encodePayload, type PayloadCodec } from '../payload-codec.ts'
import type { Platform } from '../platform.ts'
import {
  checkName,
  headersOf,
  keyOf,
  type MessageOptions,
  priorityOf,
  ttlOf,
} from './message-options.ts'

const NOTHING = new Uint8Array(0)
const WORD_MAX = 0x1_0000_0000
/** Of 32 random bits each: nobody else chooses the same. */
const PREFIX_WORDS = 3

/** Ids that no other message has: what is random is drawn once. */
export class MessageIds {
  readonly #prefix: string
  #count = 0

  constructor(platform: Platform) {
    const word = (): string => Math.floor(platform.random() * WORD_MAX).toString(36)
    this.#prefix = Array.from({ length: PREFIX_WORDS }, word).join('')
  }

  next(): string {
    this.#count += 1
    return `${this.#prefix}-${this.#count.toString(36)}`
  }
}

interface Fields {
  exchange: string
  routingKey: string
  isPersistent: boolean
  priority: number
  ttlMs: number
  messageId: string | undefined
  key: Uint8Array | undefined
  headers: Uint8Array
  payload: Uint8Array
}

const freshFields = (): Fields => ({
  exchange: '',
  routingKey: '',
  isPersistent: true,
  priority: 0,
  ttlMs: NO_TTL,
  messageId: undefined,
  key: undefined,
  headers: NOTHING,
  payload: NOTHING,
})

export class MessageEncoder {
  readonly #ids: MessageIds
  readonly #fields: Fields

  constructor(ids: MessageIds) {
    this.#ids = ids
    this.#fields = freshFields()
  }

  /** The same object every time, valid until the next call. Throws ERR_INVALID_ARGUMENT. */
  encode<T>(
    exchange: string,
    routingKey: string,
    payload: T,
    codec: PayloadCodec<T>,
    options: MessageOptions,
  ): PublishedMessage {
    const fields = this.#fields
    fields.exchange = exchange
    fields.routingKey = checkName('routingKey', routingKey)
    fields.isPersistent = options.persistent ?? true
    fields.priority = priorityOf(options.priority)
    fields.ttlMs = ttlOf(options.ttlMs)
    fields.messageId = options.messageId ?? this.#ids.next()
    fields.key = keyOf(options.key)
    const isBare = options.headers === undefined && options.delayMs === undefined
    fields.headers = isBare ? NOTHING : encodeHeaderBlock(headersOf(options))
    fields.payload = encodePayload(codec, payload)
    return fields
  }
}
