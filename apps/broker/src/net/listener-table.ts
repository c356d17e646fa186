/**
 * Every port the broker can listen on: one row each, in the order they are bound. A row is served
 * when its port is not off and, for TLS, there is a certificate. `composition.ts` makes the gateways.
 */
import type { ConfigPath } from '../config/config-table.ts'

/** Protocols that run on connections of ours. */
export type GatewayName = 'native' | 'kafka' | 'amqp'

type PortPath = Extract<ConfigPath, `${string}.port` | `${string}.tlsPort`>

export interface ListenerRow {
  readonly name: string
  readonly speaks: GatewayName | 'http'
  readonly isTls: boolean
  /** The setting that moves it. */
  readonly portKey: PortPath
}

const row = <Name extends string>(
  name: Name,
  speaks: GatewayName | 'http',
  isTls: boolean,
  portKey: PortPath,
): ListenerRow & { readonly name: Name } => ({ name, speaks, isTls, portKey })

export const listenerTable = [
  row('native', 'native', false, 'native.port'),
  row('nativeTls', 'native', true, 'native.tlsPort'),
  row('http', 'http', false, 'http.port'),
  row('https', 'http', true, 'http.tlsPort'),
  row('kafka', 'kafka', false, 'kafka.port'),
  row('kafkaTls', 'kafka', true, 'kafka.tlsPort'),
  row('amqp', 'amqp', false, 'amqp.port'),
  row('amqpTls', 'amqp', true, 'amqp.tlsPort'),
] as const

export type ListenerName = (typeof listenerTable)[number]['name']
