/**
 * PUBLISH: messages for exchanges. The answer is PUBLISHED, ERROR, or nothing.
 *
 * ```
 * 0       1       4
 * | flags | zeros | messages back to back …
 *   u8      3
 * ```
 */
import { checkHead } from './binary-body.ts'
import { decodeMessages, encodeMessages, type PublishedMessage } from './published-message.ts'

export const PUBLISH_HEAD_BYTES = 4

/** No answer at all, not even an error: at most once. */
export const PUBLISH_SILENT = 1

export interface Publish {
  readonly isSilent: boolean
  readonly messages: readonly PublishedMessage[]
}

/** Of a body that may be too short to have one. */
export const isSilentPublish = (body: Uint8Array): boolean =>
  ((body[0] ?? 0) & PUBLISH_SILENT) !== 0

export const writePublishHead = (target: Uint8Array, at: number, isSilent: boolean): void => {
  target.fill(0, at, at + PUBLISH_HEAD_BYTES)
  if (isSilent) target[at] = PUBLISH_SILENT
}

export const checkPublishHead = (body: Uint8Array): void =>
  checkHead(body, PUBLISH_HEAD_BYTES, 'PUBLISH')

export const encodePublish = (publish: Publish): Uint8Array => {
  const body = encodeMessages(PUBLISH_HEAD_BYTES, publish.messages)
  writePublishHead(body, 0, publish.isSilent)
  return body
}

export const decodePublish = (body: Uint8Array): Publish => {
  checkPublishHead(body)
  return { isSilent: isSilentPublish(body), messages: decodeMessages(body, PUBLISH_HEAD_BYTES) }
}
