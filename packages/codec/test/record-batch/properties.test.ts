import fc from 'fast-check'
import { batchRecordCount } from '../../src/record-batch/batch-header.ts'
import { scanBatch } from '../../src/record-batch/batch-scan.ts'
import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { decodeRecords } from '../../src/record-batch/record-cursor.ts'
import { validateBatch } from '../../src/record-batch/validate-batch.ts'
import { codeOf, forge, limits, nullableHex, plain, sign, walk } from '../support.ts'

const bytes = fc.option(fc.uint8Array({ maxLength: 80 }), { nil: null })
const name = fc.string({ unit: 'grapheme', maxLength: 60 })
const records = fc.array(
  fc.record({
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: name, value: bytes }), { maxLength: 4 }),
    timestamp: fc.oneof(fc.nat(1000), fc.integer({ min: -(2 ** 51), max: 2 ** 51 })),
  }),
  { minLength: 1, maxLength: 12 },
)
const batches = records.map((inputs) => {
  const builder = new RecordBatchBuilder()
  for (const input of inputs) builder.append(input)
  return builder.build()
})

/** Only a `BrokerError` or a result: `codeOf` lets every other error through. */
const survives = (batch: Uint8Array): void => {
  const refused = codeOf(() => validateBatch(batch, limits))
  let count = -1
  const unread = codeOf(() => {
    count = walk(batch)
  })
  // What the broker accepted, every reader can read to the end.
  if (refused === undefined) expect([unread, count]).toEqual([undefined, batchRecordCount(batch)])
}

describe('record batches', () => {
  it('give back the records that went in', () => {
    fc.assert(
      fc.property(records, fc.maxSafeNat(), (inputs, offset) => {
        const baseOffset = Math.min(offset, Number.MAX_SAFE_INTEGER - inputs.length)
        const builder = new RecordBatchBuilder({ baseOffset })
        for (const input of inputs) builder.append(input)
        const batch = builder.build()
        validateBatch(batch, limits)
        expect(decodeRecords(batch).map(plain)).toEqual(
          inputs.map((input, index) => ({
            offset: baseOffset + index,
            timestamp: input.timestamp,
            key: nullableHex(input.key),
            value: nullableHex(input.value),
            headers: input.headers.map(({ key, value }) => [key, nullableHex(value)]),
          })),
        )
      }),
    )
  })

  it('survive arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        survives(garbage)
        expect(scanBatch(garbage, 0, garbage.length)).toBeLessThanOrEqual(12 + 0x7fffffff)
      }),
      { numRuns: 300 },
    )
  })

  it('survive arbitrary records under a true checksum', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 120 }),
        fc.integer({ min: 1, max: 8 }),
        (garbage, count) => survives(forge({ records: garbage, count })),
      ),
      { numRuns: 500 },
    )
  })

  it('survive changed bytes under a true checksum', () => {
    const change = fc.tuple(
      fc.nat(5000),
      fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    )
    fc.assert(
      fc.property(batches, fc.array(change, { minLength: 1, maxLength: 3 }), (batch, changes) => {
        // Attributes and records only: a changed length is refused at once and teaches nothing.
        for (const [at, byte] of changes) batch[21 + (at % (batch.length - 21))] = byte
        survives(sign(batch))
      }),
      { numRuns: 1000 },
    )
  })
})
