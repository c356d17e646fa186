/** The Kafka protocol as a `Gateway` of core's contract. */
import type { Connection, Gateway, Services, Session } from '@millrace/core'
import { KafkaSession } from './kafka-session.ts'
import type { KafkaSettings } from './kafka-settings.ts'

export class KafkaGateway implements Gateway {
  readonly name = 'kafka'
  readonly #settings: KafkaSettings
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
    this.#services = services
    const settings = this.#settings
    const onClosed = (closed: KafkaSession): void => this.#forget(closed)
    const session = new KafkaSession(connection, { services, settings, onClosed })
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

  #forget(session: KafkaSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#onEmpty?.()
  }
}
