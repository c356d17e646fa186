/**
 * Settings of exchanges and queues as a peer sent them: names and types are checked here, ranges and
 * what goes together by the engine.
 */
import { BrokerError } from '@millrace/codec'
import type { ExchangeSettings, QueueSettings, QueueSettingsPatch } from '@millrace/core'
import type { MessagingSettings } from '@millrace/protocol'

type Kind = 'true or false' | 'a whole number, 0 or more' | 'a text' | 'a map of texts'

const FLAG = 'true or false'
const NUMBER = 'a whole number, 0 or more'
const TEXT = 'a text'
const TEXTS = 'a map of texts'

const exchangeKinds: { readonly [Name in keyof ExchangeSettings]: Kind } = {
  type: TEXT,
  isDurable: FLAG,
  isAutoDelete: FLAG,
  isInternal: FLAG,
  alternateExchange: TEXT,
  hashHeader: TEXT,
  delayedType: TEXT,
  labels: TEXTS,
}

const queueKinds: { readonly [Name in keyof QueueSettings]: Kind } = {
  isDurable: FLAG,
  isAutoDelete: FLAG,
  expiresMs: NUMBER,
  messageTtlMs: NUMBER,
  lengthMax: NUMBER,
  bytesMax: NUMBER,
  overflow: TEXT,
  deadLetterExchange: TEXT,
  deadLetterKey: TEXT,
  priorityMax: NUMBER,
  isSingleActiveConsumer: FLAG,
  deliveryLimit: NUMBER,
  redeliveryDelayMsMin: NUMBER,
  redeliveryDelayMsMax: NUMBER,
  redeliveryDelayOf: TEXT,
  deliveryTimeoutMs: NUMBER,
  isKeyOrdered: FLAG,
  dedupWindowMs: NUMBER,
  retentionMs: NUMBER,
  topic: TEXT,
  isStream: FLAG,
  labels: TEXTS,
}

const isTexts = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((text) => typeof text === 'string')

const checks: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  [FLAG]: (value) => typeof value === 'boolean',
  [NUMBER]: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  [TEXT]: (value) => typeof value === 'string',
  [TEXTS]: isTexts,
}

const checkSettings = (
  settings: MessagingSettings,
  kinds: Readonly<Record<string, Kind>>,
): [string, unknown][] => {
  const entries = Object.entries(settings)
  for (const [name, value] of entries) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (kind === undefined) {
      throw new BrokerError('ERR_INVALID_ARGUMENT', [name.slice(0, 64), 'no such setting'])
    }
    if (value === null || checks[kind](value)) continue
    throw new BrokerError('ERR_INVALID_ARGUMENT', [name, `it must be ${kind}`])
  }
  return entries
}

/** Nil is the default, so it need not be said. */
const withoutNil = (entries: readonly [string, unknown][]): Record<string, unknown> =>
  Object.fromEntries(entries.filter(([, value]) => value !== null))

/** Throws ERR_INVALID_ARGUMENT. */
export const readExchangeSettings = (settings: MessagingSettings): Partial<ExchangeSettings> =>
  withoutNil(checkSettings(settings, exchangeKinds))

export const readQueueSettings = (settings: MessagingSettings): Partial<QueueSettings> =>
  withoutNil(checkSettings(settings, queueKinds))

export const readQueuePatch = (settings: MessagingSettings): QueueSettingsPatch =>
  Object.fromEntries(checkSettings(settings, queueKinds))
