/** Wakes at the earliest of the times it was asked for. */
import type { TimerHandle, Timers } from '../environment/environment.ts'

export class WakeTimer {
  readonly #timers: Timers
  readonly #wake: () => void
  #timer: TimerHandle | undefined
  #atMs = Infinity

  constructor(timers: Timers, wake: () => void) {
    this.#timers = timers
    this.#wake = wake
  }

  wakeAt(atMs: number, nowMs: number): void {
    if (atMs >= this.#atMs) return
    this.#timer?.cancel()
    this.#atMs = atMs
    // What is due and waits for something else must not keep the queue busy.
    this.#timer = this.#timers.after(Math.max(1, atMs - nowMs), () => {
      this.cancel()
      this.#wake()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#atMs = Infinity
  }
}
