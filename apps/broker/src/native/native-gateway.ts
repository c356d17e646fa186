/** The native protocol as a `Gateway` of core's contract. */
import type { BrokerError } from '@millrace/codec'
import type { Connection, Gateway, Services, Session } from '@millrace/core'
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

  constructor(settings: NativeSettings, timers: CoarseTimers, memory: MemoryBudget) {
    this.#settings = settings
    this.#timers = timers
    this.#memory = memory
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  accept(connection: Connection, services: Services): Session {
    const session = new NativeSession(connection, {
      services,
      settings: this.#settings,
      timers: this.#timers,
      memory: this.#memory,
      bodies: this.#bodies,
      onClosed: (closed) => this.#forget(closed),
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

  #forget(session: NativeSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#onEmpty?.()
  }
}
