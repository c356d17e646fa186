/**
 * Field tables: AMQP's named values with their types, as RabbitMQ and its clients write them.
 *
 * ```
 *   table   | bytes u32 | name length u8 | name | type | value | name length u8 | …
 *   list    | bytes u32 | type | value | type | value | …
 *   text    | bytes u32 | …
 *   decimal | scale u8  | value i32 |
 * ```
 * A value keeps its type, and 64-bit integers are bigints, so that what was read is written as it was.
 * Nesting is limited; a length is compared with what is left before anything is made of it.
 */
import type { ByteReader } from '@millrace/codec'
import { type ByteWriter, utf8Encode } from '@millrace/codec'
import { FIELD_DEPTH_MAX } from '../limits.ts'

export type NumberType = 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'f' | 'd'

export type FieldValue =
  | { readonly type: 't'; readonly value: boolean }
  /** Signed and unsigned integers of 8, 16 and 32 bits, float and double. */
  | { readonly type: NumberType; readonly value: number }
  /** Signed and unsigned integers of 64 bits, seconds since 1970. */
  | { readonly type: 'l' | 'L' | 'T'; readonly value: bigint }
  | { readonly type: 'D'; readonly scale: number; readonly value: number }
  /** Text, which need not be UTF-8, and bytes. */
  | { readonly type: 'S'; readonly value: Uint8Array }
  | { readonly type: 'x'; readonly value: Uint8Array }
  | { readonly type: 'A'; readonly value: readonly FieldValue[] }
  | { readonly type: 'F'; readonly value: FieldTable }
  | { readonly type: 'V' }

export type FieldType = FieldValue['type']

export interface Field {
  readonly name: string
  readonly value: FieldValue
}

/** In the order of the wire; a name may come twice. */
export type FieldTable = readonly Field[]

const LENGTH_BYTES = 4

export const findField = (table: FieldTable, name: string): FieldValue | undefined =>
  table.find((field) => field.name === name)?.value

export const textField = (text: string): FieldValue => ({ type: 'S', value: utf8Encode(text) })

export const booleanField = (value: boolean): FieldValue => ({ type: 't', value })

export const readFieldTable = (reader: ByteReader, depth = 0): FieldTable => {
  const end = enter(reader, depth)
  const table: Field[] = []
  while (reader.position < end) {
    const name = reader.utf8(reader.uint8())
    table.push({ name, value: readFieldValue(reader, depth + 1) })
  }
  leave(reader, end)
  return table
}

const readList = (reader: ByteReader, depth: number): readonly FieldValue[] => {
  const end = enter(reader, depth)
  const values: FieldValue[] = []
  while (reader.position < end) values.push(readFieldValue(reader, depth + 1))
  leave(reader, end)
  return values
}

/** The position where the table or list ends. */
const enter = (reader: ByteReader, depth: number): number => {
  if (depth > FIELD_DEPTH_MAX) reader.fail(`tables are nested deeper than ${FIELD_DEPTH_MAX}`)
  const bytes = reader.uint32()
  if (bytes > reader.remaining) reader.fail(`a table of ${bytes} bytes, ${reader.remaining} left`)
  return reader.position + bytes
}

const leave = (reader: ByteReader, end: number): void => {
  if (reader.position !== end) reader.fail('a field reaches beyond its table')
}

const readInt64 = (reader: ByteReader): bigint => BigInt.asIntN(64, readUint64(reader))

const readUint64 = (reader: ByteReader): bigint =>
  (BigInt(reader.uint32()) << 32n) | BigInt(reader.uint32())

/** A copy: values outlive the frame they came in. */
const readBytes = (reader: ByteReader): Uint8Array => reader.bytes(reader.uint32()).slice()

type ReadValue = (reader: ByteReader, depth: number) => FieldValue

const readers: ReadonlyMap<number, ReadValue> = new Map(
  Object.entries({
    t: (from) => ({ type: 't', value: from.uint8() !== 0 }),
    b: (from) => ({ type: 'b', value: from.int8() }),
    B: (from) => ({ type: 'B', value: from.uint8() }),
    s: (from) => ({ type: 's', value: from.int16() }),
    u: (from) => ({ type: 'u', value: from.uint16() }),
    I: (from) => ({ type: 'I', value: from.int32() }),
    i: (from) => ({ type: 'i', value: from.uint32() }),
    l: (from) => ({ type: 'l', value: readInt64(from) }),
    L: (from) => ({ type: 'L', value: readUint64(from) }),
    f: (from) => ({ type: 'f', value: from.float32() }),
    d: (from) => ({ type: 'd', value: from.float64() }),
    D: (from) => ({ type: 'D', scale: from.uint8(), value: from.int32() }),
    S: (from) => ({ type: 'S', value: readBytes(from) }),
    x: (from) => ({ type: 'x', value: readBytes(from) }),
    A: (from, depth) => ({ type: 'A', value: readList(from, depth) }),
    T: (from) => ({ type: 'T', value: readUint64(from) }),
    F: (from, depth) => ({ type: 'F', value: readFieldTable(from, depth) }),
    V: () => ({ type: 'V' }),
  } satisfies Record<FieldType, ReadValue>).map(([type, read]) => [type.charCodeAt(0), read]),
)

export const readFieldValue = (reader: ByteReader, depth: number): FieldValue => {
  const type = reader.uint8()
  const read = readers.get(type)
  if (read === undefined) reader.fail(`there is no field type ${type}`)
  return read(reader, depth)
}

export const writeFieldTable = (writer: ByteWriter, table: FieldTable): void => {
  const at = writer.reserve(LENGTH_BYTES)
  for (const { name, value } of table) writeField(writer, name, value)
  writer.patchUint32(at, writer.position - at - LENGTH_BYTES)
}

export const writeField = (writer: ByteWriter, name: string, value: FieldValue): void => {
  const bytes = utf8Encode(name)
  writer.uint8(bytes.length).bytes(bytes)
  writeFieldValue(writer, value)
}

const writeList = (writer: ByteWriter, values: readonly FieldValue[]): void => {
  const at = writer.reserve(LENGTH_BYTES)
  for (const value of values) writeFieldValue(writer, value)
  writer.patchUint32(at, writer.position - at - LENGTH_BYTES)
}

const writeUint64 = (writer: ByteWriter, value: bigint): void => {
  const unsigned = BigInt.asUintN(64, value)
  writer.uint32(Number(unsigned >> 32n)).uint32(Number(unsigned & 0xffff_ffffn))
}

// eslint-disable-next-line complexity -- one case per type, flat
export const writeFieldValue = (writer: ByteWriter, field: FieldValue): void => {
  writer.uint8(field.type.charCodeAt(0))
  switch (field.type) {
    case 't':
      writer.uint8(field.value ? 1 : 0)
      return
    case 'b':
    case 'B':
      writer.uint8(field.value)
      return
    case 's':
    case 'u':
      writer.uint16(field.value)
      return
    case 'I':
    case 'i':
      writer.uint32(field.value)
      return
    case 'l':
    case 'L':
    case 'T':
      writeUint64(writer, field.value)
      return
    case 'f':
      writer.float32(field.value)
      return
    case 'd':
      writer.float64(field.value)
      return
    case 'D':
      writer.uint8(field.scale).uint32(field.value)
      return
    case 'S':
    case 'x':
      writer.uint32(field.value.length).bytes(field.value)
      return
    case 'A':
      writeList(writer, field.value)
      return
    case 'F':
      writeFieldTable(writer, field.value)
      return
    case 'V':
  }
}
