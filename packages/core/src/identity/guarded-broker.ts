/**
 * The engine's façade with a check in front of every call. It is the only `Broker` that leaves this
 * package, and a call added to the façade does not compile until somebody has said here what it
 * takes.
 *
 * What a caller has no right to at all looks the same whether it exists or not.
 */
import type { BrokerError } from '@millrace/codec'
import type { Messaging, QueueDescription } from '../engine/messaging.ts'
import type {
  Broker,
  BrokerStatus,
  Caller,
  Cancellable,
  EngineSession,
  OffsetAnswer,
  ProducerIdentity,
  SessionOptions,
  TopicDescription,
  TopicEvent,
  TopicHandle,
  TopicInspection,
  TopicSummary,
} from '../engine/operations.ts'
import type { Action, Resource } from '../gateway/contracts.ts'
import { type Identity, brokerResource, notAuthorized } from './identity.ts'
import { SessionAccess } from './session-access.ts'

/** Any of them makes a topic visible. */
const visibleBy: readonly Action[] = ['read', 'write', 'configure']

const topicOf = ({ namespace }: Caller, name: string): Resource => ({
  kind: 'topic',
  namespace,
  name,
})

export class GuardedBroker implements Broker {
  readonly identity: Identity
  readonly messaging: Messaging
  readonly #inner: Omit<Broker, 'identity' | 'messaging'>
  readonly #autoCreatesTopics: boolean

  constructor(
    inner: Omit<Broker, 'identity' | 'messaging'>,
    identity: Identity,
    messaging: Messaging,
    options: { readonly autoCreateTopics: boolean },
  ) {
    this.#inner = inner
    this.identity = identity
    this.messaging = messaging
    this.#autoCreatesTopics = options.autoCreateTopics
  }

  openSession(options: SessionOptions): EngineSession {
    const access = new SessionAccess(this.identity.authorizer, options.principal)
    return this.#inner.openSession({ ...options, access })
  }

  async openTopic(
    caller: Caller,
    topic: string,
    options: { create: boolean },
  ): Promise<TopicHandle> {
    this.#checkVisible(caller, topic)
    const mayCreate = this.#allows(caller, 'configure', topicOf(caller, topic))
    try {
      return await this.#inner.openTopic(caller, topic, { create: options.create && mayCreate })
    } catch (error) {
      const isMissing = (error as BrokerError).code === 'ERR_TOPIC_NOT_FOUND'
      if (!isMissing || !options.create || mayCreate || !this.#autoCreatesTopics) throw error
      throw notAuthorized(caller.principal, 'configure', topicOf(caller, topic))
    }
  }

  async createTopic(
    caller: Caller,
    request: Parameters<Broker['createTopic']>[1],
  ): Promise<TopicDescription> {
    this.#check(caller, 'configure', topicOf(caller, request.topic))
    return await this.#inner.createTopic(caller, request)
  }

  listTopics(caller: Caller, options?: { prefix?: string }): readonly TopicSummary[] {
    return this.#inner
      .listTopics(caller, options)
      .filter(({ topic }) => this.#isVisible(caller, topic))
  }

  describeTopic(caller: Caller, topic: string): TopicDescription {
    this.#checkVisible(caller, topic)
    return this.#inner.describeTopic(caller, topic)
  }

  async alterTopic(
    caller: Caller,
    request: Parameters<Broker['alterTopic']>[1],
  ): Promise<TopicDescription> {
    this.#check(caller, 'configure', topicOf(caller, request.topic))
    return await this.#inner.alterTopic(caller, request)
  }

  async deleteTopic(caller: Caller, request: { topic: string; revision?: number }): Promise<void> {
    this.#check(caller, 'configure', topicOf(caller, request.topic))
    await this.#inner.deleteTopic(caller, request)
  }

  async listOffsets(
    caller: Caller,
    request: Parameters<Broker['listOffsets']>[1],
  ): Promise<readonly OffsetAnswer[]> {
    this.#check(caller, 'read', topicOf(caller, request.topic))
    return await this.#inner.listOffsets(caller, request)
  }

  /** A number that says nothing and opens nothing: whoever may connect may have one. */
  initProducer(caller: Caller): Promise<ProducerIdentity> {
    return this.#inner.initProducer(caller)
  }

  async deleteRecords(
    caller: Caller,
    request: Parameters<Broker['deleteRecords']>[1],
  ): ReturnType<Broker['deleteRecords']> {
    this.#check(caller, 'configure', topicOf(caller, request.topic))
    return await this.#inner.deleteRecords(caller, request)
  }

  async truncateTopic(
    caller: Caller,
    request: Parameters<Broker['truncateTopic']>[1],
  ): ReturnType<Broker['truncateTopic']> {
    this.#check(caller, 'configure', topicOf(caller, request.topic))
    return await this.#inner.truncateTopic(caller, request)
  }

  /** For listeners, which know a namespace before they know who asks. */
  hasNamespace(namespace: string): boolean {
    return this.#inner.hasNamespace(namespace)
  }

  async createNamespace(caller: Caller, namespace: string): Promise<void> {
    this.#check(caller, 'administer', brokerResource('namespaces'))
    await this.#inner.createNamespace(caller, namespace)
  }

  /** A handle was checked when it was given out; what is told is that it is stale. */
  watchTopic(handle: TopicHandle, listener: (event: TopicEvent) => void): Cancellable {
    return this.#inner.watchTopic(handle, listener)
  }

  async checkStorage(
    caller: Caller,
    request: Parameters<Broker['checkStorage']>[1],
  ): ReturnType<Broker['checkStorage']> {
    this.#check(caller, 'administer', brokerResource('storage'))
    return await this.#inner.checkStorage(caller, request)
  }

  async backUp(
    caller: Caller,
    request: Parameters<Broker['backUp']>[1],
  ): ReturnType<Broker['backUp']> {
    this.#check(caller, 'administer', brokerResource('storage'))
    return await this.#inner.backUp(caller, request)
  }

  status(): BrokerStatus {
    return this.#inner.status()
  }

  /** For the process that owns the broker, not for its callers. */
  inspectTopics(): Iterable<TopicInspection> {
    return this.#inner.inspectTopics()
  }

  /** Likewise. */
  inspectQueues(): Iterable<QueueDescription> {
    return this.#inner.inspectQueues()
  }

  inspectDelayed(): ReturnType<Broker['inspectDelayed']> {
    return this.#inner.inspectDelayed()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  #allows(caller: Caller, action: Action, resource: Resource): boolean {
    return this.identity.authorizer.check(caller.principal, action, resource)
  }

  #check(caller: Caller, action: Action, resource: Resource): void {
    this.identity.check(caller, action, resource)
  }

  #isVisible(caller: Caller, topic: string): boolean {
    const resource = topicOf(caller, topic)
    return visibleBy.some((action) => this.#allows(caller, action, resource))
  }

  #checkVisible(caller: Caller, topic: string): void {
    if (this.#isVisible(caller, topic)) return
    throw notAuthorized(caller.principal, 'see', topicOf(caller, topic))
  }
}
