/** Payloads of queues against a schema, on the way in. */
import type { BrokerError } from '@millrace/codec'
import { explain } from '../errors.ts'
import { acceptPayload } from '../schema.ts'
import type { PayloadSchema, ResolvedQueueConsume } from './consume-options.ts'
import type { Delivery } from './delivery.ts'

/** Whether the delivery may be handed out. Throws ERR_PAYLOAD_CODEC where nobody else is told. */
export const checkDelivery = async <T>(
  delivery: Delivery<T>,
  schema: PayloadSchema<unknown, T>,
  onInvalid: ResolvedQueueConsume['onInvalid'],
): Promise<boolean> => {
  const { queue, offset } = delivery
  try {
    const result = await schema['~standard'].validate(delivery.payload)
    delivery.replacePayload(acceptPayload(result, queue))
    return true
  } catch (error) {
    // Of this package: the payload's codec, or the schema.
    const failure = error as BrokerError
    if (failure.code === 'ERR_PAYLOAD_CODEC') explain(failure, `${queue} at ${offset}`)
    if (onInvalid === 'throw' || failure.code !== 'ERR_PAYLOAD_CODEC') throw failure
    onInvalid(failure, delivery as Delivery<unknown>)
    return false
  }
}
