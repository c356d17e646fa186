/**
 * Opened topics of one connection: a name is resolved once, by whoever needs it first, and the rest
 * wait for the same answer. A handle that turned stale is forgotten and opened again.
 */
import { isBrokerError } from '@millrace/codec'
import { Opcode, type TopicOpened, decodeTopicOpened, encodeTopicOpen } from '@millrace/protocol'
import { explain } from '../errors.ts'
import { call } from './call.ts'
import type { Connection } from './connection.ts'

/** It was asked to create the topic, and did not: say who can. */
const adviseToCreate = (error: unknown): never => {
  if (isBrokerError(error) && error.code === 'ERR_TOPIC_NOT_FOUND') {
    explain(error, 'this broker creates none on first use, so create it with admin.createTopic()')
  }
  throw error
}

export class TopicHandles {
  readonly #connection: Connection
  readonly #timeoutMs: number
  readonly #opened = new Map<string, Promise<TopicOpened>>()

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection
    this.#timeoutMs = timeoutMs
  }

  /** `create`: on first use, where the broker allows it. */
  open(topic: string, create: boolean): Promise<TopicOpened> {
    const known = this.#opened.get(topic)
    if (known !== undefined) return known
    const body = encodeTopicOpen({ topic, create })
    const opening = call(this.#connection, Opcode.TOPIC_OPEN, body, decodeTopicOpened, {
      timeoutMs: this.#timeoutMs,
    })
    const advised = create ? opening.catch(adviseToCreate) : opening
    this.#opened.set(topic, advised)
    advised.catch(() => this.#forget(topic, advised))
    return advised
  }

  /** The broker said that this handle is stale. Somebody else may have opened a new one already. */
  async discard(stale: TopicOpened): Promise<void> {
    const known = this.#opened.get(stale.topic)
    if (known === undefined) return
    const current = await known.catch(() => undefined)
    if (current?.handle === stale.handle) this.#forget(stale.topic, known)
  }

  #forget(topic: string, opening: Promise<TopicOpened>): void {
    if (this.#opened.get(topic) === opening) this.#opened.delete(topic)
  }
}
