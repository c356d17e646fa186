/** The exchanges that every namespace has from the beginning. They are durable and never go. */
import type { ExchangeType } from '../engine/messaging.ts'

/** Leads to the queue that the routing key names. It has no bindings. */
export const DEFAULT_EXCHANGE = ''

const RESERVED_PREFIX = 'amq.'

export const predeclaredExchanges: readonly { name: string; type: ExchangeType }[] = [
  { name: 'amq.direct', type: 'direct' },
  { name: 'amq.topic', type: 'topic' },
  { name: 'amq.fanout', type: 'fanout' },
  { name: 'amq.headers', type: 'headers' },
  { name: 'amq.match', type: 'headers' },
]

/** Nobody may declare a new exchange of this name. */
export const isReservedName = (name: string): boolean =>
  name === DEFAULT_EXCHANGE || name.startsWith(RESERVED_PREFIX)
