/** Requests about exchanges, bindings and queues as a whole; `Exchange`, `Queue` and `Admin` send them. */
import {
  type Binding,
  type BindingList,
  decodeBindingListed,
  decodeDone,
  decodeExchangeListed,
  decodeQueueListed,
  encodeBinding,
  encodeBindingList,
  encodeNameList,
  type ExchangeDescription,
  Opcode,
  type QueueDescription,
} from '@millrace/protocol'
import type { BrokerSession } from '../session/broker-session.ts'
import type { BindOptions } from './settings.ts'

export interface NameListOptions {
  /** Only names that begin so. */
  readonly prefix?: string
  readonly signal?: AbortSignal
}

export interface BindingListOptions extends Partial<Omit<BindingList, 'skip'>> {
  readonly signal?: AbortSignal
}

/** Where a binding leads. */
export type BindingTarget = Pick<Binding, 'targetKind' | 'target'>

const bindingOf = (exchange: string, to: BindingTarget, options: BindOptions): Binding => ({
  exchange,
  targetKind: to.targetKind,
  target: to.target,
  routingKey: options.routingKey ?? '',
  match: options.match,
  headers: options.headers,
})

/** To bind twice is to bind once, so it may be asked again. */
export const bind = async (
  session: BrokerSession,
  exchange: string,
  target: BindingTarget,
  options: BindOptions,
): Promise<void> => {
  const body = encodeBinding(bindingOf(exchange, target, options))
  await session.call(Opcode.BIND, body, decodeDone, { signal: options.signal, isSafe: true })
}

export const unbind = async (
  session: BrokerSession,
  exchange: string,
  target: BindingTarget,
  options: BindOptions,
): Promise<void> => {
  const body = encodeBinding(bindingOf(exchange, target, options))
  await session.call(Opcode.UNBIND, body, decodeDone, { signal: options.signal, isSafe: true })
}

export const listExchanges = async (
  session: BrokerSession,
  { prefix, signal }: NameListOptions,
): Promise<readonly ExchangeDescription[]> => {
  const exchanges: ExchangeDescription[] = []
  for (let after: string | undefined; ; after = exchanges.at(-1)?.exchange) {
    const body = encodeNameList({ prefix, after })
    const options = { signal, isSafe: true }
    const page = await session.call(Opcode.EXCHANGE_LIST, body, decodeExchangeListed, options)
    exchanges.push(...page.exchanges)
    // A broker that says "more" and sends nothing would be asked for ever.
    if (page.more !== true || page.exchanges.length === 0) return exchanges
  }
}

export const listQueues = async (
  session: BrokerSession,
  { prefix, signal }: NameListOptions,
): Promise<readonly QueueDescription[]> => {
  const queues: QueueDescription[] = []
  for (let after: string | undefined; ; after = queues.at(-1)?.queue) {
    const body = encodeNameList({ prefix, after })
    const options = { signal, isSafe: true }
    const page = await session.call(Opcode.QUEUE_LIST, body, decodeQueueListed, options)
    queues.push(...page.queues)
    if (page.more !== true || page.queues.length === 0) return queues
  }
}

export const listBindings = async (
  session: BrokerSession,
  { signal, ...filter }: BindingListOptions,
): Promise<readonly Binding[]> => {
  const bindings: Binding[] = []
  for (;;) {
    const body = encodeBindingList({ ...filter, skip: bindings.length })
    const options = { signal, isSafe: true }
    const page = await session.call(Opcode.BINDING_LIST, body, decodeBindingListed, options)
    bindings.push(...page.bindings)
    if (page.more !== true || page.bindings.length === 0) return bindings
  }
}
