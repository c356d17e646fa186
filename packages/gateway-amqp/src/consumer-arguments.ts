/** Which arguments of `basic.consume` belong to which type of queue: others are refused, not ignored. */
import { type FieldTable, findField } from './codec/field-table.ts'
import { preconditionFailed } from './errors.ts'
import type { QueueType } from './queue-arguments.ts'
import { STREAM_FILTER, STREAM_MATCH_UNFILTERED } from './stream-filter.ts'
import { STREAM_OFFSET } from './stream-offset.ts'

const ofStreams = [STREAM_OFFSET, STREAM_FILTER, STREAM_MATCH_UNFILTERED]

const foreign: Readonly<Record<QueueType, readonly string[]>> = {
  classic: ofStreams,
  quorum: ofStreams,
  stream: ['x-priority'],
}

/** Throws PRECONDITION_FAILED in RabbitMQ's words. */
export const checkConsumerArguments = (
  type: QueueType,
  args: FieldTable,
  subject: string,
): void => {
  const name = foreign[type].find((one) => findField(args, one) !== undefined)
  if (name === undefined) return
  throw preconditionFailed(
    `invalid arg '${name}' for ${subject} of queue type rabbit_${type}_queue`,
  )
}
