/** Getters that wait for a queue to have read what it has. */
import type { Timers } from '../environment/environment.ts'
import type { Queue } from './queue.ts'

export class Waiting {
  readonly #timers: Timers
  readonly #byQueue = new Map<Queue, (() => void)[]>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** Resolves when the queue is dispatched the next time. */
  nextWake(queue: Queue): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#byQueue.get(queue)
      if (waiting === undefined) this.#byQueue.set(queue, [resolve])
      else waiting.push(resolve)
    })
  }

  /** Nothing is dispatched any more: whoever waits looks a last time. */
  close(): void {
    for (const queue of [...this.#byQueue.keys()]) this.woken(queue)
  }

  woken(queue: Queue): void {
    const waiting = this.#byQueue.get(queue)
    if (waiting === undefined) return
    this.#byQueue.delete(queue)
    this.#timers.defer(() => {
      for (const resolve of waiting) resolve()
    })
  }
}
