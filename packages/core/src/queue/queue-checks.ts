/** Looks from time to time for deliveries that take too long, and for settled messages that may go. */
import type { TimerHandle, Timers } from '../environment/environment.ts'
import { settledKeptMs } from './kept-segments.ts'
import { DELIVERY_CHECK_MS } from './limits.ts'
import type { LocalMessagingSession } from './messaging-session.ts'
import type { QueueTrimmer } from './queue-trimmer.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'

export interface QueueChecksParts {
  readonly timers: Timers
  readonly clock: SteadyClock
  readonly trimmer: QueueTrimmer
  queues(): Iterable<Queue>
  sessions(): Iterable<LocalMessagingSession>
}

export class QueueChecks {
  readonly #parts: QueueChecksParts
  #timer: TimerHandle | undefined
  #isClosed = false

  constructor(parts: QueueChecksParts) {
    this.#parts = parts
  }

  /** Only where some queue asks for it: an idle broker has no timers. */
  arm(changed: Iterable<Queue> = this.#parts.queues()): void {
    if (this.#timer !== undefined || this.#isClosed || !needChecks(changed)) return
    this.#timer = this.#parts.timers.after(DELIVERY_CHECK_MS, () => {
      this.#timer = undefined
      this.#check()
      this.arm()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #check(): void {
    const { clock, queues, sessions, trimmer } = this.#parts
    const nowMs = clock.monotonic()
    for (const session of [...sessions()]) session.checkTimeouts(nowMs)
    for (const queue of queues())
      if (settledKeptMs(queue.settings) !== undefined) trimmer.check(queue)
  }
}

const needChecks = (queues: Iterable<Queue>): boolean => {
  for (const { settings } of queues)
    if (settings.deliveryTimeoutMs !== undefined || settledKeptMs(settings) !== undefined)
      return true
  return false
}
