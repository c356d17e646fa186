/**
 * Readers and writers of methods, arranged once from the rows of `method-table.ts`.
 *
 * ```
 *    0          2           4
 *   +----------+-----------+--------- … ---------+
 *   | class id | method id | fields in order     |
 *   +----------+-----------+--------- … ---------+
 * ```
 * Bits that follow one another share an octet, the first of them lowest. What travels with every
 * message (publish, deliver, ack) is read and written by hand beside the channel; these serve the rest.
 */
import type { ByteReader } from '@millrace/codec'
import { type ByteWriter, isUtf8, utf8Decode, utf8Encode } from '@millrace/codec'
import { SHORT_STRING_BYTES_MAX } from '../limits.ts'
import { type FieldTable, readFieldTable, writeFieldTable } from './field-table.ts'
import {
  type FieldKind,
  type MethodDefinition,
  type MethodName,
  methodTable,
} from './method-table.ts'

interface KindValues {
  octet: number
  short: number
  long: number
  longlong: number
  bit: boolean
  shortstr: string
  longstr: Uint8Array
  table: FieldTable
}

type Table = typeof methodTable

/** What a method carries. */
export type MethodFields<Name extends MethodName> = {
  readonly [Field in keyof Table[Name]['fields']]: KindValues[Table[Name]['fields'][Field] &
    FieldKind]
}

export interface Method {
  readonly name: MethodName
  readonly classId: number
  readonly methodId: number
  readonly definition: MethodDefinition
}

/** Class and method in one number. */
export const methodKey = (classId: number, methodId: number): number =>
  classId * 0x1_0000 + methodId

type Values = Record<string, unknown>

/** A field, or a row of bits. */
interface Piece {
  read(reader: ByteReader, into: Values): void
  write(writer: ByteWriter, from: Readonly<Values>): void
}

const readShortString = (reader: ByteReader): string => {
  const bytes = reader.bytes(reader.uint8())
  if (!isUtf8(bytes)) reader.fail('a text is not UTF-8')
  return utf8Decode(bytes)
}

/** Texts of ours that do not fit are cut at a character: they are for people. */
export const shortStringBytes = (text: string): Uint8Array => {
  const bytes = utf8Encode(text)
  if (bytes.length <= SHORT_STRING_BYTES_MAX) return bytes
  let end = SHORT_STRING_BYTES_MAX
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

const writeShortString = (writer: ByteWriter, text: string): void => {
  const bytes = shortStringBytes(text)
  writer.uint8(bytes.length).bytes(bytes)
}

type KindCodec<Kind extends FieldKind> = {
  read(reader: ByteReader): KindValues[Kind]
  write(writer: ByteWriter, value: KindValues[Kind]): void
}

/** `longlong` is a number: tags that we give out are, and one beyond 2^53 is none of them. */
const kindCodecs: { readonly [Kind in Exclude<FieldKind, 'bit'>]: KindCodec<Kind> } = {
  octet: { read: (from) => from.uint8(), write: (to, value) => to.uint8(value) },
  short: { read: (from) => from.uint16(), write: (to, value) => to.uint16(value) },
  long: { read: (from) => from.uint32(), write: (to, value) => to.uint32(value) },
  longlong: {
    read: (from) => from.uint32() * 0x1_0000_0000 + from.uint32(),
    write: (to, value) => to.uint64(value),
  },
  shortstr: { read: readShortString, write: writeShortString },
  longstr: {
    read: (from) => from.bytes(from.uint32()).slice(),
    write: (to, value) => to.uint32(value.length).bytes(value),
  },
  table: { read: (from) => readFieldTable(from), write: writeFieldTable },
}

const fieldPiece = (name: string, kind: Exclude<FieldKind, 'bit'>): Piece => {
  const { read, write } = kindCodecs[kind] as KindCodec<FieldKind>
  return {
    read: (reader, into) => void (into[name] = read(reader)),
    write: (writer, from) => write(writer, from[name] as never),
  }
}

/** Up to eight in a row; no method has more. */
const bitsPiece = (names: readonly string[]): Piece => ({
  read: (reader, into) => {
    const octet = reader.uint8()
    names.forEach((name, bit) => (into[name] = (octet & (1 << bit)) !== 0))
  },
  write: (writer, from) => {
    const octet = names.reduce((bits, name, bit) => bits | (from[name] === true ? 1 << bit : 0), 0)
    writer.uint8(octet)
  },
})

const arrange = (fields: Readonly<Record<string, FieldKind>>): readonly Piece[] => {
  const pieces: Piece[] = []
  let bits: string[] = []
  for (const [name, kind] of Object.entries(fields)) {
    if (kind !== 'bit') {
      pieces.push(fieldPiece(name, kind))
      bits = []
      continue
    }
    // The piece has the list itself, which grows while bits follow one another.
    if (bits.length === 0) pieces.push(bitsPiece(bits))
    bits.push(name)
  }
  return pieces
}

class MethodCodec implements Method {
  readonly name: MethodName
  readonly classId: number
  readonly methodId: number
  readonly definition: MethodDefinition
  readonly #pieces: readonly Piece[]

  constructor(name: MethodName, definition: MethodDefinition) {
    this.name = name
    this.classId = definition.classId
    this.methodId = definition.methodId
    this.definition = definition
    this.#pieces = arrange(definition.fields)
  }

  read(reader: ByteReader): Readonly<Values> {
    const values: Values = {}
    for (const piece of this.#pieces) piece.read(reader, values)
    return values
  }

  write(writer: ByteWriter, values: Readonly<Values>): void {
    writer.uint16(this.classId).uint16(this.methodId)
    for (const piece of this.#pieces) piece.write(writer, values)
  }
}

const codecs: ReadonlyMap<MethodName, MethodCodec> = new Map(
  Object.entries(methodTable).map(([name, definition]) => [
    name as MethodName,
    new MethodCodec(name as MethodName, definition),
  ]),
)

const codecsByKey: ReadonlyMap<number, MethodCodec> = new Map(
  [...codecs.values()].map((codec) => [methodKey(codec.classId, codec.methodId), codec]),
)

/** `undefined`: there is no such method. */
export const findMethod = (classId: number, methodId: number): Method | undefined =>
  codecsByKey.get(methodKey(classId, methodId))

/**
 * The fields of a method, after its ids. Throws ERR_MALFORMED_BODY. Bytes that follow the fields are
 * left alone, as RabbitMQ leaves them.
 */
export const readMethod = <Name extends MethodName>(
  name: Name,
  reader: ByteReader,
): MethodFields<Name> => codecOf(name).read(reader) as MethodFields<Name>

/** Ids and fields. */
export const writeMethod = <Name extends MethodName>(
  writer: ByteWriter,
  name: Name,
  fields: MethodFields<Name>,
): void => codecOf(name).write(writer, fields)

const codecOf = (name: MethodName): MethodCodec => {
  const codec = codecs.get(name)
  if (codec === undefined) throw new Error(`no method ${name}`)
  return codec
}
