/**
 * Exchanges.
 *
 * ```
 * EXCHANGE_DECLARE   { exchange: str, settings?: map }
 * EXCHANGE_DECLARED  { exchange: str, predeclared: bool, bindings: int, settings: map,
 *                      kept?: int }
 * EXCHANGE_DESCRIBE  { exchange: str }               EXCHANGE_DESCRIBED as EXCHANGE_DECLARED
 * EXCHANGE_LIST      { prefix?: str, after?: str }
 * EXCHANGE_LISTED    { exchanges: [as EXCHANGE_DECLARED], more?: bool }
 * EXCHANGE_DELETE    { exchange: str, ifUnused?: bool }  EXCHANGE_DELETED { }
 * ```
 */
import {
  asMap,
  optionalBoolean,
  optionalInteger,
  optionalMap,
  optionalString,
  requireBoolean,
  requireInteger,
  requireList,
  requireMap,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'

/** Names and values are the broker's to check. */
export type MessagingSettings = Readonly<Record<string, unknown>>

export interface ExchangeDeclare {
  readonly exchange: string
  readonly settings?: MessagingSettings | undefined
}

export interface ExchangeDescription {
  readonly exchange: string
  /** It is there from the start, and cannot be deleted. */
  readonly predeclared: boolean
  /** Bindings that lead from it. */
  readonly bindings: number
  /** Of `delayed`: messages that it keeps until they are due. */
  readonly kept?: number | undefined
  readonly settings: MessagingSettings
}

export interface ExchangeDescribe {
  readonly exchange: string
}

/** Of EXCHANGE_LIST and QUEUE_LIST. */
export interface NameList {
  readonly prefix?: string | undefined
  /** Only names that sort after this one. */
  readonly after?: string | undefined
}

export interface ExchangeListed {
  readonly exchanges: readonly ExchangeDescription[]
  readonly more?: boolean | undefined
}

export interface ExchangeDelete {
  readonly exchange: string
  readonly ifUnused?: boolean | undefined
}

/** The body of an answer that says nothing more than that it is done. */
export type Done = Readonly<Record<string, never>>

export const encodeDone = (): Uint8Array => encodeControl({})

export const decodeDone = (body: Uint8Array): Done => {
  decodeControl(body)
  return {}
}

const readExchange = (map: ControlMap): ExchangeDescription => ({
  exchange: requireString(map, 'exchange'),
  predeclared: requireBoolean(map, 'predeclared'),
  bindings: requireInteger(map, 'bindings', 0, UINT32_MAX),
  kept: optionalInteger(map, 'kept', 0, UINT32_MAX, undefined),
  settings: requireMap(map, 'settings'),
})

export const encodeExchangeDeclare = (declare: ExchangeDeclare): Uint8Array =>
  encodeControl(declare)

export const decodeExchangeDeclare = (body: Uint8Array): ExchangeDeclare => {
  const map = decodeControl(body)
  return { exchange: requireString(map, 'exchange'), settings: optionalMap(map, 'settings') }
}

export const encodeExchangeDescription = (description: ExchangeDescription): Uint8Array =>
  encodeControl(description)

export const decodeExchangeDescription = (body: Uint8Array): ExchangeDescription =>
  readExchange(decodeControl(body))

export const encodeExchangeDescribe = (describe: ExchangeDescribe): Uint8Array =>
  encodeControl(describe)

export const decodeExchangeDescribe = (body: Uint8Array): ExchangeDescribe => ({
  exchange: requireString(decodeControl(body), 'exchange'),
})

export const encodeNameList = (list: NameList): Uint8Array => encodeControl(list)

export const decodeNameList = (body: Uint8Array): NameList => {
  const map = decodeControl(body)
  return {
    prefix: optionalString(map, 'prefix', undefined),
    after: optionalString(map, 'after', undefined),
  }
}

export const encodeExchangeListed = (listed: ExchangeListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeExchangeListed = (body: Uint8Array): ExchangeListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    exchanges: requireList(map, 'exchanges', (value, name) => readExchange(asMap(value, name))),
    more: optionalBoolean(map, 'more', false),
  }
}

export const encodeExchangeDelete = (request: ExchangeDelete): Uint8Array => encodeControl(request)

export const decodeExchangeDelete = (body: Uint8Array): ExchangeDelete => {
  const map = decodeControl(body)
  return {
    exchange: requireString(map, 'exchange'),
    ifUnused: optionalBoolean(map, 'ifUnused', false),
  }
}
