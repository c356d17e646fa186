import {
  RecordBatchBuilder,
  SEQUENCE_MAX,
  batchBaseSequence,
  batchProducerEpoch,
  batchProducerId,
  sequenceAfter,
  stampBatch,
  utf8Encode,
  validateBatch,
} from '../src/index.ts'

const LIMITS = { batchBytesMax: 1_000, recordsPerBatchMax: 10 }
const stamp = { producerId: 2 ** 53 - 1, producerEpoch: 0x7fff, baseSequence: SEQUENCE_MAX }

const builder = (): RecordBatchBuilder => {
  const made = new RecordBatchBuilder()
  made.appendFields(1, null, utf8Encode('a'), [])
  return made
}

it('stamps while it builds as it stamps afterwards, with a right checksum', () => {
  const built = builder().build(stamp)
  const stamped = builder().build()
  stampBatch(stamped, stamp)
  expect(built).toEqual(stamped)
  validateBatch(built, LIMITS)
  expect(batchProducerId(built)).toBe(stamp.producerId)
  expect(batchProducerEpoch(built)).toBe(stamp.producerEpoch)
  expect(batchBaseSequence(built)).toBe(stamp.baseSequence)
})

it('stamps again, and back to nobody', () => {
  const batch = builder().build(stamp)
  stampBatch(batch, { producerId: -1, producerEpoch: -1, baseSequence: -1 })
  expect(batch).toEqual(builder().build())
})

it('counts on from the largest sequence at 0', () => {
  expect(sequenceAfter(SEQUENCE_MAX - 1, 1)).toBe(SEQUENCE_MAX)
  expect(sequenceAfter(SEQUENCE_MAX, 1)).toBe(0)
  expect(sequenceAfter(SEQUENCE_MAX - 1, 5)).toBe(3)
})
