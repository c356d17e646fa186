/** Exchanges: declared, deleted, bound to each other. */
import { isBrokerError } from '@millrace/codec'
import type { Binding } from '@millrace/core'
import type { AmqpChannel } from '../amqp-channel.ts'
import { bindingOf } from '../binding-arguments.ts'
import type { MethodFields } from '../codec/methods.ts'
import { accessRefused } from '../errors.ts'
import { checkExchangeEquivalence } from '../equivalence.ts'
import { exchangeSettingsOf } from '../exchange-arguments.ts'
import type { HandlersOf } from '../method-handlers.ts'
import { cleanName } from '../names.ts'
import {
  defaultExchangeRefused,
  exchangeNotFound,
  inVhost,
  resourceFault,
} from '../resource-faults.ts'

const RESERVED_PREFIX = 'amq.'

export const exchangeHandlers: HandlersOf<
  'exchange.declare' | 'exchange.delete' | 'exchange.bind' | 'exchange.unbind'
> = {
  'exchange.declare': async (channel, fields) => {
    const exchange = notDefault(fields.exchange)
    if (fields.passive) requireExchange(channel, exchange)
    else await declare(channel, exchange, fields)
    if (!fields.nowait) channel.reply('exchange.declare-ok', {})
  },
  'exchange.delete': async (channel, { exchange: name, ifUnused, nowait }) => {
    const { messaging, caller, name: vhost } = channel.host
    const exchange = notDefault(name)
    if (channel.host.findExchange(exchange)?.isPredeclared === true) {
      const system = inVhost('system exchange', exchange, vhost)
      throw accessRefused(`deletion of ${system} not allowed`)
    }
    await inExchangeWords(channel, exchange, () =>
      messaging.deleteExchange(caller, { exchange, ifUnused }),
    )
    if (!nowait) channel.reply('exchange.delete-ok', {})
  },
  'exchange.bind': async (channel, fields) => {
    const { messaging, caller } = channel.host
    const source = notDefault(fields.source)
    const destination = notDefault(fields.destination)
    requireExchange(channel, source)
    requireExchange(channel, destination)
    const binding = bindingFor(channel, source, destination, fields)
    await inExchangeWords(channel, source, () => messaging.bind(caller, binding))
    if (!fields.nowait) channel.reply('exchange.bind-ok', {})
  },
  'exchange.unbind': async (channel, fields) => {
    const { messaging, caller } = channel.host
    const source = notDefault(fields.source)
    const destination = notDefault(fields.destination)
    const { host } = channel
    const areThere = [source, destination].every((name) => host.findExchange(name) !== undefined)
    if (areThere) {
      const binding = bindingFor(channel, source, destination, fields)
      await inExchangeWords(channel, source, () => messaging.unbind(caller, binding))
    }
    if (!fields.nowait) channel.reply('exchange.unbind-ok', {})
  },
}

const notDefault = (name: string): string => {
  const exchange = cleanName(name)
  if (exchange === '') throw defaultExchangeRefused()
  return exchange
}

const requireExchange = ({ host }: AmqpChannel, exchange: string): void => {
  if (host.findExchange(exchange) === undefined) throw exchangeNotFound(exchange, host.name)
}

const declare = async (
  channel: AmqpChannel,
  exchange: string,
  fields: MethodFields<'exchange.declare'>,
): Promise<void> => {
  const { messaging, caller, name: vhost } = channel.host
  const settings = exchangeSettingsOf(exchange, fields, vhost)
  const found = channel.host.findExchange(exchange)
  if (found !== undefined) {
    channel.host.checkRight('configure', 'exchange', exchange)
    checkExchangeEquivalence(found, fields, settings, vhost)
    return
  }
  if (exchange.startsWith(RESERVED_PREFIX)) {
    throw accessRefused(`exchange name '${exchange}' contains reserved prefix 'amq.*'`)
  }
  await inExchangeWords(channel, exchange, () =>
    messaging.declareExchange(caller, { exchange, settings }),
  )
}

const bindingFor = (
  channel: AmqpChannel,
  exchange: string,
  target: string,
  fields: Pick<MethodFields<'exchange.bind'>, 'routingKey' | 'arguments'>,
): Binding =>
  bindingOf(channel.host, {
    exchange,
    targetKind: 'exchange',
    target,
    routingKey: fields.routingKey,
    arguments: fields.arguments,
  })

const inExchangeWords = async <T>(
  { host }: AmqpChannel,
  exchange: string,
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (!isBrokerError(error)) throw error
    throw resourceFault(error, { ...host.names, exchange })
  }
}
