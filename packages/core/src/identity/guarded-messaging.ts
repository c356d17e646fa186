/**
 * Exchanges and queues with a check in front of every call. Who binds writes to the target and reads
 * from the exchange; who names a dead-letter exchange writes to it; who publishes writes to the
 * exchange.
 */
import type { RecordHeader } from '@millrace/codec'
import type {
  Binding,
  Delivery,
  ExchangeDescription,
  ExchangeSettings,
  Messaging,
  MessagingSession,
  MessagingSessionOptions,
  Owner,
  QueueDescription,
  QueuedMessage,
  QueueSettingsPatch,
  TargetKind,
} from '../engine/messaging.ts'
import type { Caller } from '../engine/operations.ts'
import type { Action, Resource } from '../gateway/contracts.ts'
import type { LocalMessaging } from '../queue/local-messaging.ts'
import { type Identity, notAuthorized } from './identity.ts'
import { exchangeResourceName, MessagingRights } from './messaging-rights.ts'

/** Any of them makes something visible. */
const visibleBy: readonly Action[] = ['read', 'write', 'configure']

export class GuardedMessaging implements Messaging {
  readonly #inner: LocalMessaging
  readonly #identity: Identity

  constructor(inner: LocalMessaging, identity: Identity) {
    this.#inner = inner
    this.#identity = identity
  }

  openOwner(): Owner {
    return this.#inner.openOwner()
  }

  openSession(options: MessagingSessionOptions): MessagingSession {
    const { principal, namespace } = options
    const rights = new MessagingRights(this.#identity.authorizer, principal, namespace)
    return this.#inner.openSession(options, rights)
  }

  async declareExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly settings: Partial<ExchangeSettings> },
  ): Promise<ExchangeDescription> {
    this.#check(caller, 'configure', 'exchange', request.exchange)
    const { alternateExchange } = request.settings
    if (alternateExchange !== undefined) {
      this.#check(caller, 'read', 'exchange', request.exchange)
      this.#check(caller, 'write', 'exchange', alternateExchange)
    }
    return await this.#inner.declareExchange(caller, request)
  }

  describeExchange(caller: Caller, exchange: string): ExchangeDescription {
    this.#checkVisible(caller, 'exchange', exchange)
    return this.#inner.describeExchange(caller, exchange)
  }

  listExchanges(caller: Caller): readonly ExchangeDescription[] {
    return this.#inner
      .listExchanges(caller)
      .filter(({ exchange }) => this.#isVisible(caller, 'exchange', exchange))
  }

  async deleteExchange(
    caller: Caller,
    request: { readonly exchange: string; readonly ifUnused?: boolean },
  ): Promise<void> {
    this.#check(caller, 'configure', 'exchange', request.exchange)
    await this.#inner.deleteExchange(caller, request)
  }

  async bind(caller: Caller, binding: Binding, owner?: Owner): Promise<void> {
    this.#checkBinding(caller, binding)
    await this.#inner.bind(caller, binding, owner)
  }

  async unbind(caller: Caller, binding: Binding, owner?: Owner): Promise<void> {
    this.#checkBinding(caller, binding)
    await this.#inner.unbind(caller, binding, owner)
  }

  listBindings(
    caller: Caller,
    filter?: {
      readonly exchange?: string
      readonly target?: string
      readonly targetKind?: TargetKind
    },
  ): readonly Binding[] {
    return this.#inner
      .listBindings(caller, filter)
      .filter(
        ({ exchange, target, targetKind }) =>
          this.#isVisible(caller, 'exchange', exchange) &&
          this.#isVisible(caller, targetKind, target),
      )
  }

  async declareQueue(
    caller: Caller,
    request: Parameters<Messaging['declareQueue']>[1],
  ): Promise<QueueDescription> {
    this.#check(caller, 'configure', 'queue', request.queue)
    this.#checkSettings(caller, request.queue, request.settings)
    return await this.#inner.declareQueue(caller, request)
  }

  describeQueue(caller: Caller, queue: string, owner?: Owner): QueueDescription {
    this.#checkVisible(caller, 'queue', queue)
    return this.#inner.describeQueue(caller, queue, owner)
  }

  listQueues(caller: Caller, options?: { readonly prefix?: string }): readonly QueueDescription[] {
    return this.#inner
      .listQueues(caller, options)
      .filter(({ queue }) => this.#isVisible(caller, 'queue', queue))
  }

  async alterQueue(
    caller: Caller,
    request: { readonly queue: string; readonly settings: QueueSettingsPatch },
  ): Promise<QueueDescription> {
    this.#check(caller, 'configure', 'queue', request.queue)
    this.#checkSettings(caller, request.queue, request.settings)
    return await this.#inner.alterQueue(caller, request)
  }

  async deleteQueue(
    caller: Caller,
    request: Parameters<Messaging['deleteQueue']>[1],
  ): ReturnType<Messaging['deleteQueue']> {
    this.#check(caller, 'configure', 'queue', request.queue)
    return await this.#inner.deleteQueue(caller, request)
  }

  async purgeQueue(
    caller: Caller,
    request: Parameters<Messaging['purgeQueue']>[1],
  ): ReturnType<Messaging['purgeQueue']> {
    this.#check(caller, 'read', 'queue', request.queue)
    return await this.#inner.purgeQueue(caller, request)
  }

  async peekQueue(
    caller: Caller,
    request: Parameters<Messaging['peekQueue']>[1],
  ): Promise<readonly Delivery[]> {
    this.#check(caller, 'read', 'queue', request.queue)
    return await this.#inner.peekQueue(caller, request)
  }

  async moveMessages(
    caller: Caller,
    request: Parameters<Messaging['moveMessages']>[1],
  ): ReturnType<Messaging['moveMessages']> {
    this.#check(caller, 'read', 'queue', request.queue)
    this.#check(caller, 'write', 'exchange', request.exchange)
    return await this.#inner.moveMessages(caller, request)
  }

  async replayQueue(
    caller: Caller,
    request: Parameters<Messaging['replayQueue']>[1],
  ): ReturnType<Messaging['replayQueue']> {
    this.#check(caller, 'configure', 'queue', request.queue)
    return await this.#inner.replayQueue(caller, request)
  }

  /** Of a message that was delivered to whoever asks. */
  headersOf(message: QueuedMessage): readonly RecordHeader[] {
    return this.#inner.headersOf(message)
  }

  #checkBinding(caller: Caller, binding: Binding): void {
    this.#check(caller, 'write', binding.targetKind, binding.target)
    this.#check(caller, 'read', 'exchange', binding.exchange)
  }

  /** What a queue does on its own is done in the name of who has set it up. */
  #checkSettings(caller: Caller, queue: string, settings: QueueSettingsPatch): void {
    const { deadLetterExchange, topic, isStream } = settings
    if (typeof deadLetterExchange === 'string') {
      this.#check(caller, 'read', 'queue', queue)
      this.#check(caller, 'write', 'exchange', deadLetterExchange)
    }
    if (typeof topic === 'string') this.#check(caller, 'read', 'topic', topic)
    if (isStream === true) this.#check(caller, 'configure', 'topic', queue)
  }

  #check(caller: Caller, action: Action, kind: Resource['kind'], name: string): void {
    this.#identity.check(caller, action, resourceOf(caller, kind, name))
  }

  #isVisible(caller: Caller, kind: Resource['kind'], name: string): boolean {
    const resource = resourceOf(caller, kind, name)
    const { authorizer } = this.#identity
    return visibleBy.some((action) => authorizer.check(caller.principal, action, resource))
  }

  #checkVisible(caller: Caller, kind: Resource['kind'], name: string): void {
    if (this.#isVisible(caller, kind, name)) return
    throw notAuthorized(caller.principal, 'see', resourceOf(caller, kind, name))
  }
}

const resourceOf = (
  { namespace }: Pick<Caller, 'namespace'>,
  kind: Resource['kind'],
  name: string,
): Resource => ({
  kind,
  namespace,
  name: kind === 'exchange' ? exchangeResourceName(name) : name,
})
