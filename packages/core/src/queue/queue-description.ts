/** A queue as its users see it, and what its limits say of more messages. */
import type { QueueDescription } from '../engine/messaging.ts'
import type { Queue } from './queue.ts'

export const describeQueue = (queue: Queue): QueueDescription => ({
  namespace: queue.namespace,
  queue: queue.name,
  settings: queue.settings,
  isExclusive: queue.owner !== undefined,
  readyCount: queue.readyCount,
  readyBytes: queue.readyBytes,
  inFlightCount: queue.inFlightCount,
  consumerCount: queue.consumers.size,
  counters: { ...queue.counts },
})

/**
 * Whether so many more messages, of so many bytes together, are too many for a queue that refuses
 * then. What is accepted and not visible yet counts too.
 */
export const wouldRefuse = (queue: Queue, bytes: number, count = 1): boolean => {
  const { lengthMax, bytesMax, overflow } = queue.settings
  if (overflow === 'drop-head' || (lengthMax === undefined && bytesMax === undefined)) return false
  let { readyCount, readyBytes } = queue
  for (const { pendingCount, pendingBytes } of queue.lanes) {
    readyCount += pendingCount
    readyBytes += pendingBytes
  }
  if (lengthMax !== undefined && readyCount + count > lengthMax) return true
  return bytesMax !== undefined && readyBytes + bytes > bytesMax
}
