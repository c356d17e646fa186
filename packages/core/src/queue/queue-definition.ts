/** What the metadata stores of a queue. */
import type { QueueSettings } from '../engine/messaging.ts'

export interface QueueDefinition {
  readonly id: number
  readonly namespace: string
  readonly name: string
  readonly revision: number
  readonly createdAtMs: number
  readonly settings: QueueSettings
  /** The logs of its lanes, lowest priority first; none of a queue over a topic, or in memory. */
  readonly logIds: readonly number[]
  /** -1 for a queue in memory. */
  readonly ledgerLogId: number
}
