/** AMQP 0-9-1 as a `Gateway` of core's contract. */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import type { Connection, Gateway, Services, Session, StrangerPass } from '@millrace/core'
import { AmqpSession } from './amqp-session.ts'
import type { AmqpSettings } from './amqp-settings.ts'
import { NameCache } from './codec/name-cache.ts'
import { DirectReplies } from './direct-reply.ts'

export class AmqpGateway implements Gateway {
  readonly name = 'amqp'
  readonly #settings: AmqpSettings
  readonly #nameCache = new NameCache()
  readonly #directReplies = new DirectReplies()
  readonly #sessions = new Set<AmqpSession>()
  #services: Services | undefined
  #onEmpty: (() => void) | undefined

  constructor(settings: AmqpSettings) {
    this.#settings = settings
    this.#services = undefined
    this.#onEmpty = undefined
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  accept(connection: Connection, services: Services): Session {
    this.#begin(services)
    const pass = this.#admit(connection, services)
    if (isBrokerError(pass)) return this.#turnAway(connection, services, pass)
    const session = new AmqpSession(connection, {
      services,
      settings: this.#settings,
      nameCache: this.#nameCache,
      directReplies: this.#directReplies,
      pass,
      onClosed: (closed) => this.#forget(closed),
    })
    this.#sessions.add(session)
    return session
  }

  async close(deadlineMs: number): Promise<void> {
    for (const session of [...this.#sessions]) session.drain()
    const services = this.#services
    if (this.#sessions.size === 0 || services === undefined) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
      services.environment.timers.after(deadlineMs, resolve)
    })
    for (const session of this.#sessions) session.connection.destroy()
  }

  #begin(services: Services): void {
    if (this.#services !== undefined) return
    this.#services = services
    services.alarms?.onChange((isThrottling) => {
      if (isThrottling) return
      for (const session of this.#sessions) session.endThrottle()
    })
  }

  #admit(connection: Connection, services: Services): StrangerPass | BrokerError | undefined {
    try {
      return services.strangers?.enter(connection.remoteAddress)
    } catch (error) {
      if (isBrokerError(error)) return error
      throw error
    }
  }

  /** Before a greeting the protocol has no words for it: the connection just ends. */
  #turnAway(connection: Connection, services: Services, error: BrokerError): Session {
    services.meters?.countError(error.code)
    const { remoteAddress: peer } = connection
    const { code, message: reason } = error
    services.environment.log.warn('amqp.connection-refused', { peer, code, reason })
    connection.end()
    return deaf
  }

  #forget(session: AmqpSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#onEmpty?.()
  }
}

/** Behind a connection that only waits for its end. */
const deaf: Session = {
  onData: () => undefined,
  onDrain: () => undefined,
  onClosed: () => undefined,
}
