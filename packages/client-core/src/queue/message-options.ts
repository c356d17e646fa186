/** What goes beside a payload on its way to an exchange or a queue. */
import { type RecordHeader, reservedHeaders, utf8Encode } from '@millrace/codec'
import { NO_TTL, UINT16_MAX, UINT32_MAX } from '@millrace/protocol'
import { checkInteger } from '../check.ts'
import { invalidArgument } from '../errors.ts'
import { type HeadersInput, toRecordHeaders } from '../headers.ts'

export interface MessageOptions {
  readonly headers?: HeadersInput
  /** How long the message lives, in ms. Default: as long as its queue says. */
  readonly ttlMs?: number
  /**
   * How long a delayed exchange keeps it before it is routed, in ms, up to 4,294,967,295: the header
   * `mr-delay`, which is below zero when it arrives. Other exchanges route it at once.
   */
  readonly delayMs?: number
  /** 0 to 255; counts in queues with `priorityMax`. Default: 0. */
  readonly priority?: number
  /**
   * By which a queue with `dedupWindowMs` knows it again. Default: one that no other message has, so
   * that what is sent again after a lost connection is dropped there.
   */
  readonly messageId?: string
  /** Orders messages in key-ordered queues, and chooses the partition of a topic. */
  readonly key?: string | Uint8Array
  /** Whether a durable queue keeps it across a restart. Default: true. */
  readonly persistent?: boolean
}

export const PRIORITY_MAX = 255

/** A name as it is sent; the broker has the last word on it. */
export const checkName = (what: string, name: unknown): string => {
  if (typeof name === 'string' && name.length <= UINT16_MAX) return name
  throw invalidArgument(what, 'it must be a text')
}

export const checkQueue = (name: unknown): string => {
  if (checkName('queue', name) !== '') return name as string
  throw invalidArgument('queue', 'it must be a text that is not empty')
}

export const ttlOf = (ttlMs: number | undefined): number =>
  ttlMs === undefined ? NO_TTL : checkInteger('ttlMs', ttlMs, 0, Number.MAX_SAFE_INTEGER)

/** The headers of a message, that of its delay in front: it counts before one that stands there too. */
export const headersOf = ({ headers = [], delayMs }: MessageOptions): readonly RecordHeader[] => {
  if (delayMs === undefined) return toRecordHeaders(headers)
  const text = String(checkInteger('delayMs', delayMs, 0, UINT32_MAX))
  return toRecordHeaders(headers, [{ key: reservedHeaders.delay.name, value: utf8Encode(text) }])
}

export const priorityOf = (priority: number | undefined): number =>
  priority === undefined ? 0 : checkInteger('priority', priority, 0, PRIORITY_MAX)

export const keyOf = (key: string | Uint8Array | undefined): Uint8Array | undefined => {
  if (key === undefined || ArrayBuffer.isView(key)) return key
  if (typeof key === 'string') return utf8Encode(key)
  throw invalidArgument('key', `${typeof key} is not text or bytes`)
}
