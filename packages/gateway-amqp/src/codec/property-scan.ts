/**
 * A message's property block, looked at where it lies: checked to its end, and where the properties
 * stand that the broker acts on. Makes no object; one scan serves all messages of a channel.
 *
 * ```
 *    0       2
 *   +-------+--------------------- … --+
 *   | flags | the properties it names  |   bit 15 is the first property, bit 2 the last,
 *   +-------+--------------------- … --+   bit 0 would mean that more flags follow
 * ```
 */
import { BrokerError, readUint16, readUint32, utf8Decode } from '@millrace/codec'
import { FIELD_DEPTH_MAX } from '../limits.ts'

/** In the order of the wire; the number is the place, and the flag is bit 15 minus it. */
export const Property = {
  CONTENT_TYPE: 0,
  CONTENT_ENCODING: 1,
  HEADERS: 2,
  DELIVERY_MODE: 3,
  PRIORITY: 4,
  CORRELATION_ID: 5,
  REPLY_TO: 6,
  EXPIRATION: 7,
  MESSAGE_ID: 8,
  TIMESTAMP: 9,
  TYPE: 10,
  USER_ID: 11,
  APP_ID: 12,
  CLUSTER_ID: 13,
} as const
export type Property = (typeof Property)[keyof typeof Property]

export const PROPERTIES_COUNT = 14
export const FLAGS_BYTES = 2
const TIMESTAMP_BYTES = 8
const LENGTH_BYTES = 4
/** Bits that name no property, and the one that says that more flags follow. */
const UNKNOWN_FLAGS = 0b11

export const flagOf = (property: Property): number => 1 << (15 - property)

const LETTER_B = 0x42
const LETTER_C = 0x43

export class PropertyScan {
  /** What was scanned; the positions are in it. */
  bytes: Uint8Array
  flags: number
  end: number
  /** A header of this name is there. */
  hasCopies: boolean
  hasBlindCopies: boolean
  /** Where each property begins, its length included, and ends. Meaningless for those not there. */
  readonly #from: Int32Array
  readonly #to: Int32Array

  constructor() {
    this.bytes = new Uint8Array(FLAGS_BYTES)
    this.flags = 0
    this.end = FLAGS_BYTES
    this.hasCopies = false
    this.hasBlindCopies = false
    this.#from = new Int32Array(PROPERTIES_COUNT)
    this.#to = new Int32Array(PROPERTIES_COUNT)
  }

  /** Throws ERR_MALFORMED_BODY. The bytes are kept until the next scan. */
  scan(bytes: Uint8Array): void {
    this.bytes = bytes
    this.hasCopies = false
    this.hasBlindCopies = false
    if (bytes.length < FLAGS_BYTES) fail('there are no property flags')
    this.flags = readUint16(bytes, 0)
    if ((this.flags & UNKNOWN_FLAGS) !== 0) fail('a property flag is not known')
    let at = FLAGS_BYTES
    for (let property = 0; property < PROPERTIES_COUNT; property++) {
      if ((this.flags & (0x8000 >>> property)) === 0) continue
      this.#from[property] = at
      at = this.#skip(property as Property, at)
      this.#to[property] = at
    }
    if (at !== bytes.length) fail('bytes follow the properties')
    this.end = at
  }

  has(property: Property): boolean {
    return (this.flags & flagOf(property)) !== 0
  }

  /** The property as it lies, its length in front. */
  raw(property: Property): Uint8Array {
    return this.bytes.subarray(this.#from[property], this.#to[property])
  }

  /** Of a property that is an octet, or what stands for a missing one. */
  octet(property: Property, missing: number): number {
    return this.has(property) ? (this.bytes[this.#from[property] as number] as number) : missing
  }

  /** Of a property that is a text; `undefined` without it. */
  text(property: Property): string | undefined {
    if (!this.has(property)) return undefined
    return utf8Decode(this.raw(property).subarray(1))
  }

  #skip(property: Property, at: number): number {
    if (property === Property.HEADERS) return this.#skipHeaders(at)
    if (property === Property.DELIVERY_MODE || property === Property.PRIORITY) {
      return bounded(at + 1, this.bytes.length)
    }
    if (property === Property.TIMESTAMP) return bounded(at + TIMESTAMP_BYTES, this.bytes.length)
    return skipShortString(this.bytes, at, this.bytes.length)
  }

  #skipHeaders(at: number): number {
    const { bytes } = this
    const end = tableEnd(bytes, at, bytes.length)
    let next = at + LENGTH_BYTES
    while (next < end) {
      this.#noteName(next)
      next = skipShortString(bytes, next, end)
      next = skipFieldValue(bytes, next, end, 1)
    }
    return end
  }

  #noteName(at: number): void {
    const { bytes } = this
    const length = bytes[at] as number
    if (length === 2) {
      if (bytes[at + 1] === LETTER_C && bytes[at + 2] === LETTER_C) this.hasCopies = true
    } else if (length === 3 && bytes[at + 1] === LETTER_B) {
      if (bytes[at + 2] === LETTER_C && bytes[at + 3] === LETTER_C) this.hasBlindCopies = true
    }
  }
}

function fail(reason: string): never {
  throw new BrokerError('ERR_MALFORMED_BODY', [reason])
}

const bounded = (next: number, end: number): number => {
  if (next > end) fail('a property reaches beyond the end')
  return next
}

const skipShortString = (bytes: Uint8Array, at: number, end: number): number => {
  if (at >= end) fail('a property reaches beyond the end')
  return bounded(at + 1 + (bytes[at] as number), end)
}

const tableEnd = (bytes: Uint8Array, at: number, end: number): number => {
  bounded(at + LENGTH_BYTES, end)
  return bounded(at + LENGTH_BYTES + readUint32(bytes, at), end)
}

/** Bytes of values whose size does not depend on them. */
const fixedSizes: Readonly<Record<string, number>> = {
  t: 1,
  b: 1,
  B: 1,
  s: 2,
  u: 2,
  I: 4,
  i: 4,
  l: 8,
  L: 8,
  f: 4,
  d: 8,
  D: 5,
  T: 8,
  V: 0,
}
const NOT_FIXED = 0xff
const sizeByType = new Uint8Array(256).fill(NOT_FIXED)
for (const [type, size] of Object.entries(fixedSizes)) sizeByType[type.charCodeAt(0)] = size

const TEXT_TYPE = 0x53
const BYTES_TYPE = 0x78
const LIST_TYPE = 0x41
const TABLE_TYPE = 0x46

/** A value with its type in front; the position behind it. */
export const skipFieldValue = (
  bytes: Uint8Array,
  at: number,
  end: number,
  depth: number,
): number => {
  if (at >= end) fail('a field reaches beyond its table')
  const type = bytes[at] as number
  const size = sizeByType[type] as number
  if (size !== NOT_FIXED) return bounded(at + 1 + size, end)
  if (type === TEXT_TYPE || type === BYTES_TYPE) return tableEnd(bytes, at + 1, end)
  if (type !== LIST_TYPE && type !== TABLE_TYPE) fail(`there is no field type ${type}`)
  return skipNested(bytes, at + 1, end, depth, type === TABLE_TYPE)
}

const skipNested = (
  bytes: Uint8Array,
  at: number,
  outerEnd: number,
  depth: number,
  isTable: boolean,
): number => {
  if (depth > FIELD_DEPTH_MAX) fail(`tables are nested deeper than ${FIELD_DEPTH_MAX}`)
  const end = tableEnd(bytes, at, outerEnd)
  let next = at + LENGTH_BYTES
  while (next < end) {
    if (isTable) next = skipShortString(bytes, next, end)
    next = skipFieldValue(bytes, next, end, depth + 1)
  }
  return end
}
