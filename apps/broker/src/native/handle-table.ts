/**
 * The topics a connection has opened, by handle. A number is never given out twice on a connection,
 * so that a request with a handle of a topic deleted meanwhile cannot reach another topic.
 */
import { BrokerError } from '@millrace/codec'
import type { TopicHandle } from '@millrace/core'
import { HANDLES_COUNT_MAX } from '../limits.ts'

export interface OpenTopic {
  readonly handle: number
  readonly topic: TopicHandle
}

export class HandleTable {
  readonly #countMax: number
  readonly #byHandle = new Map<number, OpenTopic>()
  readonly #byName = new Map<string, OpenTopic>()
  #next = 1

  constructor(countMax: number = HANDLES_COUNT_MAX) {
    this.#countMax = countMax
  }

  /** The same topic opened again keeps its handle; deleted and created again it gets a new one. */
  open(topic: TopicHandle): OpenTopic {
    const known = this.#byName.get(topic.topic)
    const isSame =
      known !== undefined &&
      known.topic.topicId === topic.topicId &&
      known.topic.generation === topic.generation
    if (known !== undefined && !isSame) this.#byHandle.delete(known.handle)
    const handle = isSame ? known.handle : this.#issue()
    const entry: OpenTopic = { handle, topic }
    this.#byHandle.set(handle, entry)
    this.#byName.set(topic.topic, entry)
    return entry
  }

  find(handle: number): OpenTopic | undefined {
    return this.#byHandle.get(handle)
  }

  #issue(): number {
    if (this.#byHandle.size >= this.#countMax) {
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [this.#countMax, 'open topics of a connection'])
    }
    return this.#next++
  }
}
