/** The `partitions` of a request, where it names any. */
import { BrokerError } from '@millrace/codec'

export const checkPartitionList = (partitions: readonly number[]): void => {
  if (partitions.length > 0 && new Set(partitions).size === partitions.length) return
  const text = 'name each partition once, and at least one'
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['partitions', text])
}
