/** Settings of exchanges and queues, as programs write and read them. docs/protocol.md 19 says what they do. */
import type { HeaderMatch } from '@millrace/protocol'

export type RoutingType =
  'direct' | 'topic' | 'fanout' | 'headers' | 'consistent-hash' | 'modulus-hash' | 'random'

/** `delayed` keeps messages for their `delayMs`, then routes them as its `delayedType`. */
export type ExchangeType = RoutingType | 'delayed'

export interface ExchangeSettings {
  /** Default: `direct`. */
  readonly type?: ExchangeType
  /** Default: true. */
  readonly isDurable?: boolean
  readonly isAutoDelete?: boolean
  readonly isInternal?: boolean
  readonly alternateExchange?: string
  readonly hashHeader?: string
  /** Of `delayed`, which has to have one. */
  readonly delayedType?: RoutingType
  readonly labels?: Readonly<Record<string, string>>
}

export interface QueueSettings {
  /** Default: true. */
  readonly isDurable?: boolean
  readonly isAutoDelete?: boolean
  readonly expiresMs?: number
  readonly messageTtlMs?: number
  readonly lengthMax?: number
  readonly bytesMax?: number
  /** Default: `drop-head`. */
  readonly overflow?: 'drop-head' | 'reject' | 'reject-dead-letter'
  readonly deadLetterExchange?: string
  readonly deadLetterKey?: string
  readonly priorityMax?: number
  readonly isSingleActiveConsumer?: boolean
  readonly deliveryLimit?: number
  readonly redeliveryDelayMsMin?: number
  readonly redeliveryDelayMsMax?: number
  /** Default: `all`. */
  readonly redeliveryDelayOf?: 'all' | 'failed' | 'returned'
  readonly deliveryTimeoutMs?: number
  readonly isKeyOrdered?: boolean
  readonly dedupWindowMs?: number
  readonly retentionMs?: number
  readonly topic?: string
  readonly isStream?: boolean
  readonly labels?: Readonly<Record<string, string>>
}

/** `null` goes back to the default. */
export type QueueSettingsPatch = {
  readonly [Name in keyof QueueSettings]?: QueueSettings[Name] | null
}

/** Where a binding leads, and for which messages. */
export interface BindOptions {
  /** Default: the empty one. */
  readonly routingKey?: string
  /** Of a headers exchange. Default: `all`. */
  readonly match?: HeaderMatch
  /** Of a headers exchange; `null`: the header must be there, whatever it says. */
  readonly headers?: Readonly<Record<string, string | null>>
  /** Ends the wait with ERR_ABORTED; the request goes on. */
  readonly signal?: AbortSignal
}
