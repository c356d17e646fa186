/** When messages of a queue expire, and which may do so without having been offered to anybody. */
import type { Queue } from './queue.ts'
import type { QueueEntry } from './queue-entry.ts'
import { expiresAt, lifeOf } from './message-life.ts'
import type { SteadyClock } from './steady-clock.ts'

/** Whether any of its messages has a time to live. */
export const mayExpire = ({ settings, ledgerLog, counts }: Queue): boolean => {
  if (settings.messageTtlMs !== undefined) return true
  return ledgerLog?.ledgers.some((ledger) => ledger.hasExpiry) ?? counts.hasExpiry
}

const expiresAtOf = (entry: QueueEntry, queue: Queue, clock: SteadyClock): number =>
  expiresAt(entry.message, queue.settings, clock, queue.isDurable)

/** It has its verdict, or its time is over. */
export const isDue = (entry: QueueEntry, queue: Queue, clock: SteadyClock): boolean => {
  if (entry.verdict !== undefined) return true
  const atMs = expiresAtOf(entry, queue, clock)
  // Most never do: the clock is not asked for them.
  return atMs !== Infinity && atMs <= clock.now()
}

/** With a time to live of nothing it may still go to somebody who can take it at once. */
export const mayExpireUndelivered = (
  entry: QueueEntry,
  queue: Queue,
  clock: SteadyClock,
): boolean =>
  isDue(entry, queue, clock) &&
  (entry.verdict !== undefined || lifeOf(entry.message, queue.settings) !== 0)

/** Of several lanes the first that is at its head and due: it does not wait for what is above. */
export const expiredHead = (queue: Queue, clock: SteadyClock): QueueEntry | undefined => {
  if (queue.lanes.length === 1 || !mayExpire(queue)) return undefined
  for (const lane of queue.lanes) {
    const entry = lane.readyCount === 0 ? undefined : lane.head()
    if (entry !== undefined && mayExpireUndelivered(entry, queue, clock)) return entry
  }
  return undefined
}

/** When the first of a lane expires; `Infinity` when none does. */
export const nextExpiryAtMs = (queue: Queue, clock: SteadyClock): number => {
  let atMs = Infinity
  for (const lane of queue.lanes) {
    const entry = lane.readyCount === 0 ? undefined : lane.head()
    if (entry !== undefined) atMs = Math.min(atMs, expiresAtOf(entry, queue, clock))
  }
  return atMs
}
