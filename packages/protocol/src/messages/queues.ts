/**
 * Queues as a whole: declare, describe, list, alter, delete.
 *
 * ```
 * QUEUE_DECLARE   { queue: str, settings?: map, exclusive?: bool }
 * QUEUE_DECLARED  { queue: str, exclusive: bool, ready: int, readyBytes: int, delayed?: int,
 *                   inFlight: int, consumers: int, counters: map, settings: map }
 * QUEUE_DESCRIBE  { queue: str }                      QUEUE_DESCRIBED as QUEUE_DECLARED
 * QUEUE_LIST      { prefix?: str, after?: str }
 * QUEUE_LISTED    { queues: [as QUEUE_DECLARED], more?: bool }
 * QUEUE_ALTER     { queue: str, settings: map }       QUEUE_ALTERED as QUEUE_DECLARED
 * QUEUE_DELETE    { queue: str, ifUnused?: bool, ifEmpty?: bool }
 * QUEUE_DELETED   { messages: int }
 * ```
 */
import {
  asMap,
  optionalBoolean,
  optionalInteger,
  optionalMap,
  requireBoolean,
  requireInteger,
  requireList,
  requireMap,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'
import type { MessagingSettings } from './exchanges.ts'

export interface QueueDeclare {
  readonly queue: string
  readonly settings?: MessagingSettings | undefined
  readonly exclusive?: boolean | undefined
}

const counterNames = [
  'published',
  'delivered',
  'redelivered',
  'settled',
  'deadLettered',
  'expired',
  'dropped',
] as const

/** Since the broker started. */
export type QueueCounters = { readonly [Name in (typeof counterNames)[number]]: number }

export interface QueueDescription {
  readonly queue: string
  readonly exclusive: boolean
  readonly ready: number
  readonly readyBytes: number
  /** 0 when it is not said. */
  readonly delayed?: number | undefined
  readonly inFlight: number
  readonly consumers: number
  readonly counters: QueueCounters
  readonly settings: MessagingSettings
}

export interface QueueDescribe {
  readonly queue: string
}

export interface QueueListed {
  readonly queues: readonly QueueDescription[]
  readonly more?: boolean | undefined
}

export interface QueueAlter {
  readonly queue: string
  readonly settings: MessagingSettings
}

export interface QueueDelete {
  readonly queue: string
  readonly ifUnused?: boolean | undefined
  readonly ifEmpty?: boolean | undefined
}

/** Of QUEUE_DELETED, QUEUE_PURGED, QUEUE_MOVED and QUEUE_REPLAYED. */
export interface MessagesCounted {
  readonly messages: number
}

const count = (map: ControlMap, name: string): number =>
  requireInteger(map, name, 0, Number.MAX_SAFE_INTEGER)

const readCounters = (map: ControlMap): QueueCounters => {
  const read: { -readonly [Name in keyof QueueCounters]?: number } = {}
  for (const name of counterNames) read[name] = count(map, name)
  return read as QueueCounters
}

const readQueue = (map: ControlMap): QueueDescription => ({
  queue: requireString(map, 'queue'),
  exclusive: requireBoolean(map, 'exclusive'),
  ready: count(map, 'ready'),
  readyBytes: count(map, 'readyBytes'),
  delayed: optionalInteger(map, 'delayed', 0, Number.MAX_SAFE_INTEGER, undefined),
  inFlight: count(map, 'inFlight'),
  consumers: count(map, 'consumers'),
  counters: readCounters(requireMap(map, 'counters')),
  settings: requireMap(map, 'settings'),
})

export const encodeQueueDeclare = (declare: QueueDeclare): Uint8Array => encodeControl(declare)

export const decodeQueueDeclare = (body: Uint8Array): QueueDeclare => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    settings: optionalMap(map, 'settings'),
    exclusive: optionalBoolean(map, 'exclusive', false),
  }
}

export const encodeQueueDescription = (description: QueueDescription): Uint8Array =>
  encodeControl(description)

export const decodeQueueDescription = (body: Uint8Array): QueueDescription =>
  readQueue(decodeControl(body))

/** Of QUEUE_DESCRIBE and QUEUE_PURGE. */
export const encodeQueueDescribe = (describe: QueueDescribe): Uint8Array => encodeControl(describe)

export const decodeQueueDescribe = (body: Uint8Array): QueueDescribe => ({
  queue: requireString(decodeControl(body), 'queue'),
})

export const encodeQueueListed = (listed: QueueListed): Uint8Array =>
  encodeControl(listed, CONTROL_LIST_BYTES_MAX)

export const decodeQueueListed = (body: Uint8Array): QueueListed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    queues: requireList(map, 'queues', (value, name) => readQueue(asMap(value, name))),
    more: optionalBoolean(map, 'more', false),
  }
}

export const encodeQueueAlter = (alter: QueueAlter): Uint8Array => encodeControl(alter)

export const decodeQueueAlter = (body: Uint8Array): QueueAlter => {
  const map = decodeControl(body)
  return { queue: requireString(map, 'queue'), settings: requireMap(map, 'settings') }
}

export const encodeQueueDelete = (request: QueueDelete): Uint8Array => encodeControl(request)

export const decodeQueueDelete = (body: Uint8Array): QueueDelete => {
  const map = decodeControl(body)
  return {
    queue: requireString(map, 'queue'),
    ifUnused: optionalBoolean(map, 'ifUnused', false),
    ifEmpty: optionalBoolean(map, 'ifEmpty', false),
  }
}

export const encodeMessagesCounted = (counted: MessagesCounted): Uint8Array =>
  encodeControl(counted)

export const decodeMessagesCounted = (body: Uint8Array): MessagesCounted => ({
  messages: count(decodeControl(body), 'messages'),
})
