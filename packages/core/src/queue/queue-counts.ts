/** What happened to a queue's messages since the broker was opened. */
import type { QueueCounters } from '../engine/messaging.ts'
import type { QueueTotals } from '../engine/operations.ts'
import type { Queue } from './queue.ts'

export class QueueCounts implements QueueCounters {
  published = 0
  delivered = 0
  redelivered = 0
  settled = 0
  deadLettered = 0
  expired = 0
  dropped = 0
  /** Some message came with a time to live of its own. */
  hasExpiry = false
}

export const totalsOf = (queues: Iterable<Queue>): QueueTotals => {
  const totals = { queueCount: 0, consumerCount: 0, readyCount: 0, inFlightCount: 0 }
  for (const queue of queues) {
    totals.queueCount++
    totals.consumerCount += queue.consumers.size
    totals.readyCount += queue.readyCount
    totals.inFlightCount += queue.inFlightCount
  }
  return totals
}
