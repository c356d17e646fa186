/** When a queue that nobody uses goes: no consumer, no get and no declaration for a time. */
import type { TimerHandle, Timers } from '../environment/environment.ts'
import type { SteadyClock } from './steady-clock.ts'

export interface UnusedHooks {
  readonly expiresMs: number | undefined
  /** Somebody consumes from it. */
  readonly isConsumed: boolean
  unused(): void
}

export class UnusedTimer {
  readonly #timers: Timers
  readonly #clock: SteadyClock
  readonly #hooks: UnusedHooks
  #timer: TimerHandle | undefined
  #usedAtMs: number

  constructor(timers: Timers, clock: SteadyClock, hooks: UnusedHooks) {
    this.#timers = timers
    this.#clock = clock
    this.#hooks = hooks
    this.#usedAtMs = clock.monotonic()
  }

  used(): void {
    this.#usedAtMs = this.#clock.monotonic()
  }

  /** Begins to watch, by what the settings say now. */
  arm(): void {
    this.cancel()
    const { expiresMs } = this.#hooks
    if (expiresMs === undefined) return
    const idleMs = this.#clock.monotonic() - this.#usedAtMs
    this.#timer = this.#timers.after(Math.max(1, expiresMs - idleMs), () => this.#look(expiresMs))
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(expiresMs: number): void {
    this.#timer = undefined
    const isIdle = this.#clock.monotonic() - this.#usedAtMs >= expiresMs
    if (this.#hooks.isConsumed) this.used()
    if (!isIdle || this.#hooks.isConsumed) return this.arm()
    this.#hooks.unused()
    // Should it still be there then, it is asked again.
    this.used()
    this.arm()
  }
}
