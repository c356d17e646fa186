/**
 * Bytes of AMQP 0-9-1 for the tests: methods, properties and tables, read with their types and written
 * as a test says, right or wrong.
 *
 *     0      1         3          7                7 + size
 *     | type | channel | size u32 | payload ...     | 0xCE |
 */
import {
  type FieldType,
  type MethodSpec,
  methodNamed,
  methodNumbered,
  propertyFields,
} from './methods.ts'

/** A value of a table with its type's letter, where the plain value would not say it. */
export interface Typed {
  readonly as: string
  readonly value: unknown
}

export const typed = (as: string, value: unknown): Typed => ({ as, value })

export type Fields = Readonly<Record<string, unknown>>

export const FrameType = { METHOD: 1, HEADER: 2, BODY: 3, HEARTBEAT: 8 } as const
const FRAME_END = 0xce

const octets = (length: number, write: (bytes: Buffer) => unknown): Buffer => {
  const bytes = Buffer.alloc(length)
  write(bytes)
  return bytes
}

const u8 = (value: number): Buffer => Buffer.of(value & 0xff)
const u16 = (value: number): Buffer => octets(2, (bytes) => bytes.writeUInt16BE(value & 0xffff))
const u32 = (value: number): Buffer => octets(4, (bytes) => bytes.writeUInt32BE(value >>> 0))
const u64 = (value: number | bigint): Buffer =>
  octets(8, (bytes) => bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value))))

const shortString = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([u8(bytes.length), bytes])
}

const longString = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string)
  return Buffer.concat([u32(bytes.length), bytes])
}

const tagOf = (value: unknown): Typed => {
  if (value === null) return typed('V', value)
  if (typeof value === 'boolean') return typed('t', value)
  if (typeof value === 'number') return typed(Number.isInteger(value) ? 'I' : 'd', value)
  if (typeof value === 'string') return typed('S', value)
  if (Buffer.isBuffer(value)) return typed('x', value)
  if (Array.isArray(value)) return typed('A', value)
  if (typeof value === 'object' && 'as' in (value as object)) return value as Typed
  return typed('F', value)
}

const valueWriters: Readonly<Record<string, (value: never) => Buffer>> = {
  t: (value: boolean) => u8(value ? 1 : 0),
  b: (value: number) => u8(value),
  B: (value: number) => u8(value),
  s: (value: number) => u16(value),
  u: (value: number) => u16(value),
  I: (value: number) => u32(value),
  i: (value: number) => u32(value),
  l: (value: number) => u64(value),
  f: (value: number) => octets(4, (bytes) => bytes.writeFloatBE(value)),
  d: (value: number) => octets(8, (bytes) => bytes.writeDoubleBE(value)),
  D: ([scale, value]: [number, number]) => Buffer.concat([u8(scale), u32(value)]),
  S: longString,
  x: longString,
  T: (value: number) => u64(value),
  A: (list: readonly unknown[]) => longString(Buffer.concat(list.map(encodeValue))),
  F: (table: Fields) => encodeTable(table),
  V: () => Buffer.alloc(0),
}

/** An unknown letter is written with the bytes it was given. */
function encodeValue(value: unknown): Buffer {
  const { as, value: plain } = tagOf(value)
  const write = valueWriters[as] ?? ((bytes: Buffer) => bytes)
  return Buffer.concat([Buffer.from(as), write(plain as never)])
}

export function encodeTable(table: Fields | Buffer): Buffer {
  if (Buffer.isBuffer(table)) return longString(table)
  const entries = Object.entries(table).flatMap(([name, value]) => [
    shortString(name),
    encodeValue(value),
  ])
  return longString(Buffer.concat(entries))
}

const defaults: Readonly<Record<FieldType, unknown>> = {
  o: 0,
  s: 0,
  l: 0,
  L: 0,
  b: false,
  S: '',
  X: '',
  T: {},
  t: 0,
}

const fieldWriters: Readonly<Record<Exclude<FieldType, 'b'>, (value: never) => Buffer>> = {
  o: u8,
  s: u16,
  l: u32,
  L: u64,
  t: u64,
  S: shortString,
  X: longString,
  T: encodeTable,
}

/** Bits that follow each other share an octet, lowest first. */
export const encodeFields = (spec: MethodSpec['fields'], values: Fields): Buffer => {
  const parts: Buffer[] = []
  let bitCount = 0
  for (const [name, type] of spec) {
    const value = values[name] ?? defaults[type]
    if (type !== 'b') {
      parts.push(fieldWriters[type](value as never))
      bitCount = 0
      continue
    }
    if (bitCount % 8 === 0) parts.push(Buffer.of(0))
    const last = parts[parts.length - 1] as Buffer
    if (value === true) last[0] = (last[0] as number) | (1 << (bitCount % 8))
    bitCount++
  }
  return Buffer.concat(parts)
}

export const encodeMethod = (name: string, values: Fields = {}): Buffer => {
  const { classId, methodId, fields } = methodNamed(name)
  return Buffer.concat([u16(classId), u16(methodId), encodeFields(fields, values)])
}

/** The payload of a header frame. */
export const encodeHeader = (
  bodySize: number | bigint,
  properties: Fields = {},
  classId = 60,
): Buffer => {
  const present = propertyFields.filter(([name]) => properties[name] !== undefined)
  const flags = present.reduce((bits, field) => bits | (0x8000 >> propertyFields.indexOf(field)), 0)
  const head = [u16(classId), u16(0), u64(bodySize), u16(flags)]
  return Buffer.concat([...head, encodeFields(present, properties)])
}

export interface FrameChanges {
  /** Instead of the true one. */
  readonly size?: number
  readonly end?: number
}

export const encodeFrame = (
  type: number,
  channel: number,
  payload: Uint8Array,
  changes: FrameChanges = {},
): Buffer => {
  const head = [u8(type), u16(channel), u32(changes.size ?? payload.length)]
  return Buffer.concat([...head, payload, u8(changes.end ?? FRAME_END)])
}

/** A method in its frame, with header and body when it carries content. */
export const encodeMessage = (
  channel: number,
  name: string,
  values: Fields,
  content?: { readonly properties?: Fields; readonly body: Buffer; readonly frameMax?: number },
): Buffer => {
  const frames = [encodeFrame(FrameType.METHOD, channel, encodeMethod(name, values))]
  if (content === undefined) return frames[0] as Buffer
  const { properties = {}, body, frameMax = 131_072 } = content
  frames.push(encodeFrame(FrameType.HEADER, channel, encodeHeader(body.length, properties)))
  for (let at = 0; at < body.length; at += frameMax - 8) {
    frames.push(encodeFrame(FrameType.BODY, channel, body.subarray(at, at + frameMax - 8)))
  }
  return Buffer.concat(frames)
}

/** Reads one thing after the other; fails when the bytes end before. */
export class Reader {
  #at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new Error('the broker sent less than it announced')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  u8 = (): number => this.take(1).readUInt8()
  u16 = (): number => this.take(2).readUInt16BE()
  u32 = (): number => this.take(4).readUInt32BE()
  u64 = (): number => Number(this.take(8).readBigUInt64BE())
  shortString = (): string => this.take(this.u8()).toString()
  longBytes = (): Buffer => this.take(this.u32())
}

const textOrHex = (bytes: Buffer): string => {
  const text = bytes.toString()
  return Buffer.from(text).equals(bytes) ? text : `0x${bytes.toString('hex')}`
}

const valueReaders: Readonly<Record<string, (reader: Reader) => unknown>> = {
  t: (reader) => reader.u8() !== 0,
  b: (reader) => reader.take(1).readInt8(),
  B: (reader) => reader.u8(),
  s: (reader) => reader.take(2).readInt16BE(),
  u: (reader) => reader.u16(),
  I: (reader) => reader.take(4).readInt32BE(),
  i: (reader) => reader.u32(),
  l: (reader) => Number(reader.take(8).readBigInt64BE()),
  f: (reader) => reader.take(4).readFloatBE(),
  d: (reader) => reader.take(8).readDoubleBE(),
  D: (reader) => [reader.u8(), reader.u32()],
  S: (reader) => textOrHex(reader.longBytes()),
  x: (reader) => reader.longBytes().toString('hex'),
  T: (reader) => reader.u64(),
  A: (reader) => {
    const inner = new Reader(reader.longBytes())
    const list: unknown[] = []
    while (!inner.isAtEnd) list.push(decodeValue(inner))
    return list
  },
  F: (reader) => decodeTable(reader),
  V: () => null,
}

/** `{ S: 'text' }`: what came, with the letter of its type. */
function decodeValue(reader: Reader): unknown {
  const letter = reader.take(1).toString()
  const read = valueReaders[letter]
  if (read === undefined) throw new Error(`the broker sent a value of type ${letter}`)
  return { [letter]: read(reader) }
}

export function decodeTable(reader: Reader): Fields {
  const inner = new Reader(reader.longBytes())
  const table: Record<string, unknown> = {}
  while (!inner.isAtEnd) {
    const name = inner.shortString()
    table[name] = decodeValue(inner)
  }
  return table
}

const fieldReaders: Readonly<Record<Exclude<FieldType, 'b'>, (reader: Reader) => unknown>> = {
  o: (reader) => reader.u8(),
  s: (reader) => reader.u16(),
  l: (reader) => reader.u32(),
  L: (reader) => reader.u64(),
  t: (reader) => reader.u64(),
  S: (reader) => reader.shortString(),
  X: (reader) => textOrHex(reader.longBytes()),
  T: decodeTable,
}

const decodeFields = (spec: MethodSpec['fields'], reader: Reader): Fields => {
  const values: Record<string, unknown> = {}
  let [bits, bitCount] = [0, 0]
  for (const [name, type] of spec) {
    if (type !== 'b') {
      values[name] = fieldReaders[type](reader)
      bitCount = 0
      continue
    }
    if (bitCount % 8 === 0) bits = reader.u8()
    values[name] = (bits & (1 << (bitCount % 8))) !== 0
    bitCount++
  }
  return values
}

export interface Method {
  readonly name: string
  readonly fields: Fields
  readonly hasContent: boolean
}

export const decodeMethod = (payload: Buffer): Method => {
  const reader = new Reader(payload)
  const [classId, methodId] = [reader.u16(), reader.u16()]
  const spec = methodNumbered(classId, methodId)
  if (spec === undefined) throw new Error(`the broker sent method ${classId}.${methodId}`)
  const fields = decodeFields(spec.fields, reader)
  if (!reader.isAtEnd) throw new Error(`the broker sent too much of ${spec.name}`)
  return { name: spec.name, fields, hasContent: spec.hasContent }
}

export const decodeHeader = (payload: Buffer): { bodySize: number; properties: Fields } => {
  const reader = new Reader(payload)
  reader.take(4)
  const bodySize = reader.u64()
  const flags = reader.u16()
  const present = propertyFields.filter((_field, index) => (flags & (0x8000 >> index)) !== 0)
  return { bodySize, properties: decodeFields(present, reader) }
}
