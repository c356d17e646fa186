import {
  RecordBatchBuilder,
  batchMaxTimestamp,
  decodeRecords,
  validateBatch,
} from '@millrace/codec'
import { withAppendTime } from '../../src/engine/append-time.ts'

const batchOf = (value: string): Uint8Array => {
  const builder = new RecordBatchBuilder()
  builder.appendFields(1_000, null, new TextEncoder().encode(value), [])
  return builder.build()
}

describe('append time', () => {
  it('stamps every record and keeps the batch valid', () => {
    const stamped = withAppendTime(batchOf('a'), 5_000)
    expect(() =>
      validateBatch(stamped, { batchBytesMax: 1e6, recordsPerBatchMax: 10 }),
    ).not.toThrow()
    expect(batchMaxTimestamp(stamped)).toBe(5_000)
    expect(decodeRecords(stamped).map((record) => record.timestamp)).toEqual([5_000])
  })

  it('shares no memory with bytes that are borrowed, also when they are a Buffer', () => {
    const borrowed = Buffer.from(batchOf('secret'))
    const stamped = withAppendTime(borrowed, 5_000)
    const before = Buffer.from(stamped)
    borrowed.fill(0xdb)
    expect(Buffer.from(stamped).equals(before)).toBe(true)
  })
})
