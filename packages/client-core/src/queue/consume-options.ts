/** What `queue.consume(options)` takes, with its defaults. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { BrokerError } from '@millrace/codec'
import { INT32_MAX } from '@millrace/protocol'
import { checkInteger } from '../check.ts'
import { PREFETCH_DEFAULT, PREFETCH_MAX } from '../limits.ts'
import type { Delivery } from './delivery.ts'

export interface QueueConsumeOptions {
  /** Deliveries that this consumer may have unsettled, those not taken yet included. Default: 100. */
  readonly prefetch?: number
  /** Nobody else may consume from the queue. Default: false. */
  readonly exclusive?: boolean
  /** Consumers of a higher priority are served first. Default: 0. */
  readonly priority?: number
  /**
   * A delivery that the schema of the queue does not accept: `throw` ends the iteration with
   * ERR_PAYLOAD_CODEC, and leaves it unsettled; a function is told and settles it, and the iteration
   * goes on. Default: `throw`.
   */
  readonly onInvalid?: 'throw' | ((error: BrokerError, delivery: Delivery<unknown>) => void)
  /** Ends the iteration with ERR_ABORTED. To end it without an error, `break` or `close()`. */
  readonly signal?: AbortSignal
}

export interface ResolvedQueueConsume {
  readonly prefetch: number
  readonly exclusive: boolean
  readonly priority: number
  readonly onInvalid: 'throw' | ((error: BrokerError, delivery: Delivery<unknown>) => void)
  readonly signal: AbortSignal | undefined
}

export const resolveQueueConsume = (options: QueueConsumeOptions): ResolvedQueueConsume => {
  const { prefetch = PREFETCH_DEFAULT, exclusive = false, priority = 0 } = options
  return {
    prefetch: checkInteger('prefetch', prefetch, 1, PREFETCH_MAX),
    exclusive,
    priority: checkInteger('priority', priority, -INT32_MAX - 1, INT32_MAX),
    onInvalid: options.onInvalid ?? 'throw',
    signal: options.signal,
  }
}

/** A schema of any library that follows Standard Schema. */
export type PayloadSchema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>
