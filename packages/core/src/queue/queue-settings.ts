/** The settings of a queue: defaults, what is allowed, and where two differ. */
import { BrokerError } from '@millrace/codec'
import type { QueueSettings, QueueSettingsPatch } from '../engine/messaging.ts'
import { checkRoutingKey, shownName } from '../names.ts'
import { DELIVERY_LIMIT_MAX, PRIORITY_MAX, REDELIVERY_DELAY_MS_MAX } from './limits.ts'

export const defaultQueueSettings: QueueSettings = {
  isDurable: true,
  isAutoDelete: false,
  expiresMs: undefined,
  messageTtlMs: undefined,
  lengthMax: undefined,
  bytesMax: undefined,
  overflow: 'drop-head',
  deadLetterExchange: undefined,
  deadLetterKey: undefined,
  priorityMax: undefined,
  isSingleActiveConsumer: false,
  deliveryLimit: undefined,
  redeliveryDelayMsMin: undefined,
  redeliveryDelayMsMax: undefined,
  redeliveryDelayOf: 'all',
  deliveryTimeoutMs: undefined,
  isKeyOrdered: false,
  dedupWindowMs: undefined,
  retentionMs: undefined,
  topic: undefined,
  isStream: false,
  labels: {},
}

type SettingName = keyof QueueSettings
type Check = (value: unknown) => string | undefined

const isInteger = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

const integer =
  (min: number, max = Number.MAX_SAFE_INTEGER): Check =>
  (value) =>
    value === undefined || isInteger(value, min, max)
      ? undefined
      : `a whole number from ${min} to ${max}`

const boolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false')

const text: Check = (value) => {
  if (value === undefined) return undefined
  if (typeof value !== 'string') return 'a text'
  checkRoutingKey(value)
  return undefined
}

const overflows: readonly unknown[] = ['drop-head', 'reject', 'reject-dead-letter']

const delayable: readonly unknown[] = ['all', 'failed', 'returned']

const labels: Check = (value) =>
  typeof value === 'object' && value !== null ? undefined : 'names and texts'

const checks: Readonly<Record<SettingName, Check>> = {
  isDurable: boolean,
  isAutoDelete: boolean,
  expiresMs: integer(1),
  messageTtlMs: integer(0),
  lengthMax: integer(0),
  bytesMax: integer(0),
  overflow: (value) =>
    overflows.includes(value) ? undefined : 'drop-head, reject or reject-dead-letter',
  deadLetterExchange: text,
  deadLetterKey: text,
  priorityMax: integer(1, PRIORITY_MAX),
  isSingleActiveConsumer: boolean,
  deliveryLimit: integer(0, DELIVERY_LIMIT_MAX),
  redeliveryDelayMsMin: integer(1, REDELIVERY_DELAY_MS_MAX),
  redeliveryDelayMsMax: integer(1, REDELIVERY_DELAY_MS_MAX),
  redeliveryDelayOf: (value) => (delayable.includes(value) ? undefined : 'all, failed or returned'),
  deliveryTimeoutMs: integer(1_000),
  isKeyOrdered: boolean,
  dedupWindowMs: integer(1),
  retentionMs: integer(1),
  topic: text,
  isStream: boolean,
  labels,
}

const invalid = (setting: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [`settings.${setting}`, reason])

/** A queue over a topic stores no messages: what would change them is refused. */
const refusedOverTopics: readonly SettingName[] = [
  'messageTtlMs',
  'lengthMax',
  'bytesMax',
  'priorityMax',
  'dedupWindowMs',
  'retentionMs',
]

const checkTogether = (settings: QueueSettings): void => {
  if (settings.deadLetterKey !== undefined && settings.deadLetterExchange === undefined)
    throw invalid('deadLetterKey', 'it needs a deadLetterExchange')
  if (settings.redeliveryDelayMsMax !== undefined && settings.redeliveryDelayMsMin === undefined)
    throw invalid('redeliveryDelayMsMax', 'it needs a redeliveryDelayMsMin')
  if (settings.topic === undefined) return
  for (const setting of refusedOverTopics)
    if (settings[setting] !== undefined)
      throw invalid(setting, 'a queue over a topic leaves the topic as it is')
  if (!settings.isDurable) throw invalid('isDurable', 'a queue over a topic is durable')
}

const isSetting = (key: string): key is SettingName => Object.hasOwn(checks, key)

/** `current` with what the patch says; null goes back to the default. Throws ERR_INVALID_ARGUMENT. */
export const applyQueueSettings = (
  current: QueueSettings,
  patch: QueueSettingsPatch,
): QueueSettings => {
  const changed: Record<string, unknown> = { ...current }
  for (const [key, value] of Object.entries(patch)) {
    if (!isSetting(key)) throw invalid(shownName(key), 'no such setting')
    const next = value === null ? defaultQueueSettings[key] : value
    if (value === undefined) continue
    const expected = checks[key](next)
    if (expected !== undefined) throw invalid(key, `it must be ${expected}`)
    changed[key] = next
  }
  const settings = completeQueueSettings(changed as Partial<QueueSettings>)
  checkTogether(settings)
  return settings
}

/** What people compare: labels one by one, absent like undefined. */
const flat = (settings: QueueSettings): Map<string, string> => {
  const values = new Map<string, string>()
  for (const [key, value] of Object.entries(settings))
    if (key !== 'labels' && value !== undefined) values.set(key, String(value))
  for (const [key, value] of Object.entries(settings.labels)) values.set(key, value)
  return values
}

/** The first setting in which the two differ. */
export const settingsDifference = (
  asked: QueueSettings,
  current: QueueSettings,
): { readonly setting: string; readonly asked: string; readonly current: string } | undefined => {
  const left = flat(asked)
  const right = flat(current)
  for (const setting of new Set([...left.keys(), ...right.keys()])) {
    const one = left.get(setting) ?? 'none'
    const other = right.get(setting) ?? 'none'
    if (one !== other) return { setting, asked: one, current: other }
  }
  return undefined
}

/**
 * JSON leaves out what is undefined: a stored definition gets all its fields again. Field by field, so
 * that the settings of all queues have one shape and cost little.
 */
export const completeQueueSettings = (stored: Partial<QueueSettings>): QueueSettings => {
  const all = { ...defaultQueueSettings, ...stored }
  return {
    isDurable: all.isDurable,
    isAutoDelete: all.isAutoDelete,
    expiresMs: all.expiresMs,
    messageTtlMs: all.messageTtlMs,
    lengthMax: all.lengthMax,
    bytesMax: all.bytesMax,
    overflow: all.overflow,
    deadLetterExchange: all.deadLetterExchange,
    deadLetterKey: all.deadLetterKey,
    priorityMax: all.priorityMax,
    isSingleActiveConsumer: all.isSingleActiveConsumer,
    deliveryLimit: all.deliveryLimit,
    redeliveryDelayMsMin: all.redeliveryDelayMsMin,
    redeliveryDelayMsMax: all.redeliveryDelayMsMax,
    redeliveryDelayOf: all.redeliveryDelayOf,
    deliveryTimeoutMs: all.deliveryTimeoutMs,
    isKeyOrdered: all.isKeyOrdered,
    dedupWindowMs: all.dedupWindowMs,
    retentionMs: all.retentionMs,
    topic: all.topic,
    isStream: all.isStream,
    labels: all.labels,
  }
}
