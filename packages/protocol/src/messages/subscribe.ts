/**
 * SUBSCRIBE: deliveries of a topic, pushed while there is credit. The answer is SUBSCRIBED.
 *
 * ```
 * SUBSCRIBE  { subscription: int u32 not 0, topic: str, partitions?: [int],
 *              from: "earliest" | "latest" | int offset | { timestamp: int ms }
 *                    | { offsets: { "0": int, … } },
 *              credit: int bytes, maxBytesPerDeliver?: int }
 * SUBSCRIBED { subscription: int, topic: str, id?: int,
 *              partitions: [{ partition: int, offset: int }] }
 * ```
 */
import {
  asInteger,
  asMap,
  fieldOf,
  malformedField,
  optionalInteger,
  optionalList,
  optionalMap,
  requireInteger,
  requireList,
  requireString,
} from '../fields.ts'
import { CONTROL_LIST_BYTES_MAX, UINT32_MAX } from '../limits.ts'
import { type ControlMap, decodeControl, encodeControl } from '../msgpack.ts'
import { asPartition } from './list-offsets.ts'

/** `offsets` is how a subscription resumes: the next offset of each partition it has seen. */
export type SubscribeFrom =
  | 'earliest'
  | 'latest'
  | number
  | { readonly timestamp: number }
  | { readonly offsets: Readonly<Record<string, number>> }

export interface Subscribe {
  /** Chosen by the client; DELIVER carries it as correlation. */
  readonly subscription: number
  readonly topic: string
  /** Left out: all, those to come included. */
  readonly partitions?: readonly number[] | undefined
  readonly from: SubscribeFrom
  readonly credit: number
  readonly maxBytesPerDeliver?: number | undefined
}

export interface Subscribed {
  readonly subscription: number
  readonly topic: string
  /** Of the topic, whatever its name: another one shows that it was created again. */
  readonly id?: number | undefined
  readonly partitions: readonly { readonly partition: number; readonly offset: number }[]
}

const PARTITION_KEY = /^(0|[1-9][0-9]{0,9})$/

const readOffsets = (offsets: ControlMap): Record<string, number> => {
  const read: Record<string, number> = {}
  for (const [key, offset] of Object.entries(offsets)) {
    if (!PARTITION_KEY.test(key) || Number(key) > UINT32_MAX) {
      throw malformedField('from.offsets', 'a map whose keys are partition numbers')
    }
    read[key] = asInteger(offset, `from.offsets.${key}`, 0, Number.MAX_SAFE_INTEGER)
  }
  return read
}

const readFrom = (from: unknown): SubscribeFrom => {
  if (from === 'earliest' || from === 'latest') return from
  if (typeof from === 'number') return asInteger(from, 'from', 0, Number.MAX_SAFE_INTEGER)
  const map = asMap(from, 'from')
  const offsets = optionalMap(map, 'offsets')
  const timestamp = fieldOf(map, 'timestamp')
  if (offsets !== undefined) {
    if (timestamp !== undefined) throw malformedField('from', 'a timestamp or offsets, not both')
    return { offsets: readOffsets(offsets) }
  }
  return { timestamp: asInteger(timestamp, 'from.timestamp', 0, Number.MAX_SAFE_INTEGER) }
}

const readStart = (value: unknown, name: string): Subscribed['partitions'][number] => {
  const map = asMap(value, name)
  return {
    partition: requireInteger(map, 'partition', 0, UINT32_MAX),
    offset: requireInteger(map, 'offset', 0, Number.MAX_SAFE_INTEGER),
  }
}

export const encodeSubscribe = (subscribe: Subscribe): Uint8Array => encodeControl(subscribe)

export const decodeSubscribe = (body: Uint8Array): Subscribe => {
  const map = decodeControl(body)
  return {
    subscription: requireInteger(map, 'subscription', 1, UINT32_MAX),
    topic: requireString(map, 'topic'),
    partitions: optionalList(map, 'partitions', asPartition, undefined),
    from: readFrom(fieldOf(map, 'from')),
    credit: requireInteger(map, 'credit', 0, UINT32_MAX),
    maxBytesPerDeliver: optionalInteger(map, 'maxBytesPerDeliver', 1, UINT32_MAX, undefined),
  }
}

export const encodeSubscribed = (subscribed: Subscribed): Uint8Array =>
  encodeControl(subscribed, CONTROL_LIST_BYTES_MAX)

export const decodeSubscribed = (body: Uint8Array): Subscribed => {
  const map = decodeControl(body, CONTROL_LIST_BYTES_MAX)
  return {
    subscription: requireInteger(map, 'subscription', 1, UINT32_MAX),
    topic: requireString(map, 'topic'),
    id: optionalInteger(map, 'id', 0, Number.MAX_SAFE_INTEGER, undefined),
    partitions: requireList(map, 'partitions', readStart),
  }
}
