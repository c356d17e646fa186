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
  delayedCount: queue.delayed?.count ?? 0,
  inFlightCount: queue.inFlightCount,
  consumerCount: queue.consumers.size,
  counters: { ...queue.counts },
})

/** What is ready, and what will be when its time has come. */
export const waitingCountOf = ({ readyCount, delayed }: Queue): number =>
  readyCount + (delayed?.count ?? 0)

const waitingBytesOf = ({ readyBytes, delayed }: Queue): number =>
  readyBytes + (delayed?.bytes ?? 0)

/** Whether it holds more than it may, and drops what is over. What waits for its time counts too. */
export const isOverLength = (queue: Queue): boolean => {
  const { lengthMax, bytesMax, overflow } = queue.settings
  if (overflow !== 'drop-head') return false
  if (lengthMax !== undefined && waitingCountOf(queue) > lengthMax) return true
  return bytesMax !== undefined && waitingBytesOf(queue) > bytesMax
}

/**
 * Whether so many more messages, of so many bytes together, are too many for a queue that refuses
 * then. What is accepted and not visible yet counts too.
 */
export const wouldRefuse = (queue: Queue, bytes: number, count = 1): boolean => {
  const { lengthMax, bytesMax, overflow } = queue.settings
  if (overflow === 'drop-head' || (lengthMax === undefined && bytesMax === undefined)) return false
  let readyCount = waitingCountOf(queue)
  let readyBytes = waitingBytesOf(queue)
  for (const { pendingCount, pendingBytes } of queue.lanes) {
    readyCount += pendingCount
    readyBytes += pendingBytes
  }
  if (lengthMax !== undefined && readyCount + count > lengthMax) return true
  return bytesMax !== undefined && readyBytes + bytes > bytesMax
}
