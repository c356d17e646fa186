/**
 * What a producer may not say in a batch, beyond what makes it well formed. What is stored is served
 * as it is: a reader would skip a control batch and take an append time for the broker's word.
 */
import {
  BrokerError,
  NO_PRODUCER,
  batchAttributes,
  batchBaseSequence,
  batchProducerEpoch,
  batchProducerId,
  isControl,
  isTransactional,
  timestampTypeOf,
  timestampTypes,
} from '@millrace/codec'

const invalid = (reason: string): BrokerError => new BrokerError('ERR_INVALID_BATCH', [reason])

const unsupported = (what: string): BrokerError =>
  new BrokerError('ERR_UNSUPPORTED_FEATURE', [what])

/** Throws ERR_INVALID_BATCH or ERR_UNSUPPORTED_FEATURE. The batch is validated already. */
export const checkProducerRules = (batch: Uint8Array): void => {
  const attributes = batchAttributes(batch)
  if (isControl(attributes)) throw invalid('only the broker writes control batches')
  if (timestampTypeOf(attributes) !== timestampTypes.create)
    throw invalid('only the broker stamps the append time')
  if (isTransactional(attributes)) throw unsupported('a transactional batch')
  const producerId = batchProducerId(batch)
  if (producerId === NO_PRODUCER) return
  const isStamped =
    producerId >= 0 && batchProducerEpoch(batch) >= 0 && batchBaseSequence(batch) >= 0
  if (!isStamped) throw invalid('a producer id comes with an epoch and a sequence')
}
