/**
 * TOPIC_OPEN: resolves a name and the right to use it into a handle, once, so that PRODUCE and FETCH
 * need neither. A handle belongs to its connection and dies with the topic.
 *
 * ```
 * TOPIC_OPEN   { topic: str, create?: bool }
 * TOPIC_OPENED { handle: int u32, topic: str, id?: int, partitions: int, durability: str,
 *                batchBytesMax: int }
 * ```
 */
import { optionalBoolean, optionalInteger, requireInteger, requireString } from '../fields.ts'
import { UINT32_MAX } from '../limits.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicOpen {
  readonly topic: string
  /** True: create it on first use, when the broker allows that. */
  readonly create?: boolean | undefined
}

export interface TopicOpened {
  readonly handle: number
  readonly topic: string
  /** Of the topic, whatever its name: another one shows that it was created again. */
  readonly id?: number | undefined
  readonly partitions: number
  readonly durability: string
  readonly batchBytesMax: number
}

export const encodeTopicOpen = (open: TopicOpen): Uint8Array => encodeControl(open)

export const decodeTopicOpen = (body: Uint8Array): TopicOpen => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    create: optionalBoolean(map, 'create', false),
  }
}

export const encodeTopicOpened = (opened: TopicOpened): Uint8Array => encodeControl(opened)

export const decodeTopicOpened = (body: Uint8Array): TopicOpened => {
  const map = decodeControl(body)
  return {
    handle: requireInteger(map, 'handle', 0, UINT32_MAX),
    topic: requireString(map, 'topic'),
    id: optionalInteger(map, 'id', 0, Number.MAX_SAFE_INTEGER, undefined),
    partitions: requireInteger(map, 'partitions', 1, UINT32_MAX),
    durability: requireString(map, 'durability'),
    batchBytesMax: requireInteger(map, 'batchBytesMax', 1, UINT32_MAX),
  }
}
