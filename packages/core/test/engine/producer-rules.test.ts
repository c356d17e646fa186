import { RecordBatchBuilder, isBrokerError, type RecordBatchOptions } from '@millrace/codec'
import { checkProducerRules } from '../../src/engine/producer-rules.ts'

const batchWith = (options: RecordBatchOptions): Uint8Array => {
  const builder = new RecordBatchBuilder(options)
  builder.appendFields(1_000, null, new Uint8Array(1), [])
  return builder.build()
}

const codeOf = (batch: Uint8Array): string => {
  try {
    checkProducerRules(batch)
    return 'accepted'
  } catch (error) {
    return isBrokerError(error) ? error.code : 'another error'
  }
}

describe('what a producer may send', () => {
  it('takes a plain batch, and one of an idempotent producer', () => {
    expect(codeOf(batchWith({}))).toBe('accepted')
    const options = { producerId: 5, producerEpoch: 0, baseSequence: 0 }
    expect(codeOf(batchWith(options))).toBe('accepted')
  })

  it.each<[string, RecordBatchOptions, string]>([
    ['a control batch, which readers would skip', { isControl: true }, 'ERR_INVALID_BATCH'],
    ["an append time that is not the broker's", { timestampType: 1 }, 'ERR_INVALID_BATCH'],
    ['a transactional batch', { isTransactional: true }, 'ERR_UNSUPPORTED_FEATURE'],
    [
      'a producer id without a sequence',
      { producerId: 5, producerEpoch: 0, baseSequence: -1 },
      'ERR_INVALID_BATCH',
    ],
    [
      'a producer id without an epoch',
      { producerId: 5, producerEpoch: -1, baseSequence: 0 },
      'ERR_INVALID_BATCH',
    ],
    [
      'a producer id below none',
      { producerId: -2, producerEpoch: 0, baseSequence: 0 },
      'ERR_INVALID_BATCH',
    ],
  ])('refuses %s', (_name, options, code) => {
    expect(codeOf(batchWith(options))).toBe(code)
  })
})
