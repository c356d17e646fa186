/** Fields of a variable width: strings, bytes and record batches. */
import { isUtf8, utf8Length } from '@millrace/codec'
import type { ReadLease } from '@millrace/core'
import type { MessageReader } from '../message-reader.ts'
import type { MessageWriter } from '../message-writer.ts'
import { type Field, type FieldOptions, fieldOf, type Layout, type Type } from './layout.ts'
import { bytesLength, checkLength, checkStringLength, stringLength } from './lengths.ts'

const REPLACEMENT = '\ufffd'

/** A name must come out as it went in: bytes that are no UTF-8 are refused. */
const readUtf8 = (reader: MessageReader, length: number): string => {
  const start = reader.position
  const text = reader.utf8(length)
  if (!text.includes(REPLACEMENT)) return text
  reader.position = start
  if (!isUtf8(reader.bytes(length))) reader.fail('a string is not UTF-8')
  return text
}

/** Throws for a null that the version has no room for: a bug of ours, never of a peer. */
const refuseNull = (what: string): never => {
  throw new TypeError(`${what} is null in a version that cannot say so`)
}

const compileString = (layout: Layout, isNullable: boolean) => {
  const length = stringLength(layout)
  return {
    bytesMin: length.bytes,
    read: (reader: MessageReader): string | null => {
      const count = checkStringLength(reader, length.read(reader), isNullable)
      return count < 0 ? null : readUtf8(reader, count)
    },
    write: (writer: MessageWriter, value: string | null): void => {
      if (value === null) {
        if (!isNullable) refuseNull('a string')
        length.write(writer, -1)
        return
      }
      length.write(writer, utf8Length(value))
      writer.utf8(value)
    },
  }
}

export const stringType: Type<string> = {
  fallback: '',
  compile: (layout) => compileString(layout, false) as ReturnType<Type<string>['compile']>,
}

const compileBytes = (layout: Layout, isNullable: boolean, isView: boolean) => {
  const length = bytesLength(layout)
  return {
    bytesMin: length.bytes,
    read: (reader: MessageReader): Uint8Array | null => {
      const count = checkLength(reader, length.read(reader), isNullable, 'byte string')
      if (count < 0) return null
      const view = reader.bytes(count)
      return isView ? view : new Uint8Array(view)
    },
    write: (writer: MessageWriter, value: Uint8Array | ReadLease | null): void => {
      if (value === null) {
        if (!isNullable) refuseNull('a byte string')
        length.write(writer, -1)
      } else if (value instanceof Uint8Array) {
        length.write(writer, value.length)
        writer.bytes(value)
      } else {
        length.write(writer, value.byteLength)
        writer.lease(value)
      }
    },
  }
}

const bytesType: Type<Uint8Array> = {
  fallback: new Uint8Array(0),
  compile: (layout) =>
    compileBytes(layout, false, false) as ReturnType<Type<Uint8Array>['compile']>,
}

/**
 * Record batches. Read they are a view of the request, never a copy; written they may be a lease,
 * whose bytes never pass through the writer.
 */
export type Records = Uint8Array | ReadLease | null

const recordsType: Type<Records> = {
  fallback: null,
  compile: (layout) => compileBytes(layout, true, true),
}

export const string = (options?: FieldOptions<string>): Field<string> =>
  fieldOf(stringType, options)

export const bytes = (options?: FieldOptions<Uint8Array>): Field<Uint8Array> =>
  fieldOf(bytesType, options)

export const records = (options?: FieldOptions<Records>): Field<Records> =>
  fieldOf(recordsType, options)

export interface NullableOptions<T> extends FieldOptions<T> {
  /** The first version in which the value may be null; before it, null cannot be written. */
  readonly nullableSince?: number
}

/** Null by default. */
export const nullableString = (
  options: NullableOptions<string | null> = {},
): Field<string | null> => {
  const { nullableSince = 0 } = options
  const type: Type<string | null> = {
    fallback: null,
    compile: (layout) => compileString(layout, layout.version >= nullableSince),
  }
  return fieldOf(type, options)
}
