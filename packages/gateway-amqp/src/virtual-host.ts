/** A connection's part of the broker once it is open: a namespace, and what the peer has in it. */
import { compressionCodecs, isBrokerError } from '@millrace/codec'
import type {
  Action,
  Caller,
  EngineSession,
  ExchangeDescription,
  Messaging,
  Owner,
  Principal,
  Services,
} from '@millrace/core'
import { accessRefused } from './errors.ts'
import { inVhost, type NamedResources, resourceFault } from './resource-faults.ts'

const nothingHappens = (): void => undefined

export class VirtualHost {
  readonly name: string
  /** Who logged in, as messages may name their user. */
  readonly user: string
  readonly messaging: Messaging
  /** Exclusive queues belong to the connection. */
  readonly owner: Owner
  readonly #services: Services
  #caller: Caller
  #streams: EngineSession | undefined

  constructor(services: Services, caller: Caller, user: string) {
    this.name = caller.namespace
    this.user = user
    this.messaging = services.broker.messaging
    this.owner = this.messaging.openOwner()
    this.#services = services
    this.#caller = caller
    this.#streams = undefined
  }

  get caller(): Caller {
    return this.#caller
  }

  get names(): NamedResources {
    return { vhost: this.name, user: this.user }
  }

  /** Reads streams, whatever their batches are compressed with. */
  get streams(): EngineSession {
    const { broker, limits, meters } = this.#services
    this.#streams ??= broker.openSession({
      ...this.#caller,
      inFlightCountMax: limits.inFlightCountMax,
      inFlightBytesMax: limits.inFlightBytesMax,
      codecs: [compressionCodecs.none],
      ...(meters === undefined ? {} : { traffic: meters.traffic('amqp') }),
      onCompletions: nothingHappens,
      onWritable: nothingHappens,
    })
    return this.#streams
  }

  /** `undefined`: there is none, or none that the peer may see. */
  findExchange(exchange: string): ExchangeDescription | undefined {
    try {
      return this.messaging.describeExchange(this.#caller, exchange)
    } catch (error) {
      if (isBrokerError(error) && error.code === 'ERR_EXCHANGE_NOT_FOUND') return undefined
      throw resourceFault(error, { ...this.names, exchange })
    }
  }

  isInternal(exchange: string): boolean {
    return exchange !== '' && this.findExchange(exchange)?.settings.isInternal === true
  }

  /** For what is answered without a call of the engine. Throws ACCESS_REFUSED. */
  checkRight(action: Action, kind: 'queue' | 'exchange', name: string): void {
    const { principal, namespace } = this.#caller
    if (this.#services.authorizer.check(principal, action, { kind, namespace, name })) return
    throw accessRefused(
      `access to ${inVhost(kind, name, this.name)} refused for user '${this.user}'`,
    )
  }

  /** The same user with other rights. */
  renew(principal: Principal): void {
    this.#caller = { ...this.#caller, principal }
    this.#streams?.renew(principal)
  }

  close(): void {
    this.#streams?.close()
    this.owner.close()
  }
}
