/**
 * The times a queue waits for: when its next message expires or is to be delivered again, and when it
 * goes itself because nobody uses it. Most queues wait for neither: each timer is made when it is first needed.
 */
import type { Timers } from '../environment/environment.ts'
import type { SteadyClock } from './steady-clock.ts'
import { UnusedTimer, type UnusedHooks } from './unused-timer.ts'
import { WakeTimer } from './wake-timer.ts'

export interface TimedQueue extends UnusedHooks {
  wake(): void
}

export class QueueTimers {
  readonly #parts: { readonly timers: Timers; readonly clock: SteadyClock }
  readonly #queue: TimedQueue
  #expiry: WakeTimer | undefined
  #unused: UnusedTimer | undefined

  constructor(parts: { readonly timers: Timers; readonly clock: SteadyClock }, queue: TimedQueue) {
    this.#parts = parts
    this.#queue = queue
  }

  /** Wakes the queue when a message of it expires, `Infinity` when none does. */
  wakeAt(atMs: number): void {
    if (atMs === Infinity) return
    const { timers, clock } = this.#parts
    this.#expiry ??= new WakeTimer(timers, () => this.#queue.wake())
    this.#expiry.wakeAt(atMs, clock.now())
  }

  wakeIn(delayMs: number): void {
    this.wakeAt(this.#parts.clock.now() + Math.ceil(delayMs))
  }

  /** Watches whether the queue is used, by what its settings say now. */
  watchUse(): void {
    const { timers, clock } = this.#parts
    if (this.#queue.expiresMs !== undefined)
      this.#unused ??= new UnusedTimer(timers, clock, this.#queue)
    this.#unused?.arm()
  }

  used(): void {
    this.#unused?.used()
  }

  cancel(): void {
    this.#expiry?.cancel()
    this.#unused?.cancel()
  }
}
