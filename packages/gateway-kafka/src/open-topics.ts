/**
 * The topics a connection works with, by name: opened once, forgotten when they are deleted. A name
 * that could not be opened is not remembered: the next request asks again.
 */
import { BrokerError } from '@millrace/codec'
import type { Action, Caller, Cancellable, Services, TopicHandle } from '@millrace/core'
import { asAnswerable } from './errors.ts'
import { OPEN_TOPICS_COUNT_MAX } from './limits.ts'

export interface OpenTopic {
  readonly handle: TopicHandle
  readonly canRead: boolean
  readonly canWrite: boolean
}

interface Entry {
  topic: OpenTopic
  watch: Cancellable
}

export const isAllowed = (
  services: Services,
  { principal, namespace }: Caller,
  action: Action,
  name: string,
): boolean => services.authorizer.check(principal, action, { kind: 'topic', namespace, name })

export const notAuthorized = ({ principal }: Caller, action: Action, topic: string): BrokerError =>
  new BrokerError('ERR_NOT_AUTHORIZED', [principal.name, action, topic])

export class OpenTopics {
  readonly #services: Services
  readonly #caller: Caller
  readonly #countMax: number
  readonly #entries = new Map<string, Entry>()

  constructor(services: Services, caller: Caller, countMax: number = OPEN_TOPICS_COUNT_MAX) {
    this.#services = services
    this.#caller = caller
    this.#countMax = countMax
  }

  get count(): number {
    return this.#entries.size
  }

  find(name: string): OpenTopic | undefined {
    return this.#entries.get(name)?.topic
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
    const services = this.#services
    const canRead = isAllowed(services, this.#caller, 'read', name)
    const canWrite = isAllowed(services, this.#caller, 'write', name)
    if (!canRead && !canWrite) throw notAuthorized(this.#caller, 'read', name)
    const handle = await services.broker.openTopic(this.#caller, name, { create: false })
    if (this.#entries.size >= this.#countMax) this.#forgetOldest()
    const entry: Entry = { topic: { handle, canRead, canWrite }, watch: NOTHING_WATCHED }
    this.#entries.set(name, entry)
    entry.watch = services.broker.watchTopic(handle, (event) => {
      if (event.kind === 'deleted') this.#forget(name, entry)
      else entry.topic = { handle: event.handle, canRead, canWrite }
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
