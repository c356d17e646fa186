/** The header `x-death` as the neutral history of dead-lettering, which is JSON, and back. */
import { utf8Decode } from '@millrace/codec'
import type { DeadLetterEntry } from '@millrace/core'
import { type FieldTable, type FieldValue, findField } from './codec/field-table.ts'
import { deathOf } from './dead-letter-headers.ts'

const ENTRIES_COUNT_MAX = 1_000
const reasonsByName: ReadonlyMap<string, DeadLetterEntry['reason']> = new Map([
  ['rejected', 'rejected'],
  ['expired', 'expired'],
  ['maxlen', 'maxlen'],
  ['delivery_limit', 'delivery-limit'],
])

/** `undefined` when it is not what a broker writes. */
export const deathsToJson = (deaths: FieldValue): string | undefined => {
  if (deaths.type !== 'A') return undefined
  const entries = deaths.value.map((death) =>
    death.type === 'F' ? entryOf(death.value) : undefined,
  )
  return entries.includes(undefined) ? undefined : JSON.stringify(entries)
}

const entryOf = (table: FieldTable): DeadLetterEntry | undefined => {
  const reason = reasonsByName.get(textIn(table, 'reason') ?? '')
  const queue = textIn(table, 'queue')
  if (reason === undefined || queue === undefined) return undefined
  const keys = findField(table, 'routing-keys')
  const ttl = textIn(table, 'original-expiration')
  return {
    queue,
    reason,
    count: integerIn(table, 'count') ?? 1,
    exchange: textIn(table, 'exchange') ?? '',
    routingKeys: keys?.type === 'A' ? keys.value.map((key) => textOf(key) ?? '') : [],
    timeMs: (integerIn(table, 'time') ?? 0) * 1_000,
    originalTtlMs: ttl === undefined ? undefined : Number(ttl),
  }
}

const textOf = (value: FieldValue | undefined): string | undefined =>
  value?.type === 'S' ? utf8Decode(value.value) : undefined

const textIn = (table: FieldTable, name: string): string | undefined =>
  textOf(findField(table, name))

const integerIn = (table: FieldTable, name: string): number | undefined => {
  const field = findField(table, name)
  return field?.type === 'l' || field?.type === 'T' ? Number(field.value) : undefined
}

/** `undefined` when it is no history. */
export const deathsFromJson = (json: string): FieldValue | undefined => {
  const entries = parse(json)
  if (!Array.isArray(entries) || entries.length > ENTRIES_COUNT_MAX) return undefined
  const checked = entries.map(checkEntry)
  if (checked.includes(undefined)) return undefined
  return { type: 'A', value: (checked as DeadLetterEntry[]).map((entry) => deathOf(entry, 0n)) }
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

const checkEntry = (value: unknown): DeadLetterEntry | undefined => {
  const entry = (value ?? {}) as Partial<Record<keyof DeadLetterEntry, unknown>>
  const { queue, reason, count, exchange = '', routingKeys = [], timeMs = 0 } = entry
  const originalTtlMs = entry.originalTtlMs ?? undefined
  const isSound =
    typeof queue === 'string' &&
    [...reasonsByName.values()].includes(reason as DeadLetterEntry['reason']) &&
    isCount(count) &&
    typeof exchange === 'string' &&
    Array.isArray(routingKeys) &&
    routingKeys.every((key) => typeof key === 'string') &&
    isCount(timeMs) &&
    (originalTtlMs === undefined || isCount(originalTtlMs))
  if (!isSound) return undefined
  return { ...entry, exchange, routingKeys, timeMs, originalTtlMs } as DeadLetterEntry
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
