/** Fields of a fixed width: numbers, booleans and UUIDs. */
import type { MessageReader } from '../message-reader.ts'
import type { MessageWriter } from '../message-writer.ts'
import { type Field, type FieldOptions, fieldOf, type Type } from './layout.ts'

const scalar = <T>(
  fallback: T,
  bytesMin: number,
  read: (reader: MessageReader) => T,
  write: (writer: MessageWriter, value: T) => void,
): Type<T> => {
  const compiled = { bytesMin, read, write }
  return { fallback, compile: () => compiled }
}

const numberOf = (
  bytesMin: number,
  read: (reader: MessageReader) => number,
  write: (writer: MessageWriter, value: number) => void,
): Type<number> => scalar(0, bytesMin, read, write)

export const int8Type: Type<number> = numberOf(
  1,
  (reader) => reader.int8(),
  (writer, value) => void writer.int8(value),
)

export const int16Type: Type<number> = numberOf(
  2,
  (reader) => reader.int16(),
  (writer, value) => void writer.int16(value),
)

export const uint16Type: Type<number> = numberOf(
  2,
  (reader) => reader.uint16(),
  (writer, value) => void writer.uint16(value),
)

export const int32Type: Type<number> = numberOf(
  4,
  (reader) => reader.int32(),
  (writer, value) => void writer.int32(value),
)

/** A JavaScript number: what is beyond 2^53 is refused, not rounded. */
export const int64Type: Type<number> = numberOf(
  8,
  (reader) => reader.int64(),
  (writer, value) => void writer.int64(value),
)

export const booleanType: Type<boolean> = scalar(
  false,
  1,
  (reader) => reader.uint8() !== 0,
  (writer, value) => void writer.uint8(value ? 1 : 0),
)

export const NO_UUID = '00000000-0000-0000-0000-000000000000'
const UUID_BYTES = 16
const HYPHENS_BEFORE = new Set([4, 6, 8, 10])

const readUuid = (reader: MessageReader): string => {
  let text = ''
  for (const [index, byte] of reader.bytes(UUID_BYTES).entries()) {
    if (HYPHENS_BEFORE.has(index)) text += '-'
    text += byte.toString(16).padStart(2, '0')
  }
  return text
}

const writeUuid = (writer: MessageWriter, uuid: string): void => {
  const digits = uuid.replaceAll('-', '')
  for (let at = 0; at < UUID_BYTES * 2; at += 2)
    writer.uint8(parseInt(digits.slice(at, at + 2), 16))
}

export const uuidType: Type<string> = scalar(NO_UUID, UUID_BYTES, readUuid, writeUuid)

type NumberField = (options?: FieldOptions<number>) => Field<number>

export const int8: NumberField = (options) => fieldOf(int8Type, options)
export const int16: NumberField = (options) => fieldOf(int16Type, options)
export const uint16: NumberField = (options) => fieldOf(uint16Type, options)
export const int32: NumberField = (options) => fieldOf(int32Type, options)
export const int64: NumberField = (options) => fieldOf(int64Type, options)
export const boolean = (options?: FieldOptions<boolean>): Field<boolean> =>
  fieldOf(booleanType, options)
export const uuid = (options?: FieldOptions<string>): Field<string> => fieldOf(uuidType, options)
