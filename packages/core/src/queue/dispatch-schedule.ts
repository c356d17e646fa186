/**
 * Queues with something to hand over, each a slice at a time at the end of a turn, so that a busy one
 * holds up neither the others nor the sockets.
 */
import type { Timers } from '../environment/environment.ts'

export interface Dispatchable {
  isScheduled: boolean
  /** Hands over a slice. True when there is more. */
  dispatch(): boolean
}

export class DispatchSchedule {
  readonly #timers: Timers
  #waiting: Dispatchable[] = []
  #isArmed = false
  #isClosed = false
  readonly #run = (): void => this.#runAll()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  add(queue: Dispatchable): void {
    if (queue.isScheduled) return
    queue.isScheduled = true
    this.#waiting.push(queue)
    this.#arm()
  }

  close(): void {
    this.#isClosed = true
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#timers.defer(this.#run)
  }

  #runAll(): void {
    this.#isArmed = false
    if (this.#isClosed) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const queue of waiting) {
      queue.isScheduled = false
      if (queue.dispatch()) this.add(queue)
    }
  }
}
