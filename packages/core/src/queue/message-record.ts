/**
 * A queued message as a record of its queue's log. Key and payload are the record's own; everything
 * else stands in one header, `mr-envelope`:
 *
 * ```
 * 0         1       2          3        4         12
 * | version | flags | priority | format | ttl ms | exchange | routing key | …
 *   u8        u8      u8         u8       i64      u8 length  u8 length
 * [message id: u16 length] [routing keys: u16 count, u8 length each] [dead letters: u32 length, JSON]
 * properties: the rest
 * ```
 *
 * Flags: 1 persistent, 2 message id, 4 more routing keys, 8 dead letters, 16 kept by a delayed
 * exchange: then the time when it is due, an i64, stands before the exchange. The record's timestamp
 * is when the message came into the queue, the base of its time to live.
 */
import {
  BrokerError,
  utf8Decode,
  utf8Encode,
  utf8Length,
  varintSize,
  type RecordBatchBuilder,
  type RecordCursor,
} from '@millrace/codec'
import type { DeadLetterEntry, QueuedMessage } from '../engine/messaging.ts'

export const ENVELOPE_HEADER = 'mr-envelope'

const VERSION = 1
const PERSISTENT = 1
const HAS_MESSAGE_ID = 2
const HAS_MORE_KEYS = 4
const HAS_DEAD_LETTERS = 8
const IS_KEPT = 16
const FIXED_BYTES = 12
const DUE_BYTES = 8
/** Of a message that nobody keeps. */
export const NEVER_KEPT = -1
const SHORT_MAX = 255
const EXTRA_KEYS_MAX = 65_535
const MESSAGE_ID_BYTES_MAX = 65_535

/** All that stands behind the payload in a record: one header with an envelope of so many bytes. */
export const envelopeHeaderBytes = (envelopeBytes: number): number =>
  1 + varintSize(ENVELOPE_HEADER.length) + ENVELOPE_HEADER.length + nullableBytes(envelopeBytes)

const nullableBytes = (length: number): number => varintSize(length) + length

const noProperties = new Uint8Array(0)

/** What of a message is written down; a source and a stored message both have it. */
export type MessageFields = Omit<QueuedMessage, 'timestampMs' | 'deadLetters'> & {
  readonly deadLetters?: readonly DeadLetterEntry[] | undefined
}

const tooLong = (what: string, max: number): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [what, `it is longer than ${max} bytes`])

const checkShort = (text: string, what: string): void => {
  // No text is longer in UTF-8 than three bytes for each of its units.
  if (text.length * 3 > SHORT_MAX && utf8Length(text) > SHORT_MAX) throw tooLong(what, SHORT_MAX)
}

/** Whether it can be written down at all. Throws ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED. */
export const checkFields = (message: MessageFields): void => {
  const { messageId, extraRoutingKeys, ttlMs } = message
  checkShort(message.exchange, 'exchange')
  checkShort(message.routingKey, 'routingKey')
  if (!Number.isSafeInteger(ttlMs))
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['ttlMs', 'it is no whole number'])
  if (messageId !== undefined && messageId.length * 3 > MESSAGE_ID_BYTES_MAX)
    if (utf8Length(messageId) > MESSAGE_ID_BYTES_MAX)
      throw tooLong('messageId', MESSAGE_ID_BYTES_MAX)
  if (extraRoutingKeys === undefined) return
  if (extraRoutingKeys.length > EXTRA_KEYS_MAX)
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [EXTRA_KEYS_MAX, 'routing keys'])
  for (const key of extraRoutingKeys) checkShort(key, 'routingKey')
}

/** Bytes that grow as needed and are used again for each message. */
export class EnvelopeWriter {
  #bytes = new Uint8Array(1_024)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  readonly #header = { key: ENVELOPE_HEADER, value: this.#bytes as Uint8Array }
  readonly #headers = [this.#header]

  /**
   * Adds the message as the builder's next record. Answers how long its envelope is. Throws
   * ERR_INVALID_ARGUMENT.
   */
  append(
    builder: RecordBatchBuilder,
    message: MessageFields,
    timestampMs: number,
    dueMs = NEVER_KEPT,
  ): number {
    const envelope = this.write(message, dueMs)
    this.#header.value = envelope
    builder.appendFields(timestampMs, message.key ?? null, message.payload, this.#headers)
    return envelope.length
  }

  /** The envelope, in bytes that the next call writes over. */
  write(message: MessageFields, dueMs = NEVER_KEPT): Uint8Array {
    const { messageId, extraRoutingKeys, deadLetters, properties } = message
    this.#at = 0
    this.#reserve(FIXED_BYTES + DUE_BYTES)
    const bytes = this.#bytes
    bytes[0] = VERSION
    bytes[1] =
      (message.isPersistent ? PERSISTENT : 0) |
      (messageId === undefined ? 0 : HAS_MESSAGE_ID) |
      (extraRoutingKeys === undefined ? 0 : HAS_MORE_KEYS) |
      (deadLetters === undefined ? 0 : HAS_DEAD_LETTERS) |
      (dueMs < 0 ? 0 : IS_KEPT)
    bytes[2] = message.priority
    bytes[3] = message.format
    this.#view.setBigInt64(4, BigInt(message.ttlMs))
    this.#at = FIXED_BYTES
    if (dueMs >= 0) {
      this.#view.setBigInt64(FIXED_BYTES, BigInt(dueMs))
      this.#at += DUE_BYTES
    }
    this.#short(message.exchange, 'exchange')
    this.#short(message.routingKey, 'routingKey')
    if (messageId !== undefined) this.#messageId(messageId)
    if (extraRoutingKeys !== undefined) this.#moreKeys(extraRoutingKeys)
    if (deadLetters !== undefined) this.#deadLetters(deadLetters)
    this.#reserve(properties.length)
    this.#bytes.set(properties, this.#at)
    this.#at += properties.length
    return this.#bytes.subarray(0, this.#at)
  }

  #short(text: string, what: string): void {
    const length = text.length
    this.#reserve(1 + length * 3)
    const bytes = this.#bytes
    const start = this.#at + 1
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) return this.#shortUtf8(text, what)
      bytes[start + index] = unit
    }
    if (length > SHORT_MAX) throw tooLong(what, SHORT_MAX)
    bytes[this.#at] = length
    this.#at = start + length
  }

  #shortUtf8(text: string, what: string): void {
    const encoded = utf8Encode(text)
    if (encoded.length > SHORT_MAX) throw tooLong(what, SHORT_MAX)
    this.#bytes[this.#at] = encoded.length
    this.#bytes.set(encoded, this.#at + 1)
    this.#at += 1 + encoded.length
  }

  #messageId(text: string): void {
    const length = utf8Length(text)
    if (length > MESSAGE_ID_BYTES_MAX) throw tooLong('messageId', MESSAGE_ID_BYTES_MAX)
    this.#reserve(2 + length)
    this.#view.setUint16(this.#at, length)
    this.#bytes.set(utf8Encode(text), this.#at + 2)
    this.#at += 2 + length
  }

  #moreKeys(keys: readonly string[]): void {
    if (keys.length > EXTRA_KEYS_MAX)
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [EXTRA_KEYS_MAX, 'routing keys'])
    this.#reserve(2)
    this.#view.setUint16(this.#at, keys.length)
    this.#at += 2
    for (const key of keys) this.#short(key, 'routingKey')
  }

  #deadLetters(entries: readonly DeadLetterEntry[]): void {
    const json = utf8Encode(JSON.stringify(entries))
    this.#reserve(4 + json.length)
    this.#view.setUint32(this.#at, json.length)
    this.#bytes.set(json, this.#at + 4)
    this.#at += 4 + json.length
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

class EnvelopeReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = (bytes[1]! & IS_KEPT) === 0 ? FIXED_BYTES : FIXED_BYTES + DUE_BYTES
  }

  get flags(): number {
    return this.#view.getUint8(1)
  }

  get priority(): number {
    return this.#view.getUint8(2)
  }

  get format(): number {
    return this.#view.getUint8(3)
  }

  get ttlMs(): number {
    return Number(this.#view.getBigInt64(4))
  }

  short(): string {
    return this.#text(this.#view.getUint8(this.#at++))
  }

  skipShort(): void {
    this.#at += 1 + this.#view.getUint8(this.#at)
  }

  messageId(): string {
    const length = this.#view.getUint16(this.#at)
    this.#at += 2
    return this.#text(length)
  }

  moreKeys(): string[] {
    const count = this.#view.getUint16(this.#at)
    this.#at += 2
    return Array.from({ length: count }, () => this.short())
  }

  deadLetters(): DeadLetterEntry[] {
    const length = this.#view.getUint32(this.#at)
    this.#at += 4
    const entries = JSON.parse(this.#text(length)) as Record<string, unknown>[]
    return entries.map((entry) => ({ originalTtlMs: undefined, ...entry }) as never)
  }

  rest(): Uint8Array {
    return this.#at === this.#bytes.length ? noProperties : this.#bytes.subarray(this.#at)
  }

  #text(length: number): string {
    const from = this.#at
    this.#at += length
    return utf8Decode(this.#bytes.subarray(from, this.#at))
  }
}

const envelopeAt = (cursor: RecordCursor): Uint8Array | undefined => {
  const envelope = cursor.headers().find(({ key }) => key === ENVELOPE_HEADER)?.value
  return envelope === null || envelope?.[0] !== VERSION ? undefined : envelope
}

/** Nothing but its id; `undefined` when it has none, or is no message. */
export const readMessageId = (cursor: RecordCursor): string | undefined => {
  const envelope = envelopeAt(cursor)
  if (envelope === undefined || (envelope[1]! & HAS_MESSAGE_ID) === 0) return undefined
  const reader = new EnvelopeReader(envelope)
  reader.skipShort()
  reader.skipShort()
  return reader.messageId()
}

/** When the message is due, as it was said when it was kept; `undefined` when nobody said so. */
export const readDueMs = (cursor: RecordCursor): number | undefined => {
  const envelope = envelopeAt(cursor)
  if (envelope === undefined || (envelope[1]! & IS_KEPT) === 0) return undefined
  const view = new DataView(envelope.buffer, envelope.byteOffset, envelope.length)
  return Number(view.getBigInt64(FIXED_BYTES))
}

/** The message at the cursor, as views of its batch. Throws ERR_INVALID_BATCH when it is none. */
export const readMessage = (cursor: RecordCursor): QueuedMessage => {
  const envelope = envelopeAt(cursor)
  if (envelope === undefined)
    throw new BrokerError('ERR_INVALID_BATCH', ['a record of a queue has no envelope'])
  const reader = new EnvelopeReader(envelope)
  const { flags } = reader
  return {
    exchange: reader.short(),
    routingKey: reader.short(),
    messageId: (flags & HAS_MESSAGE_ID) === 0 ? undefined : reader.messageId(),
    extraRoutingKeys: (flags & HAS_MORE_KEYS) === 0 ? undefined : reader.moreKeys(),
    deadLetters: (flags & HAS_DEAD_LETTERS) === 0 ? undefined : reader.deadLetters(),
    payload: cursor.value ?? noProperties,
    format: reader.format,
    properties: reader.rest(),
    isPersistent: (flags & PERSISTENT) !== 0,
    priority: reader.priority,
    ttlMs: reader.ttlMs,
    key: cursor.key ?? undefined,
    timestampMs: cursor.timestamp,
  }
}
