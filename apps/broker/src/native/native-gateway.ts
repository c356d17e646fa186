/** The native protocol as a `Gateway` of core's contract. */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import type { Connection, Gateway, Services, Session, StrangerPass } from '@millrace/core'
import { BodyPool, encodeError } from '@millrace/protocol'
import type { CoarseTimers } from '../net/coarse-timers.ts'
import type { MemoryBudget } from '../net/memory-budget.ts'
import { NativeSession, type NativeSettings } from './native-session.ts'

export class NativeGateway implements Gateway {
  readonly name = 'native'
  readonly #settings: NativeSettings
  readonly #timers: CoarseTimers
  readonly #memory: MemoryBudget
  readonly #bodies = new BodyPool()
  readonly #sessions = new Set<NativeSession>()
  #onEmpty: (() => void) | undefined
  #isListening = false

  constructor(settings: NativeSettings, timers: CoarseTimers, memory: MemoryBudget) {
    this.#settings = settings
    this.#timers = timers
    this.#memory = memory
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  accept(connection: Connection, services: Services): Session {
    const pass = this.#admit(connection, services)
    if (isBrokerError(pass)) return this.#turnAway(connection, services, pass)
    this.#listenForAlarms(services)
    const session = new NativeSession(connection, {
      services,
      settings: this.#settings,
      timers: this.#timers,
      memory: this.#memory,
      bodies: this.#bodies,
      onClosed: (closed) => this.#forget(closed),
      pass,
    })
    this.#sessions.add(session)
    return session
  }

  /** What a peer is told that gets no session. */
  refusal(error: BrokerError): Uint8Array {
    return encodeError(error, 0)
  }

  async close(deadlineMs: number): Promise<void> {
    for (const session of [...this.#sessions]) session.drain()
    if (this.#sessions.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
      this.#timers.after(deadlineMs, resolve)
    })
    for (const session of this.#sessions) session.connection.destroy()
  }

  #admit(connection: Connection, services: Services): StrangerPass | BrokerError | undefined {
    try {
      return services.strangers?.enter(connection.remoteAddress)
    } catch (error) {
      if (isBrokerError(error)) return error
      throw error
    }
  }

  #turnAway(connection: Connection, services: Services, error: BrokerError): Session {
    services.meters?.countError(error.code)
    const { remoteAddress: peer } = connection
    const { code, message: reason } = error
    services.environment.log.warn('native.connection-refused', { peer, code, reason })
    connection.write(this.refusal(error))
    connection.end(error)
    return deaf
  }

  #listenForAlarms({ alarms }: Services): void {
    if (this.#isListening) return
    this.#isListening = true
    alarms?.onChange((isThrottling) => {
      if (isThrottling) return
      for (const session of this.#sessions) session.endThrottle()
    })
  }

  #forget(session: NativeSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#onEmpty?.()
  }
}

/** Behind a connection that only waits for its last words to be written. */
const deaf: Session = {
  onData: () => undefined,
  onDrain: () => undefined,
  onClosed: () => undefined,
}
