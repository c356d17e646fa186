/** The type and arguments of `exchange.declare` as the engine's settings. */
import type { ExchangeSettings, ExchangeType } from '@millrace/core'
import { ArgumentReader } from './argument-reader.ts'
import type { MethodFields } from './codec/methods.ts'
import { preconditionFailed } from './errors.ts'
import { inVhost } from './resource-faults.ts'

export const ALTERNATE_EXCHANGE = 'alternate-exchange'
const HASH_HEADER = 'hash-header'

const typesByName: ReadonlyMap<string, ExchangeType> = new Map([
  ['direct', 'direct'],
  ['topic', 'topic'],
  ['fanout', 'fanout'],
  ['headers', 'headers'],
  ['x-consistent-hash', 'consistent-hash'],
  ['x-modulus-hash', 'modulus-hash'],
  ['x-random', 'random'],
])

const namesByType: ReadonlyMap<ExchangeType, string> = new Map(
  [...typesByName].map(([name, type]) => [type, name]),
)

/** What AMQP calls a type. */
export const exchangeTypeName = (type: ExchangeType): string => namesByType.get(type) ?? type

/** Throws PRECONDITION_FAILED for a type that there is none, and for arguments that are not valid. */
export const exchangeSettingsOf = (
  exchange: string,
  declaration: MethodFields<'exchange.declare'>,
  vhost: string,
): Partial<ExchangeSettings> => {
  const type = typesByName.get(declaration.type)
  if (type === undefined) throw preconditionFailed(`invalid exchange type '${declaration.type}'`)
  const reader = new ArgumentReader(declaration.arguments, inVhost('exchange', exchange, vhost))
  return {
    type,
    isDurable: declaration.durable,
    isAutoDelete: declaration.autoDelete,
    isInternal: declaration.internal,
    alternateExchange: reader.exchangeName(ALTERNATE_EXCHANGE),
    hashHeader: type === 'consistent-hash' ? reader.text(HASH_HEADER) : undefined,
    labels: reader.labels(),
  }
}
