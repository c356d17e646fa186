/** What an exchange may be asked to be, completed and checked, and in what two of them differ. */
import { BrokerError, utf8Length } from '@millrace/codec'
import type { ExchangeSettings } from '../engine/messaging.ts'
import { checkRoutingKey, checkRoutingName, shownName } from '../names.ts'
import { isExchangeType, isRoutingType, routingTypeOf } from './create-matcher.ts'
import { DEFINITION_BYTES_MAX } from './limits.ts'

export const defaultExchangeSettings: ExchangeSettings = {
  type: 'direct',
  isDurable: true,
  isAutoDelete: false,
  isInternal: false,
  alternateExchange: undefined,
  hashHeader: undefined,
  delayedType: undefined,
  labels: {},
}

const invalid = (argument: string, reason: string): BrokerError =>
  new BrokerError('ERR_INVALID_ARGUMENT', [argument, reason])

/** Nothing but the fields, each with a value. Throws ERR_INVALID_ARGUMENT, ERR_INVALID_NAME. */
export const completeExchangeSettings = (given: Partial<ExchangeSettings>): ExchangeSettings => {
  const defaults = defaultExchangeSettings
  const settings: ExchangeSettings = {
    type: given.type ?? defaults.type,
    isDurable: given.isDurable ?? defaults.isDurable,
    isAutoDelete: given.isAutoDelete ?? defaults.isAutoDelete,
    isInternal: given.isInternal ?? defaults.isInternal,
    alternateExchange: given.alternateExchange,
    hashHeader: given.hashHeader,
    delayedType: given.delayedType,
    labels: given.labels ?? defaults.labels,
  }
  const { type, alternateExchange, hashHeader, labels } = settings
  if (!isExchangeType(type)) throw invalid('type', `'${shownName(type)}' is not a type of exchange`)
  checkDelayedType(settings)
  // Empty is the default exchange.
  if (alternateExchange !== undefined) checkRoutingKey(alternateExchange)
  if (hashHeader !== undefined) {
    if (routingTypeOf(settings) !== 'consistent-hash')
      throw invalid('hashHeader', `a ${type} exchange has none`)
    checkRoutingName(hashHeader)
  }
  checkTextSize('labels', labels)
  return settings
}

const checkDelayedType = ({ type, delayedType }: ExchangeSettings): void => {
  if (type !== 'delayed') {
    if (delayedType !== undefined) throw invalid('delayedType', `a ${type} exchange has none`)
    return
  }
  if (delayedType === undefined) throw invalid('delayedType', 'a delayed exchange has one')
  if (!isRoutingType(delayedType))
    throw invalid('delayedType', `'${shownName(delayedType)}' is not a type that routes`)
}

/** Throws ERR_INVALID_ARGUMENT when names and values are too long together. */
export const checkTextSize = (
  argument: string,
  record: Readonly<Record<string, string | null>>,
): void => {
  let bytes = 0
  for (const [name, value] of Object.entries(record)) {
    bytes += utf8Length(name) + utf8Length(value ?? '')
    if (bytes > DEFINITION_BYTES_MAX)
      throw invalid(argument, `they are longer than ${DEFINITION_BYTES_MAX} bytes`)
  }
}

interface Difference {
  readonly setting: string
  readonly asked: string
  readonly is: string
}

const comparedSettings = [
  'type',
  'isDurable',
  'isAutoDelete',
  'isInternal',
  'alternateExchange',
  'hashHeader',
  'delayedType',
] as const

const shown = (value: string | boolean | undefined): string =>
  value === undefined ? 'none' : shownName(String(value))

/** The first, in the order of the fields. */
export const differenceOf = (
  asked: ExchangeSettings,
  existing: ExchangeSettings,
): Difference | undefined => {
  for (const setting of comparedSettings)
    if (asked[setting] !== existing[setting])
      return { setting, asked: shown(asked[setting]), is: shown(existing[setting]) }
  const labels = new Set([...Object.keys(asked.labels), ...Object.keys(existing.labels)].sort())
  for (const label of labels) {
    const [one, other] = [asked.labels, existing.labels].map((all) =>
      Object.hasOwn(all, label) ? all[label] : undefined,
    )
    if (one !== other)
      return { setting: `labels.${shownName(label)}`, asked: shown(one), is: shown(other) }
  }
  return undefined
}
