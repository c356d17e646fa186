/** One value as it was written (text or YAML scalar) into what the broker uses, or why not. */
import type { ConfigKey, ConfigValue } from './config-table.ts'
import { formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts'

export type ParsedValue =
  | { readonly ok: true; readonly value: ConfigValue }
  | { readonly ok: false; readonly expected: string }

const PORT_MAX = 65_535

const ok = (value: ConfigValue): ParsedValue => ({ ok: true, value })
const bad = (expected: string): ParsedValue => ({ ok: false, expected })

export const parseConfigValue = (key: ConfigKey, raw: unknown): ParsedValue => {
  const isScalar = typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean'
  if (!isScalar) return bad(expectationOf(key))
  switch (key.kind) {
    case 'text':
      return typeof raw === 'boolean' ? bad(expectationOf(key)) : ok(String(raw))
    case 'switch':
      return parseSwitch(raw)
    case 'port':
      return parsePort(raw)
    case 'choice':
      return key.choices.includes(String(raw)) ? ok(String(raw)) : bad(expectationOf(key))
    default:
      return parseRanged(key, raw)
  }
}

const parseSwitch = (raw: ConfigValue): ParsedValue => {
  if (typeof raw === 'boolean') return ok(raw)
  if (raw === 'true') return ok(true)
  if (raw === 'false') return ok(false)
  return bad('true or false')
}

const parsePort = (raw: ConfigValue): ParsedValue => {
  // YAML 1.1 habits: `off` may reach us as false.
  if (raw === 'off' || raw === false) return ok('off')
  const port = typeof raw === 'string' && /^\d{1,5}$/.test(raw) ? Number(raw) : raw
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 0
  return isPort && port <= PORT_MAX ? ok(port) : bad('a port from 0 to 65535, or off')
}

const parseRanged = (
  key: Extract<ConfigKey, { readonly min: number }>,
  raw: ConfigValue,
): ParsedValue => {
  const value = typeof raw === 'string' ? parseQuantity(key.kind, raw) : raw
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value)
  if (!isNumber || value < key.min || value > key.max) return bad(expectationOf(key))
  return ok(value)
}

const parseQuantity = (kind: 'bytes' | 'duration' | 'count', raw: string): number | undefined => {
  if (kind === 'bytes') return parseBytes(raw)
  if (kind === 'duration') return parseDuration(raw)
  return /^\d{1,15}$/.test(raw) ? Number(raw) : undefined
}

export const expectationOf = (key: ConfigKey): string => {
  switch (key.kind) {
    case 'text':
      return 'text'
    case 'switch':
      return 'true or false'
    case 'port':
      return 'a port from 0 to 65535, or off'
    case 'choice':
      return `one of ${key.choices.join(', ')}`
    case 'bytes':
      return `a size from ${formatBytes(key.min)} to ${formatBytes(key.max)}, such as ${formatBytes(key.default)}`
    case 'duration':
      return `a time from ${formatDuration(key.min)} to ${formatDuration(key.max)}, such as ${formatDuration(key.default)}`
    case 'count':
      return `a whole number from ${key.min} to ${key.max}`
  }
}

/** As `config show` writes it: text that `parseConfigValue` reads back. */
export const formatConfigValue = (key: ConfigKey, value: ConfigValue): string => {
  if (key.kind === 'bytes') return formatBytes(Number(value))
  if (key.kind === 'duration') return formatDuration(Number(value))
  return String(value)
}
