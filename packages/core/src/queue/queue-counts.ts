/** What happened to a queue's messages since the broker was opened. */
import type { QueueCounters } from '../engine/messaging.ts'

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
