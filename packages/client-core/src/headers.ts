/** Message headers: ordered and repeatable, as the record keeps them. */
import { type RecordHeader, utf8Decode, utf8Encode } from '@millrace/codec'
import { invalidArgument } from './errors.ts'
import { HEADERS_COUNT_MAX } from './limits.ts'

/** Text is stored as UTF-8; `null` is a header without a value. */
export type HeaderValue = string | Uint8Array | null

/** A map, a value of it may be a list; or pairs in the order they are kept. */
export type HeadersInput =
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  | Iterable<readonly [name: string, value: HeaderValue]>

const valueBytes = (name: string, value: HeaderValue): Uint8Array | null => {
  if (value === null) return null
  if (typeof value === 'string') return utf8Encode(value)
  if (ArrayBuffer.isView(value)) return value
  throw invalidArgument(`headers.${name}`, `${typeof value} is not text, bytes or null`)
}

const isPairs = (headers: HeadersInput): headers is Iterable<readonly [string, HeaderValue]> =>
  Symbol.iterator in headers

const addMap = (
  list: RecordHeader[],
  headers: Record<string, HeaderValue | readonly HeaderValue[]>,
): void => {
  for (const [key, value] of Object.entries(headers)) {
    const values = Array.isArray(value) ? (value as HeaderValue[]) : [value as HeaderValue]
    for (const item of values) list.push({ key, value: valueBytes(key, item) })
  }
}

/** Throws ERR_INVALID_ARGUMENT for a value that is not a header's, or for too many. */
export const toRecordHeaders = (
  headers: HeadersInput,
  before: readonly RecordHeader[] = [],
): readonly RecordHeader[] => {
  const list = [...before]
  if (isPairs(headers)) {
    for (const [key, value] of headers) list.push({ key, value: valueBytes(key, value) })
  } else {
    addMap(list, headers)
  }
  if (list.length <= HEADERS_COUNT_MAX) return list
  throw invalidArgument('headers', `${list.length} exceed the limit of ${HEADERS_COUNT_MAX}`)
}

/** The headers of a received message. */
export class MessageHeaders implements Iterable<readonly [string, Uint8Array | null]> {
  readonly #list: readonly RecordHeader[]

  constructor(list: readonly RecordHeader[]) {
    this.#list = list
  }

  get count(): number {
    return this.#list.length
  }

  /** The text of the first header of that name; `null` without a value, `undefined` without one. */
  get(name: string): string | null | undefined {
    const bytes = this.getBytes(name)
    return bytes === null || bytes === undefined ? bytes : utf8Decode(bytes)
  }

  getBytes(name: string): Uint8Array | null | undefined {
    for (const header of this.#list) if (header.key === name) return header.value
    return undefined
  }

  /** All values of that name, in order. */
  getAll(name: string): (string | null)[] {
    const values: (string | null)[] = []
    for (const { key, value } of this.#list) {
      if (key === name) values.push(value === null ? null : utf8Decode(value))
    }
    return values
  }

  has(name: string): boolean {
    return this.getBytes(name) !== undefined
  }

  *[Symbol.iterator](): Iterator<readonly [string, Uint8Array | null]> {
    for (const { key, value } of this.#list) yield [key, value]
  }
}
