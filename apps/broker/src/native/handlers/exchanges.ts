/** Exchanges and bindings: declare, describe, list, delete, bind, unbind. */
import { BrokerError } from '@millrace/codec'
import type { Binding, ExchangeDescription } from '@millrace/core'
import * as wire from '@millrace/protocol'
import { compareUtf8 } from '../compare-utf8.ts'
import { controlHandler } from '../control-request.ts'
import { readExchangeSettings } from '../messaging/message-settings.ts'

const { Opcode } = wire

const describe = (exchange: ExchangeDescription): wire.ExchangeDescription => ({
  exchange: exchange.exchange,
  predeclared: exchange.isPredeclared,
  bindings: exchange.bindingCount,
  ...(exchange.keptCount === undefined ? {} : { kept: exchange.keptCount }),
  settings: { ...exchange.settings },
})

export const handleExchangeDeclare = controlHandler({
  decode: wire.decodeExchangeDeclare,
  answerOpcode: Opcode.EXCHANGE_DECLARED,
  encode: wire.encodeExchangeDescription,
  run: async (session, { exchange, settings = {} }) => {
    const { messaging } = session.services.broker
    const request = { exchange, settings: readExchangeSettings(settings) }
    return describe(await messaging.declareExchange(session.open.caller, request))
  },
})

export const handleExchangeDescribe = controlHandler({
  decode: wire.decodeExchangeDescribe,
  answerOpcode: Opcode.EXCHANGE_DESCRIBED,
  encode: wire.encodeExchangeDescription,
  run: (session, { exchange }) =>
    describe(session.services.broker.messaging.describeExchange(session.open.caller, exchange)),
})

export const handleExchangeList = controlHandler({
  decode: wire.decodeNameList,
  answerOpcode: Opcode.EXCHANGE_LISTED,
  encode: wire.encodeExchangeListed,
  run: (session, { prefix = '', after }) => {
    const exchanges = session.services.broker.messaging
      .listExchanges(session.open.caller)
      .filter(({ exchange }) => exchange.startsWith(prefix))
      .filter(({ exchange }) => after === undefined || compareUtf8(exchange, after) > 0)
      .sort((left, right) => compareUtf8(left.exchange, right.exchange))
    const page = exchanges.slice(0, wire.EXCHANGE_LIST_COUNT_MAX).map(describe)
    return { exchanges: page, more: exchanges.length > page.length }
  },
})

export const handleExchangeDelete = controlHandler({
  decode: wire.decodeExchangeDelete,
  answerOpcode: Opcode.EXCHANGE_DELETED,
  encode: wire.encodeDone,
  run: async (session, { exchange, ifUnused = false }) => {
    const request = { exchange, ifUnused }
    await session.services.broker.messaging.deleteExchange(session.open.caller, request)
    return {}
  },
})

/** The engine compares canonical texts: `s` and the text is what everybody can say. */
const TEXT_MARK = 's'

type Headers = Readonly<Record<string, string | null>>

const readHeaders = ({ headers, typedHeaders }: wire.Binding): Headers | undefined => {
  if (headers === undefined && typedHeaders === undefined) return undefined
  const read: Record<string, string | null> = { ...typedHeaders }
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (Object.hasOwn(read, name)) {
      throw new BrokerError('ERR_INVALID_ARGUMENT', [name.slice(0, 64), 'it is there twice'])
    }
    read[name] = value === null ? null : TEXT_MARK + value
  }
  return read
}

const readBinding = (binding: wire.Binding): Binding => {
  const { exchange, targetKind, target, routingKey, match, labels } = binding
  const headers = readHeaders(binding)
  return { exchange, targetKind, target, routingKey, match, headers, labels }
}

const writeHeaders = (headers: Headers): Pick<wire.Binding, 'headers' | 'typedHeaders'> => {
  const entries = Object.entries(headers)
  const isText = (value: string | null): boolean => value === null || value.startsWith(TEXT_MARK)
  const texts = entries.filter(([, value]) => isText(value))
  const typed = entries.filter(([, value]) => !isText(value))
  return {
    headers: Object.fromEntries(texts.map(([name, value]) => [name, value?.slice(1) ?? null])),
    ...(typed.length === 0 ? {} : { typedHeaders: Object.fromEntries(typed) as never }),
  }
}

const writeBinding = ({ headers, ...binding }: Binding): wire.Binding => ({
  ...binding,
  ...(headers === undefined ? {} : writeHeaders(headers)),
})

export const handleBind = controlHandler({
  decode: wire.decodeBinding,
  answerOpcode: Opcode.BOUND,
  encode: wire.encodeDone,
  run: async (session, binding) => {
    const { caller, messaging } = session.open
    await messaging.messaging.bind(caller, readBinding(binding), messaging.owner)
    return {}
  },
})

export const handleUnbind = controlHandler({
  decode: wire.decodeBinding,
  answerOpcode: Opcode.UNBOUND,
  encode: wire.encodeDone,
  run: async (session, binding) => {
    const { caller, messaging } = session.open
    await messaging.messaging.unbind(caller, readBinding(binding), messaging.owner)
    return {}
  },
})

export const handleBindingList = controlHandler({
  decode: wire.decodeBindingList,
  answerOpcode: Opcode.BINDING_LISTED,
  encode: wire.encodeBindingListed,
  run: (session, { skip, exchange, target, targetKind }) => {
    const all = session.services.broker.messaging.listBindings(session.open.caller, {
      ...(exchange === undefined ? {} : { exchange }),
      ...(target === undefined ? {} : { target }),
      ...(targetKind === undefined ? {} : { targetKind }),
    })
    const bindings = all.slice(skip, skip + wire.BINDING_LIST_COUNT_MAX).map(writeBinding)
    return { bindings, more: all.length > skip + bindings.length }
  },
})
