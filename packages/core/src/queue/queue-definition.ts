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
  /** It is what this delayed exchange keeps, under its name, and no queue that anybody sees. */
  readonly ofExchange?: string
}

/** What a delayed exchange keeps: nobody sees it, and it hands over nothing. */
export const isHidden = ({ definition }: { readonly definition: QueueDefinition }): boolean =>
  definition.ofExchange !== undefined
