/**
 * What a field is made of. A type is compiled once for every version of a message; what comes out
 * reads and writes without looking at versions again.
 */
import type { MessageReader } from '../message-reader.ts'
import type { MessageWriter } from '../message-writer.ts'

/** The circumstances a type is compiled for. */
export interface Layout {
  readonly version: number
  /** Flexible versions have compact lengths, and tagged fields after every struct. */
  readonly isFlexible: boolean
}

export interface Compiled<T> {
  /** The fewest bytes a value takes: an array's count is held against it before it is believed. */
  readonly bytesMin: number
  read(reader: MessageReader): T
  write(writer: MessageWriter, value: T): void
}

export interface Type<T> {
  /** What a field of this type holds in a version that does not have it. */
  readonly fallback: T
  compile(layout: Layout): Compiled<T>
}

export interface FieldOptions<T> {
  /** The first version with the field, 0 by default. */
  readonly since?: number
  /** The last version with the field. */
  readonly until?: number
  /** Among the tagged fields under this number: sent only when it differs from the fallback. */
  readonly tag?: number
  readonly fallback?: T
}

export interface Field<T> {
  readonly type: Type<T>
  readonly since: number
  readonly until: number
  readonly tag: number | undefined
  readonly fallback: T
}

export const fieldOf = <T>(type: Type<T>, options: FieldOptions<T> = {}): Field<T> => ({
  type,
  since: options.since ?? 0,
  until: options.until ?? Infinity,
  tag: options.tag,
  fallback: options.fallback ?? type.fallback,
})

export const hasField = (field: Field<unknown>, version: number): boolean =>
  version >= field.since && version <= field.until
