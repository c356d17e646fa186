/**
 * A binding with its arguments. Those of a headers exchange say what to match; those of any other
 * exchange mean nothing and are part of what makes two bindings different.
 */
import { utf8Decode } from '@millrace/codec'
import type { Binding, HeaderMatch, TargetKind } from '@millrace/core'
import { type FieldTable, type FieldValue, findField } from './codec/field-table.ts'
import { preconditionFailed } from './errors.ts'
import { canonicalText } from './field-text.ts'
import { fieldTypeName } from './field-type-name.ts'
import type { VirtualHost } from './virtual-host.ts'

const MATCH = 'x-match'
const matches: readonly HeaderMatch[] = ['all', 'any', 'all-with-x', 'any-with-x']

export interface AskedBinding {
  readonly exchange: string
  readonly targetKind: TargetKind
  readonly target: string
  readonly routingKey: string
  readonly arguments: FieldTable
}

export const bindingOf = (host: VirtualHost, asked: AskedBinding): Binding => {
  const { exchange, targetKind, target, routingKey, arguments: table } = asked
  const binding = { exchange, targetKind, target, routingKey }
  if (host.findExchange(exchange)?.settings.type !== 'headers') {
    return table.length === 0 ? binding : { ...binding, labels: labelsOf(table) }
  }
  return { ...binding, match: matchOf(findField(table, MATCH)), headers: headersOf(table) }
}

const labelsOf = (table: FieldTable): Record<string, string> =>
  Object.fromEntries(table.map(({ name, value }) => [name, canonicalText(value)]))

/** A value that is nothing asks for the header alone. */
const headersOf = (table: FieldTable): Record<string, string | null> =>
  Object.fromEntries(
    table
      .filter(({ name }) => name !== MATCH)
      .map(({ name, value }) => [name, value.type === 'V' ? null : canonicalText(value)]),
  )

const matchOf = (field: FieldValue | undefined): HeaderMatch => {
  if (field === undefined) return 'all'
  if (field.type !== 'S') {
    const value = 'value' in field ? String(field.value) : ''
    throw preconditionFailed(
      `Invalid x-match field type ${fieldTypeName(field.type)} (value ${value}); expected longstr`,
    )
  }
  const text = utf8Decode(field.value)
  const match = matches.find((one) => one === text)
  if (match !== undefined) return match
  throw preconditionFailed(
    `Invalid x-match field value <<"${text}">>; expected all, any, all-with-x, or any-with-x`,
  )
}
