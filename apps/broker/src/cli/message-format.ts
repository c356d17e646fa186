/** Records as `millrace sub` prints them: a whole delivery becomes one piece of output. */
import { isUtf8 } from 'node:buffer'
import type { Message, MessageHeaders } from '@millrace/client-node'

const LF = 0x0a

/** Payload and LF; a record without a payload is an empty line. */
export const formatPayloads = (messages: readonly Message<Uint8Array>[]): Uint8Array => {
  let size = messages.length
  for (const { bytes } of messages) size += bytes?.length ?? 0
  const text = Buffer.allocUnsafe(size)
  let at = 0
  for (const { bytes } of messages) {
    if (bytes !== null) {
      text.set(bytes, at)
      at += bytes.length
    }
    text[at++] = LF
  }
  return text
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

const base64Of = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

/** `name` when it is text or missing, `nameBase64` when it is other bytes. */
export const bytesField = (
  name: string,
  bytes: Uint8Array | null,
): Record<string, string | null> => {
  if (bytes === null) return { [name]: null }
  return isUtf8(bytes) ? { [name]: textOf(bytes) } : { [`${name}Base64`]: base64Of(bytes) }
}

type HeaderValue = string | null | { readonly base64: string }

const headerValue = (bytes: Uint8Array | null): HeaderValue => {
  if (bytes === null) return null
  return isUtf8(bytes) ? textOf(bytes) : { base64: base64Of(bytes) }
}

/** A name that is there more than once has a list, in order. */
export const headersObject = (
  headers: MessageHeaders,
): Record<string, HeaderValue | HeaderValue[]> => {
  const collected = new Map<string, HeaderValue[]>()
  for (const [name, value] of headers) {
    const values = collected.get(name)
    if (values === undefined) collected.set(name, [headerValue(value)])
    else values.push(headerValue(value))
  }
  const entries = [...collected].map(
    ([name, values]) => [name, values.length === 1 ? (values[0] as HeaderValue) : values] as const,
  )
  return Object.fromEntries(entries)
}

const formatMessage = (message: Message<Uint8Array>): string =>
  JSON.stringify({
    topic: message.topic,
    partition: message.partition,
    offset: message.offset,
    timestamp: message.timestamp,
    ...bytesField('key', message.key),
    headers: headersObject(message.headers),
    ...bytesField('payload', message.bytes),
  })

export const formatMessageLines = (messages: readonly Message<Uint8Array>[]): string =>
  messages.map((message) => `${formatMessage(message)}\n`).join('')
