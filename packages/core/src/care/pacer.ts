/** Holds a reader to a rate, and gives the event loop a turn after every portion. */
import type { Environment, TimerHandle } from '../environment/environment.ts'

export class Pacer {
  readonly #environment: Environment
  #freeAtMs = 0
  #timer: TimerHandle | undefined
  #wake: () => void = () => undefined
  #isStopped = false

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Resolves when so many bytes are paid for; rejects once stopped. */
  async spend(bytes: number, bytesPerSecond: number): Promise<void> {
    const { clock, timers } = this.#environment
    const now = clock.monotonic()
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (1_000 * bytes) / bytesPerSecond
    if (!this.#isStopped)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#timer = timers.after(Math.max(0, this.#freeAtMs - now), resolve)
      })
    if (this.#isStopped) throw new Error('stopped')
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#wake()
  }
}
