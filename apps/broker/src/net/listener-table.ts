/**
 * Every port the broker can listen on: one row each, in the order they are bound. A row is served
 * when its gateway exists (`composition.ts`) and its port is not off.
 */
import type { ConfigPath } from '../config/config-table.ts'

/** Protocols that run on connections of ours; HTTP is served apart. */
export type GatewayName = 'native' | 'kafka'

export type ListenerKind = 'gateway' | 'http'

export interface ListenerRow {
  readonly name: string
  readonly kind: ListenerKind
  readonly gateway: GatewayName
  /** The setting that moves it, and its flag if it has one. */
  readonly portKey: Extract<ConfigPath, `${string}.port`>
  readonly flag: string
}

export const listenerTable = [
  {
    name: 'native',
    kind: 'gateway',
    gateway: 'native',
    portKey: 'native.port',
    flag: '--native-port',
  },
  { name: 'http', kind: 'http', gateway: 'native', portKey: 'http.port', flag: '--http-port' },
  {
    name: 'kafka',
    kind: 'gateway',
    gateway: 'kafka',
    portKey: 'kafka.port',
    flag: '--kafka-port',
  },
] as const satisfies readonly ListenerRow[]

export type ListenerName = (typeof listenerTable)[number]['name']
