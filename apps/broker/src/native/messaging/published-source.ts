/**
 * A published message as the engine reads it: the parts of a PUBLISH or COMMIT, as views of its body.
 * One object serves all messages of a session; a transaction makes one of its own for each.
 *
 * Invariant: what it hands out is checked, so that nobody behind it meets a stranger's header block
 * or broken text.
 */
import {
  BrokerError,
  checkHeaderBlock,
  decodeHeaderBlock,
  isUtf8,
  propertyFormats,
  type RecordHeader,
  reservedHeaders,
  utf8Decode,
  utf8Encode,
} from '@millrace/codec'
import type { MessageSource } from '@millrace/core'
import { type MessageCursor, NO_TTL } from '@millrace/protocol'

const NOTHING = new Uint8Array(0)

/** Of a header without a value; of a text `s` and the text. */
const MATCHES_PRESENCE = 'v'

export class PublishedSource implements MessageSource {
  exchange = ''
  routingKey = ''
  readonly extraRoutingKeys = undefined
  payload: Uint8Array = NOTHING
  readonly format = propertyFormats.headers
  properties: Uint8Array = NOTHING
  isPersistent = false
  priority = 0
  ttlMs = NO_TTL
  messageId: string | undefined = undefined
  key: Uint8Array | undefined = undefined

  /** Throws ERR_MALFORMED_BODY, ERR_INVALID_ARGUMENT, ERR_LIMIT_EXCEEDED for what cannot be published. */
  read(body: Uint8Array, cursor: MessageCursor, partsBytesMax: number): void {
    if (cursor.partsBytes > partsBytesMax) {
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [partsBytesMax, 'bytes of a message'])
    }
    checkTexts(body, cursor)
    this.exchange = cursor.exchange
    this.routingKey = cursor.routingKey
    this.messageId = cursor.messageId
    this.key = cursor.key
    this.properties = cursor.headers
    checkHeaderBlock(this.properties)
    this.payload = cursor.payload
    this.isPersistent = cursor.isPersistent
    this.priority = cursor.priority
    this.ttlMs = cursor.ttlMs
    if (this.ttlMs >= NO_TTL) return
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['ttl', 'it is below -1'])
  }

  matchHeaders(): ReadonlyMap<string, string> {
    const matched = new Map<string, string>()
    for (const { key, value } of decodeHeaderBlock(this.properties)) {
      if (matched.has(key)) continue
      matched.set(key, value === null ? MATCHES_PRESENCE : `s${utf8Decode(value)}`)
    }
    return matched
  }

  neutralHeaders(): readonly RecordHeader[] {
    const headers = decodeHeaderBlock(this.properties)
    const { messageId, ttlMs, priority } = this
    if (messageId !== undefined) headers.push(textHeader(reservedHeaders.messageId.name, messageId))
    if (ttlMs !== NO_TTL) headers.push(textHeader(reservedHeaders.expiry.name, String(ttlMs)))
    if (priority > 0) headers.push(textHeader(reservedHeaders.priority.name, String(priority)))
    return headers
  }
}

const textHeader = (key: string, text: string): RecordHeader => ({ key, value: utf8Encode(text) })

/** Exchange, routing key and message id stand side by side, and are almost always ASCII. */
const checkTexts = (body: Uint8Array, cursor: MessageCursor): void => {
  const { exchangeAt, routingKeyAt, messageIdAt, keyAt } = cursor
  let at = exchangeAt
  while (at < keyAt && (body[at] as number) < 0x80) at += 1
  if (at === keyAt) return
  checkText(body.subarray(exchangeAt, routingKeyAt), 'exchange')
  checkText(body.subarray(routingKeyAt, messageIdAt), 'routing key')
  checkText(body.subarray(messageIdAt, keyAt), 'message id')
}

const checkText = (bytes: Uint8Array, name: string): void => {
  if (!isUtf8(bytes)) throw new BrokerError('ERR_MALFORMED_BODY', [`the ${name} is not UTF-8`])
}
