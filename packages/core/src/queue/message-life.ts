/** How long a message of a queue lives: its own time or its queue's, whichever is shorter. */
import type { QueuedMessage, QueueSettings } from '../engine/messaging.ts'
import type { SteadyClock } from './steady-clock.ts'

export const lifeOf = ({ ttlMs }: QueuedMessage, { messageTtlMs }: QueueSettings): number => {
  const ofQueue = messageTtlMs ?? Infinity
  return ttlMs < 0 ? ofQueue : Math.min(ofQueue, ttlMs)
}

/**
 * When it expires by the steady clock. What was there at the start has a grace then: the clock that
 * dated it, or the one that is asked now, may have been wrong.
 */
export const expiresAt = (
  message: QueuedMessage,
  settings: QueueSettings,
  clock: SteadyClock,
  isStored: boolean,
): number => {
  const lifeMs = lifeOf(message, settings)
  if (lifeMs === Infinity) return Infinity
  const { timestampMs } = message
  const isOld = isStored && timestampMs < clock.startedAtMs
  return isOld ? Math.max(timestampMs + lifeMs, clock.graceEndsAtMs) : timestampMs + lifeMs
}
