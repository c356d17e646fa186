/** What a queue needs of its surroundings. */
import type { DeadLetterEntry } from '../engine/messaging.ts'
import type { EngineLog, Timers } from '../environment/environment.ts'
import type { DispatchSchedule } from './dispatch-schedule.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import type { SteadyClock } from './steady-clock.ts'

export interface DeadLetterTaker {
  /** The entry is in flight, its content is there; the taker settles it. */
  take(queue: Queue, entry: QueueEntry, reason: DeadLetterEntry['reason']): void
}

export interface QueueParts {
  readonly clock: SteadyClock
  readonly timers: Timers
  readonly log: EngineLog
  readonly schedule: DispatchSchedule
  readonly deadLetters: DeadLetterTaker
  /** Nobody uses it any more: it is to go. */
  unused(queue: Queue): void
  /** It looks for what is ready: who waits for that looks again too. */
  woken(queue: Queue): void
  floorMoved(queue: Queue): void
}
