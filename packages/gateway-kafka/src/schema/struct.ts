/**
 * Structs and arrays of them, and the tagged fields at the end of a struct in flexible versions:
 *
 * ```
 *   +--------+--------+-- … --+------------+  +--------+---------+------+
 *   | field  | field  |       | uvarint    |  | uvarint| uvarint | data |  …
 *   |        |        |       | tag count  |  | tag    | bytes   |      |
 *   +--------+--------+-- … --+------------+  +--------+---------+------+
 * ```
 * Tags ascend; one that this table does not know is skipped.
 */
import type { MessageReader } from '../message-reader.ts'
import { MessageWriter } from '../message-writer.ts'
import {
  type Compiled,
  type Field,
  type FieldOptions,
  fieldOf,
  hasField,
  type Layout,
  type Type,
} from './layout.ts'
import { bytesLength, checkCount } from './lengths.ts'
import type { NullableOptions } from './texts.ts'

export type Shape<T> = { readonly [K in keyof Required<T>]: Field<T[K]> }
type Values = Record<string, unknown>

/** The fields in the order in which the message has them. */
export interface StructType<T> {
  compile(layout: Layout): Compiled<T>
}

interface TaggedField {
  readonly name: string
  readonly tag: number
  readonly fallback: unknown
  readonly codec: Compiled<unknown>
}

export const struct = <T extends object>(shape: Shape<T>): StructType<T> => ({
  compile: (layout) => compileStruct<T>(Object.entries<Field<unknown>>(shape), layout),
})

const compileStruct = <T extends object>(
  fields: readonly (readonly [string, Field<unknown>])[],
  layout: Layout,
): Compiled<T> => {
  const present = fields.filter(([, field]) => hasField(field, layout.version))
  const plain = present.filter(([, field]) => field.tag === undefined)
  const names = plain.map(([name]) => name)
  const codecs = plain.map(([, field]) => field.type.compile(layout))
  const tags = layout.isFlexible ? compileTags(present, layout) : undefined
  // Every message of a struct has all its fields, in one order: one hidden class.
  const template: Values = Object.fromEntries(fields.map(([name, field]) => [name, field.fallback]))
  const count = names.length
  return {
    bytesMin: codecs.reduce((sum, { bytesMin }) => sum + bytesMin, tags === undefined ? 0 : 1),
    read: (reader) => {
      const values = { ...template }
      for (let index = 0; index < count; index++) {
        values[names[index] as string] = (codecs[index] as Compiled<unknown>).read(reader)
      }
      if (tags !== undefined) readTags(reader, tags, values)
      return values as T
    },
    write: (writer, message) => {
      const values = message as Values
      for (let index = 0; index < count; index++) {
        const codec = codecs[index] as Compiled<unknown>
        codec.write(writer, values[names[index] as string])
      }
      if (tags !== undefined) writeTags(writer, tags, values)
    },
  }
}

const compileTags = (
  fields: readonly (readonly [string, Field<unknown>])[],
  layout: Layout,
): readonly TaggedField[] =>
  fields
    .flatMap(([name, { tag, fallback, type }]) =>
      tag === undefined ? [] : [{ name, tag, fallback, codec: type.compile(layout) }],
    )
    .sort((left, right) => left.tag - right.tag)

const TAGGED_BYTES_MIN = 2

const readTags = (reader: MessageReader, fields: readonly TaggedField[], values: Values): void => {
  const count = checkCount(reader, reader.uvarint(), false, TAGGED_BYTES_MIN)
  let previous = -1
  for (let index = 0; index < count; index++) {
    const tag = reader.uvarint()
    if (tag <= previous) reader.fail(`tag ${tag} follows tag ${previous}`)
    previous = tag
    const bytes = reader.uvarint()
    if (bytes > reader.remaining) reader.fail(`tag ${tag} claims ${bytes} bytes`)
    const end = reader.position + bytes
    const field = fields.find((known) => known.tag === tag)
    if (field === undefined) reader.skip(bytes)
    else values[field.name] = field.codec.read(reader)
    if (reader.position !== end) reader.fail(`tag ${tag} is not as long as it claims`)
  }
}

/** A struct's tagged fields are skipped by the header codecs too. */
export const skipTags = (reader: MessageReader): void => readTags(reader, NO_TAGS, {})
const NO_TAGS: readonly TaggedField[] = []

const writeTags = (writer: MessageWriter, fields: readonly TaggedField[], values: Values): void => {
  const sent = fields.filter(({ name, fallback }) => values[name] !== fallback)
  writer.uvarint(sent.length)
  for (const { name, tag, codec } of sent) {
    const part = new MessageWriter()
    codec.write(part, values[name])
    writer.uvarint(tag).uvarint(part.position)
    writer.bytes(part.bytesWritten())
  }
}

/** A struct inside a struct; null where it is absent. */
export const nested = <T extends object>(
  type: StructType<T>,
  options?: FieldOptions<T | null>,
): Field<T | null> =>
  fieldOf<T | null>(
    { fallback: null, compile: (layout) => type.compile(layout) as Compiled<T | null> },
    options,
  )

interface Element<T> {
  compile(layout: Layout): Compiled<T>
}

const compileArray = <T>(element: Element<T>, layout: Layout, isNullable: boolean) => {
  const length = bytesLength(layout)
  const { bytesMin, read, write } = element.compile(layout)
  const elementBytesMin = Math.max(bytesMin, 1)
  return {
    bytesMin: length.bytes,
    read: (reader: MessageReader): readonly T[] | null => {
      const count = checkCount(reader, length.read(reader), isNullable, elementBytesMin)
      if (count < 0) return null
      const values: T[] = []
      for (let index = 0; index < count; index++) values.push(read(reader))
      return values
    },
    write: (writer: MessageWriter, values: readonly T[] | null): void => {
      if (values === null && !isNullable) {
        throw new TypeError('an array is null in a version that cannot say so')
      }
      length.write(writer, values === null ? -1 : values.length)
      for (const value of values ?? []) write(writer, value)
    },
  }
}

export const array = <T>(
  element: Element<T>,
  options?: FieldOptions<readonly T[]>,
): Field<readonly T[]> => {
  const type: Type<readonly T[]> = {
    fallback: [],
    compile: (layout) => compileArray(element, layout, false) as Compiled<readonly T[]>,
  }
  return fieldOf(type, options)
}

export const nullableArray = <T>(
  element: Element<T>,
  options: NullableOptions<readonly T[] | null> = {},
): Field<readonly T[] | null> => {
  const { nullableSince = 0 } = options
  const type: Type<readonly T[] | null> = {
    fallback: null,
    compile: (layout) => compileArray(element, layout, layout.version >= nullableSince),
  }
  return fieldOf(type, options)
}
