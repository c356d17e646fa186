/** The Kafka protocol as a `Gateway` of core's contract. */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import type { Connection, Gateway, Services, Session, StrangerPass } from '@millrace/core'
import { FramePool } from './frame-pool.ts'
import { KafkaSession } from './kafka-session.ts'
import type { KafkaSettings } from './kafka-settings.ts'

export class KafkaGateway implements Gateway {
  readonly name = 'kafka'
  readonly #settings: KafkaSettings
  readonly #frames = new FramePool()
  readonly #sessions = new Set<KafkaSession>()
  #services: Services | undefined
  #onEmpty: (() => void) | undefined

  constructor(settings: KafkaSettings) {
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
    const session = new KafkaSession(connection, {
      services,
      settings: this.#settings,
      frames: this.#frames,
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

  /** The protocol has no words for it: the connection just ends. */
  #turnAway(connection: Connection, services: Services, error: BrokerError): Session {
    services.meters?.countError(error.code)
    const { remoteAddress: peer } = connection
    const { code, message: reason } = error
    services.environment.log.warn('kafka.connection-refused', { peer, code, reason })
    connection.end()
    return deaf
  }

  #forget(session: KafkaSession): void {
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
