/** The type and arguments of `exchange.declare` as the engine's settings. */
import type { ExchangeSettings, ExchangeType, RoutingType } from '@millrace/core'
import { ArgumentReader } from './argument-reader.ts'
import type { MethodFields } from './codec/methods.ts'
import { preconditionFailed } from './errors.ts'
import { inVhost } from './resource-faults.ts'

export const ALTERNATE_EXCHANGE = 'alternate-exchange'
const HASH_HEADER = 'hash-header'
export const DELAYED_TYPE = 'x-delayed-type'

/** Those that route; the one that delays leaves that to one of them. */
const routingTypesByName: ReadonlyMap<string, RoutingType> = new Map([
  ['direct', 'direct'],
  ['topic', 'topic'],
  ['fanout', 'fanout'],
  ['headers', 'headers'],
  ['x-consistent-hash', 'consistent-hash'],
  ['x-modulus-hash', 'modulus-hash'],
  ['x-random', 'random'],
])

const typesByName: ReadonlyMap<string, ExchangeType> = new Map<string, ExchangeType>([
  ...routingTypesByName,
  ['x-delayed-message', 'delayed'],
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
  const delayedType = type === 'delayed' ? delayedTypeIn(reader) : undefined
  return {
    type,
    isDurable: declaration.durable,
    isAutoDelete: declaration.autoDelete,
    isInternal: declaration.internal,
    alternateExchange: reader.exchangeName(ALTERNATE_EXCHANGE),
    hashHeader: (delayedType ?? type) === 'consistent-hash' ? reader.text(HASH_HEADER) : undefined,
    delayedType,
    labels: reader.labels(),
  }
}

const delayedTypeIn = (reader: ArgumentReader): RoutingType => {
  const name = reader.text(DELAYED_TYPE)
  const type = name === undefined ? undefined : routingTypesByName.get(name)
  if (type !== undefined) return type
  throw reader.invalid(
    DELAYED_TYPE,
    name === undefined ? 'it must name an exchange type' : `there is no exchange type '${name}'`,
  )
}
