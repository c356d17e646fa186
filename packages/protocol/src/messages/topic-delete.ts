/**
 * TOPIC_DELETE: the topic goes, its handles with it.
 *
 * ```
 * TOPIC_DELETE  { topic: str, revision?: int }
 * TOPIC_DELETED { }
 * ```
 */
import { optionalInteger, requireString } from '../fields.ts'
import { decodeControl, encodeControl } from '../msgpack.ts'

export interface TopicDelete {
  readonly topic: string
  readonly revision?: number | undefined
}

export type TopicDeleted = Readonly<Record<string, never>>

export const encodeTopicDelete = (request: TopicDelete): Uint8Array => encodeControl(request)

export const decodeTopicDelete = (body: Uint8Array): TopicDelete => {
  const map = decodeControl(body)
  return {
    topic: requireString(map, 'topic'),
    revision: optionalInteger(map, 'revision', 0, Number.MAX_SAFE_INTEGER, undefined),
  }
}

export const encodeTopicDeleted = (_deleted: TopicDeleted = {}): Uint8Array => encodeControl({})

export const decodeTopicDeleted = (body: Uint8Array): TopicDeleted => {
  decodeControl(body)
  return {}
}
