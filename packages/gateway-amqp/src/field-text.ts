/**
 * A typed header value as the bytes of a neutral header: text as it is, numbers in decimal, lists and
 * tables in JSON. And as the canonical text that headers exchanges compare.
 */
import { isUtf8, utf8Decode, utf8Encode } from '@millrace/codec'
import type { FieldTable, FieldValue } from './codec/field-table.ts'

/** Comes back as it was: a text that is one. */
export const isPlainField = (field: FieldValue): boolean =>
  field.type === 'S' && isUtf8(field.value)

export const fieldText = (field: FieldValue): Uint8Array | null => {
  if (field.type === 'S' || field.type === 'x') return field.value
  if (field.type === 'V') return null
  if (field.type === 'A' || field.type === 'F') return utf8Encode(JSON.stringify(jsonOf(field)))
  return utf8Encode(scalarText(field))
}

type ScalarField = Exclude<FieldValue, { readonly type: 'S' | 'x' | 'V' | 'A' | 'F' }>

const scalarText = (field: ScalarField): string =>
  field.type === 'D' ? decimalText(field.value, field.scale) : String(field.value)

/** `12345` with a scale of 2 is `123.45`. */
const decimalText = (value: number, scale: number): string => {
  if (scale === 0) return String(value)
  const digits = String(Math.abs(value)).padStart(scale + 1, '0')
  const sign = value < 0 ? '-' : ''
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

const jsonOf = (field: FieldValue): Json => {
  switch (field.type) {
    case 'S':
    case 'x':
      return utf8Decode(field.value)
    case 'V':
      return null
    case 'A':
      return field.value.map(jsonOf)
    case 'F':
      return tableJson(field.value)
    case 't':
      return field.value
    case 'D':
      return decimalText(field.value, field.scale)
    default:
      return numberJson(field.value)
  }
}

/** From entries: a name such as `__proto__` is a name like any other. */
const tableJson = (table: FieldTable): Json =>
  Object.fromEntries(table.map(({ name, value }) => [name, jsonOf(value)]))

/** A number that JSON's readers would change is a text. */
const numberJson = (value: number | bigint): Json => {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/**
 * What a headers exchange compares, with its type: to RabbitMQ the integer 1 and the text `1` differ,
 * and integers of different widths do not.
 */
export const canonicalText = (field: FieldValue): string => {
  switch (field.type) {
    case 'S':
      return isUtf8(field.value) ? `s${utf8Decode(field.value)}` : `S${hex(field.value)}`
    case 'x':
      return `x${hex(field.value)}`
    case 'V':
      return 'V'
    case 'A':
      return `A${JSON.stringify(field.value.map(canonicalText))}`
    case 'F':
      return `F${canonicalTable(field.value)}`
    case 't':
    case 'f':
    case 'd':
    case 'D':
    case 'T':
      return `${field.type}${scalarText(field)}`
    default:
      return `I${scalarText(field)}`
  }
}

/** The order of names does not count. */
const canonicalTable = (table: FieldTable): string =>
  JSON.stringify(table.map(({ name, value }) => [name, canonicalText(value)]).sort(byName))

const byName = ([one = '']: readonly string[], [other = '']: readonly string[]): number =>
  one < other ? -1 : one > other ? 1 : 0

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
