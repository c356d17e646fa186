/**
 * A message as PUBLISH and COMMIT carry it: a head of fixed size, then its parts.
 *
 * ```
 * 0       1          2          4             6            8     10      12        16        20    28
 * | flags | priority | exchange | routing key | message id | key | zeros | headers | payload | ttl | …
 *   u8      u8         u16        u16           u16          u16   2       u32       u32       i64
 * ```
 * From `exchange` to `payload` these are lengths; the parts follow in this order. The headers are a
 * record's, or no bytes. `MessageCursor` walks over messages and leaves positions, not objects: it is
 * the hot path of a broker.
 */
import {
  BrokerError,
  readUint16,
  readUint32,
  utf8DecodeRange,
  utf8Length,
  writeInt64,
  writeUint16,
  writeUint32,
  writeUtf8,
} from '@millrace/codec'
import { UINT16_MAX } from '../limits.ts'
import { readTimestamp } from './binary-body.ts'

export const MESSAGE_HEAD_BYTES = 28

export const MessageFlag = { PERSISTENT: 1, MESSAGE_ID: 2, KEY: 4, REDELIVERED: 8 } as const

/** Without a limit of its own. */
export const NO_TTL = -1

export interface PublishedMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly isPersistent: boolean
  readonly priority: number
  /** `NO_TTL`: for as long as the queue says. */
  readonly ttlMs: number
  readonly messageId?: string | undefined
  readonly key?: Uint8Array | undefined
  /** `encodeHeaderBlock` of @millrace/codec makes them. */
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

const malformed = (text: string): BrokerError => new BrokerError('ERR_MALFORMED_BODY', [text])

const partLength = (name: string, length: number): number => {
  if (length <= UINT16_MAX) return length
  throw new BrokerError('ERR_INVALID_ARGUMENT', [name, `it is longer than ${UINT16_MAX} bytes`])
}

/** Throws ERR_INVALID_ARGUMENT for a part that is too long. */
export const publishedMessageSize = (message: PublishedMessage): number =>
  MESSAGE_HEAD_BYTES +
  partLength('exchange', utf8Length(message.exchange)) +
  partLength('routingKey', utf8Length(message.routingKey)) +
  partLength('messageId', message.messageId === undefined ? 0 : utf8Length(message.messageId)) +
  partLength('key', message.key?.length ?? 0) +
  message.headers.length +
  message.payload.length

const writeText = (target: Uint8Array, at: number, lengthAt: number, text: string): number => {
  const end = writeUtf8(target, at, text)
  writeUint16(target, lengthAt, end - at)
  return end
}

/** Returns the next position; the caller has made room for `publishedMessageSize`. */
export const writePublishedMessage = (
  target: Uint8Array,
  at: number,
  message: PublishedMessage,
): number => {
  const { messageId, key, headers, payload } = message
  target[at] =
    (message.isPersistent ? MessageFlag.PERSISTENT : 0) |
    (messageId === undefined ? 0 : MessageFlag.MESSAGE_ID) |
    (key === undefined ? 0 : MessageFlag.KEY)
  target[at + 1] = message.priority
  writeUint16(target, at + 8, key?.length ?? 0)
  writeUint16(target, at + 10, 0)
  writeUint32(target, at + 12, headers.length)
  writeUint32(target, at + 16, payload.length)
  writeInt64(target, at + 20, message.ttlMs)
  let end = writeText(target, at + MESSAGE_HEAD_BYTES, at + 2, message.exchange)
  end = writeText(target, end, at + 4, message.routingKey)
  end = writeText(target, end, at + 6, messageId ?? '')
  if (key !== undefined) target.set(key, end)
  end += key?.length ?? 0
  target.set(headers, end)
  target.set(payload, end + headers.length)
  return end + headers.length + payload.length
}

/** Steps over messages that stand back to back until the end of the body. */
export class MessageCursor {
  #body: Uint8Array = new Uint8Array(0)
  #next = 0
  #at = 0
  exchangeAt = 0
  routingKeyAt = 0
  messageIdAt = 0
  keyAt = 0
  headersAt = 0
  payloadAt = 0
  /** Behind this message. */
  end = 0

  reset(body: Uint8Array, at: number): void {
    this.#body = body
    this.#next = at
    this.#at = at
    this.end = at
  }

  /** The same bytes at another place, and where it stands stays. */
  rebase(body: Uint8Array): void {
    this.#body = body
  }

  get isAtEnd(): boolean {
    return this.#next === this.#body.length
  }

  /** Moves to the next message; false after the last. Throws ERR_MALFORMED_BODY. */
  next(): boolean {
    const body = this.#body
    const at = this.#next
    if (at === body.length) return false
    if (body.length - at < MESSAGE_HEAD_BYTES)
      throw malformed('it ends inside the head of a message')
    this.#at = at
    this.exchangeAt = at + MESSAGE_HEAD_BYTES
    this.routingKeyAt = this.exchangeAt + readUint16(body, at + 2)
    this.messageIdAt = this.routingKeyAt + readUint16(body, at + 4)
    this.keyAt = this.messageIdAt + readUint16(body, at + 6)
    this.headersAt = this.keyAt + readUint16(body, at + 8)
    this.payloadAt = this.headersAt + readUint32(body, at + 12)
    this.end = this.payloadAt + readUint32(body, at + 16)
    if (this.end > body.length) throw malformed('a message is longer than what is left')
    this.#checkFlags()
    this.#next = this.end
    return true
  }

  get isPersistent(): boolean {
    return this.#hasFlag(MessageFlag.PERSISTENT)
  }

  get priority(): number {
    return this.#body[this.#at + 1] as number
  }

  get ttlMs(): number {
    return readTimestamp(this.#body, this.#at + 20, 'time to live')
  }

  /** Of all parts together: the head is not counted. */
  get partsBytes(): number {
    return this.end - this.exchangeAt
  }

  get exchange(): string {
    return utf8DecodeRange(this.#body, this.exchangeAt, this.routingKeyAt)
  }

  get routingKey(): string {
    return utf8DecodeRange(this.#body, this.routingKeyAt, this.messageIdAt)
  }

  get messageId(): string | undefined {
    if (!this.#hasFlag(MessageFlag.MESSAGE_ID)) return undefined
    return utf8DecodeRange(this.#body, this.messageIdAt, this.keyAt)
  }

  /** A view, as `headers` and `payload` are. */
  get key(): Uint8Array | undefined {
    if (!this.#hasFlag(MessageFlag.KEY)) return undefined
    return this.#body.subarray(this.keyAt, this.headersAt)
  }

  get headers(): Uint8Array {
    return this.#body.subarray(this.headersAt, this.payloadAt)
  }

  get payload(): Uint8Array {
    return this.#body.subarray(this.payloadAt, this.end)
  }

  #hasFlag(flag: number): boolean {
    return ((this.#body[this.#at] as number) & flag) !== 0
  }

  #checkFlags(): void {
    if (this.keyAt !== this.messageIdAt && !this.#hasFlag(MessageFlag.MESSAGE_ID)) {
      throw malformed('a message has a message id and not the flag of one')
    }
    if (this.headersAt !== this.keyAt && !this.#hasFlag(MessageFlag.KEY)) {
      throw malformed('a message has a key and not the flag of one')
    }
  }
}

/** All messages from a position on, as views of the body: for tests and tools. */
export const decodeMessages = (body: Uint8Array, at: number): PublishedMessage[] => {
  const cursor = new MessageCursor()
  cursor.reset(body, at)
  const messages: PublishedMessage[] = []
  while (cursor.next()) {
    const { exchange, routingKey, isPersistent, priority, ttlMs } = cursor
    const { messageId, key, headers, payload } = cursor
    messages.push({
      exchange,
      routingKey,
      isPersistent,
      priority,
      ttlMs,
      messageId,
      key,
      headers,
      payload,
    })
  }
  return messages
}

/** Messages behind a head of so many bytes, which is left empty. */
export const encodeMessages = (
  headBytes: number,
  messages: readonly PublishedMessage[],
): Uint8Array => {
  let size = headBytes
  for (const message of messages) size += publishedMessageSize(message)
  const body = new Uint8Array(size)
  let at = headBytes
  for (const message of messages) at = writePublishedMessage(body, at, message)
  return body
}
