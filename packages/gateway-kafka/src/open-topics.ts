/**
 * The topics a connection works with, by name: opened once, forgotten when they are deleted. A name
 * that could not be opened is not remembered: the next request asks again. Whether the peer may read
 * or write is the engine's to say, at every call.
 */
import type { BrokerError } from '@millrace/codec'
import type { Broker, Caller, Cancellable, TopicHandle } from '@millrace/core'
import { asAnswerable } from './errors.ts'
import { OPEN_TOPICS_COUNT_MAX } from './limits.ts'

interface Entry {
  handle: TopicHandle
  watch: Cancellable
}

export class OpenTopics {
  readonly #broker: Broker
  readonly #caller: Caller
  readonly #countMax: number
  readonly #entries = new Map<string, Entry>()

  constructor(broker: Broker, caller: Caller, countMax: number = OPEN_TOPICS_COUNT_MAX) {
    this.#broker = broker
    this.#caller = caller
    this.#countMax = countMax
  }

  get count(): number {
    return this.#entries.size
  }

  find(name: string): TopicHandle | undefined {
    return this.#entries.get(name)?.handle
  }

  /** What could not be opened, and why. Never creates a topic. */
  async open(names: Iterable<string>): Promise<ReadonlyMap<string, BrokerError>> {
    const failures = new Map<string, BrokerError>()
    for (const name of names) {
      if (this.#entries.has(name)) continue
      try {
        await this.#openOne(name)
      } catch (error) {
        failures.set(name, asAnswerable(error))
      }
    }
    return failures
  }

  close(): void {
    for (const { watch } of this.#entries.values()) watch.cancel()
    this.#entries.clear()
  }

  async #openOne(name: string): Promise<void> {
    const handle = await this.#broker.openTopic(this.#caller, name, { create: false })
    if (this.#entries.size >= this.#countMax) this.#forgetOldest()
    const entry: Entry = { handle, watch: NOTHING_WATCHED }
    this.#entries.set(name, entry)
    entry.watch = this.#broker.watchTopic(handle, (event) => {
      if (event.kind === 'deleted') this.#forget(name, entry)
      else entry.handle = event.handle
    })
  }

  #forgetOldest(): void {
    for (const [name, entry] of this.#entries) {
      this.#forget(name, entry)
      return
    }
  }

  #forget(name: string, entry: Entry): void {
    entry.watch.cancel()
    if (this.#entries.get(name) === entry) this.#entries.delete(name)
  }
}

const NOTHING_WATCHED: Cancellable = { cancel: () => undefined }
