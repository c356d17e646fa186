/**
 * Between AMQP's properties and the neutral headers that all protocols share, both ways. Which
 * property is which header stands in the column `amqp` of the message model; a test walks it.
 *
 * From AMQP everything arrives but the types of header values, which become text. Back, what fits no
 * property stands among the headers. A block that AMQP cannot be restored from is kept beside them.
 */
import { isUtf8, type RecordHeader, reservedHeaders, utf8Decode, utf8Encode } from '@millrace/codec'
import type { PropertyFormat } from '@millrace/core'
import type { Field, FieldValue } from './codec/field-table.ts'
import { BlockWriter, changeBlock, headersOf } from './codec/property-block.ts'
import { Property, PropertyScan } from './codec/property-scan.ts'
import { DEATH_HEADER } from './dead-letter-headers.ts'
import { DELAY_HEADER, negateDelay } from './delay-header.ts'
import { deathsFromJson, deathsToJson } from './dead-letter-json.ts'
import { canonicalText, fieldText, isPlainField } from './field-text.ts'
import { SHORT_STRING_BYTES_MAX } from './limits.ts'

const NAME_BYTES_MAX = 255
const RESERVED_PREFIX = 'mr-'
const PERSISTENT = 2
const TRANSIENT = 1
const DECIMAL = /^\d{1,15}$/
/** A delay that was waited for is below zero. */
const SIGNED_DECIMAL = /^-?\d{1,15}$/
export const DELIVERY_COUNT_HEADER = 'x-delivery-count'

/** Properties that are texts on both sides. */
const textProperties: ReadonlyMap<string, Property> = new Map([
  [reservedHeaders.contentType.name, Property.CONTENT_TYPE],
  [reservedHeaders.contentEncoding.name, Property.CONTENT_ENCODING],
  [reservedHeaders.correlationId.name, Property.CORRELATION_ID],
  [reservedHeaders.replyTo.name, Property.REPLY_TO],
  [reservedHeaders.expiry.name, Property.EXPIRATION],
  [reservedHeaders.messageId.name, Property.MESSAGE_ID],
  [reservedHeaders.type.name, Property.TYPE],
  [reservedHeaders.userId.name, Property.USER_ID],
  [reservedHeaders.appId.name, Property.APP_ID],
])

const headersByProperty: ReadonlyMap<Property, string> = new Map(
  [...textProperties].map(([name, property]) => [property, name]),
)

/** Headers that are a protocol's own in AMQP too and pass as they are. */
const passingNames: ReadonlySet<string> = new Set(
  Object.values(reservedHeaders)
    .filter(({ name, amqp }) => name === amqp)
    .map(({ name }) => name),
)

const text = (value: string | number | bigint): Uint8Array => utf8Encode(String(value))

/** Not to be taken from a client: it would speak for the broker, or for another property. */
const isForged = (name: string): boolean =>
  name.startsWith(RESERVED_PREFIX) && !passingNames.has(name)

/** Everything a block says, as neutral headers. Throws ERR_MALFORMED_BODY. */
export const toNeutralHeaders = (block: Uint8Array): readonly RecordHeader[] => {
  const scan = new PropertyScan()
  scan.scan(block)
  return neutralHeadersOf(scan)
}

/** What a headers exchange compares of a block. */
export const toMatchHeaders = (block: Uint8Array): ReadonlyMap<string, string> => {
  const scan = new PropertyScan()
  scan.scan(block)
  return new Map(headersOf(scan).map(({ name, value }) => [name, canonicalText(value)]))
}

export const amqpPropertyFormat: PropertyFormat = {
  toHeaders: toNeutralHeaders,
  toMatchHeaders,
  negateDelay,
}

export const neutralHeadersOf = (scan: PropertyScan): RecordHeader[] => {
  const headers: RecordHeader[] = []
  for (const [property, key] of headersByProperty) {
    if (scan.has(property)) headers.push({ key, value: scan.raw(property).slice(1) })
  }
  if (scan.has(Property.PRIORITY)) {
    headers.push({
      key: reservedHeaders.priority.name,
      value: text(scan.octet(Property.PRIORITY, 0)),
    })
  }
  if (scan.has(Property.DELIVERY_MODE)) {
    const isPersistent = scan.octet(Property.DELIVERY_MODE, TRANSIENT) === PERSISTENT
    headers.push({ key: reservedHeaders.persistence.name, value: text(isPersistent ? 1 : 0) })
  }
  if (scan.has(Property.TIMESTAMP)) {
    const seconds = Buffer.from(scan.raw(Property.TIMESTAMP)).readBigUInt64BE()
    headers.push({ key: reservedHeaders.publishTimestamp.name, value: text(seconds * 1_000n) })
  }
  for (const field of headersOf(scan)) {
    const header = neutralHeader(field)
    if (header !== undefined) headers.push(header)
  }
  return headers
}

const neutralHeader = ({ name, value }: Field): RecordHeader | undefined => {
  if (name === 'BCC' || isForged(name)) return undefined
  if (name === DEATH_HEADER) {
    const json = deathsToJson(value)
    return json === undefined
      ? undefined
      : { key: reservedHeaders.deadLetterHistory.name, value: text(json) }
  }
  const key =
    name === DELIVERY_COUNT_HEADER
      ? reservedHeaders.deliveryCount.name
      : name === DELAY_HEADER
        ? reservedHeaders.delay.name
        : name
  return { key, value: fieldText(value) }
}

/** Whether a way through neutral headers would change what an AMQP client reads. */
export const losesTypes = (scan: PropertyScan): boolean =>
  scan.has(Property.CLUSTER_ID) || headersOf(scan).some(({ value }) => !isPlainField(value))

/** For a message that came by another protocol, or through a topic. */
export const toPropertyBlock = (headers: readonly RecordHeader[]): Uint8Array =>
  restoredBlock(headers) ?? translatedBlock(headers)

/** The block that the publisher made, when it came along and is sound. */
const restoredBlock = (headers: readonly RecordHeader[]): Uint8Array | undefined => {
  const block = findHeader(headers, reservedHeaders.propertyBlock.name)
  if (block === undefined || block === null) return undefined
  const scan = new PropertyScan()
  try {
    scan.scan(block)
  } catch {
    // Whoever wrote the record made it up: the other headers say what there is to say.
    return undefined
  }
  return scan.hasBlindCopies ? changeBlock(scan, { dropHeaders: ['BCC'] }) : block
}

export const findHeader = (
  headers: readonly RecordHeader[],
  key: string,
): Uint8Array | null | undefined => headers.find((header) => header.key === key)?.value

interface Collected {
  readonly properties: Map<Property, Uint8Array | number>
  readonly fields: Field[]
}

const translatedBlock = (headers: readonly RecordHeader[]): Uint8Array => {
  const collected: Collected = { properties: new Map(), fields: [] }
  for (const header of headers) collect(collected, header)
  const { properties, fields } = collected
  const block = new BlockWriter()
  for (const property of Object.values(Property)) {
    if (property === Property.HEADERS) {
      if (fields.length > 0) block.headers([], fields)
      continue
    }
    const value = properties.get(property)
    if (value === undefined) continue
    if (typeof value !== 'number') block.text(property, value)
    else if (property === Property.TIMESTAMP) block.timestamp(value)
    else block.octet(property, value)
  }
  return block.finish()
}

/** The first of several headers is the property; a value that does not fit stands among the headers. */
const collect = ({ properties, fields }: Collected, { key, value }: RecordHeader): void => {
  if (notCarried.has(key)) return
  const bytes = value ?? undefined
  const property = textProperties.get(key)
  const fits = bytes !== undefined && bytes.length <= SHORT_STRING_BYTES_MAX
  if (property !== undefined && fits && !properties.has(property)) {
    properties.set(property, bytes)
    return
  }
  const translate = bytes === undefined ? undefined : translated.get(key)
  const outcome = translate?.(utf8Decode(bytes as Uint8Array))
  if (outcome === undefined) {
    if (utf8Encode(key).length <= NAME_BYTES_MAX) fields.push({ name: key, value: asField(bytes) })
  } else if ('property' in outcome) {
    if (!properties.has(outcome.property)) properties.set(outcome.property, outcome.value)
  } else {
    fields.push(outcome)
  }
}

/** They say where a message is delivered from, not what it carries. */
const notCarried: ReadonlySet<string> = new Set([
  reservedHeaders.exchange.name,
  reservedHeaders.routingKey.name,
  reservedHeaders.propertyBlock.name,
])

type Translated = Field | { readonly property: Property; readonly value: number }

const decimal = (value: string, form = DECIMAL): number | undefined =>
  form.test(value) ? Number(value) : undefined

const octetOf =
  (property: Property, toOctet: (value: number) => number) =>
  (value: string): Translated | undefined => {
    const number = decimal(value)
    return number === undefined ? undefined : { property, value: toOctet(number) }
  }

const longField =
  (name: string, form = DECIMAL) =>
  (value: string): Translated | undefined => {
    const number = decimal(value, form)
    return number === undefined ? undefined : { name, value: { type: 'l', value: BigInt(number) } }
  }

const translated: ReadonlyMap<string, (value: string) => Translated | undefined> = new Map([
  [
    reservedHeaders.priority.name,
    octetOf(Property.PRIORITY, (priority) => Math.min(priority, 255)),
  ],
  [
    reservedHeaders.persistence.name,
    octetOf(Property.DELIVERY_MODE, (one) => (one === 1 ? PERSISTENT : TRANSIENT)),
  ],
  [
    reservedHeaders.publishTimestamp.name,
    octetOf(Property.TIMESTAMP, (ms) => Math.floor(ms / 1_000)),
  ],
  [reservedHeaders.deliveryCount.name, longField(DELIVERY_COUNT_HEADER)],
  [reservedHeaders.delay.name, longField(DELAY_HEADER, SIGNED_DECIMAL)],
  [
    reservedHeaders.deadLetterHistory.name,
    (json: string): Translated | undefined => {
      const value = deathsFromJson(json)
      return value === undefined ? undefined : { name: DEATH_HEADER, value }
    },
  ],
])

/** Bytes that are no text say so: clients decode texts. */
const asField = (bytes: Uint8Array | undefined): FieldValue => {
  if (bytes === undefined) return { type: 'V' }
  return { type: isUtf8(bytes) ? 'S' : 'x', value: bytes }
}
