/** The few timers of a connection, by name: setting one anew cancels the one before. */
import type { TimerHandle, Timers } from '@millrace/core'

export class NamedTimers<Name extends string> {
  readonly #timers: Timers
  readonly #running = new Map<Name, TimerHandle>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  set(name: Name, delayMs: number, callback: () => void): void {
    this.cancel(name)
    this.#running.set(name, this.#timers.after(delayMs, callback))
  }

  cancel(name: Name): void {
    this.#running.get(name)?.cancel()
    this.#running.delete(name)
  }

  cancelAll(): void {
    for (const timer of this.#running.values()) timer.cancel()
    this.#running.clear()
  }
}
