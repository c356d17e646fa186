/**
 * Property blocks that are made or changed: what is not changed is copied as it lies, so that types
 * and order survive. `property-scan.ts` draws the block.
 */
import { ByteReader, ByteWriter } from '@millrace/codec'
import {
  type Field,
  type FieldTable,
  type FieldValue,
  readFieldTable,
  writeField,
} from './field-table.ts'
import { shortStringBytes } from './methods.ts'
import {
  FLAGS_BYTES,
  flagOf,
  PROPERTIES_COUNT,
  Property,
  type PropertyScan,
  skipFieldValue,
} from './property-scan.ts'

const LENGTH_BYTES = 4

export interface BlockChange {
  /** Texts that a property has from now on; `undefined` takes it away. */
  readonly texts?: ReadonlyMap<Property, string | undefined>
  readonly dropHeaders?: readonly string[]
  /** What a header has instead of its value, where it stands. Of several with one name the first. */
  readonly replaceHeaders?: ReadonlyMap<string, FieldValue>
  /** They come after those that are there. */
  readonly addHeaders?: FieldTable
}

/** The headers of a message; empty without any. */
export const headersOf = (scan: PropertyScan): FieldTable =>
  scan.has(Property.HEADERS) ? readFieldTable(new ByteReader(scan.raw(Property.HEADERS))) : []

/** The block that was scanned, with changes. */
export const changeBlock = (scan: PropertyScan, change: BlockChange): Uint8Array => {
  const block = new BlockWriter(scan.end)
  for (let place = 0; place < PROPERTIES_COUNT; place++) {
    const property = place as Property
    if (property === Property.HEADERS) changeHeaders(block, scan, change)
    else if (change.texts?.has(property) === true) {
      const text = change.texts.get(property)
      if (text !== undefined) block.text(property, shortStringBytes(text))
    } else if (scan.has(property)) block.raw(property, scan.raw(property))
  }
  return block.finish()
}

const changeHeaders = (block: BlockWriter, scan: PropertyScan, change: BlockChange): void => {
  const { dropHeaders = [], addHeaders = [] } = change
  const replacements = new Map(change.replaceHeaders)
  const kept: Uint8Array[] = []
  if (scan.has(Property.HEADERS)) {
    const table = scan.raw(Property.HEADERS)
    const reader = new ByteReader(table, LENGTH_BYTES)
    while (reader.remaining > 0) {
      const from = reader.position
      const name = reader.utf8(reader.uint8())
      reader.position = skipFieldValue(table, reader.position, table.length, 1)
      const replacement = replacements.get(name)
      if (replacement !== undefined) {
        kept.push(fieldBytes(name, replacement))
        replacements.delete(name)
      } else if (!dropHeaders.includes(name)) kept.push(table.subarray(from, reader.position))
    }
  }
  if (kept.length + addHeaders.length > 0) block.headers(kept, addHeaders)
}

const fieldBytes = (name: string, value: FieldValue): Uint8Array => {
  const writer = new ByteWriter()
  writeField(writer, name, value)
  return writer.finish()
}

/** Properties are written in the order of their places. */
export class BlockWriter {
  readonly #writer: ByteWriter
  #flags: number

  constructor(capacity = 128) {
    this.#writer = new ByteWriter(capacity)
    this.#writer.reserve(FLAGS_BYTES)
    this.#flags = 0
  }

  /** As it lies in another block. */
  raw(property: Property, bytes: Uint8Array): this {
    this.#flags |= flagOf(property)
    this.#writer.bytes(bytes)
    return this
  }

  /** At most 255 bytes. */
  text(property: Property, bytes: Uint8Array): this {
    this.#flags |= flagOf(property)
    this.#writer.uint8(bytes.length).bytes(bytes)
    return this
  }

  octet(property: Property, value: number): this {
    this.#flags |= flagOf(property)
    this.#writer.uint8(value)
    return this
  }

  timestamp(seconds: number): this {
    this.#flags |= flagOf(Property.TIMESTAMP)
    this.#writer.uint64(seconds)
    return this
  }

  headers(raw: readonly Uint8Array[], fields: readonly Field[]): this {
    this.#flags |= flagOf(Property.HEADERS)
    const at = this.#writer.reserve(LENGTH_BYTES)
    for (const entry of raw) this.#writer.bytes(entry)
    for (const { name, value } of fields) writeField(this.#writer, name, value)
    this.#writer.patchUint32(at, this.#writer.position - at - LENGTH_BYTES)
    return this
  }

  finish(): Uint8Array {
    this.#writer.patchUint16(0, this.#flags)
    return this.#writer.finish()
  }
}
