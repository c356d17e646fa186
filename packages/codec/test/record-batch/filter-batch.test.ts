import {
  RecordBatchBuilder,
  batchBaseOffset,
  batchMaxTimestamp,
  batchNextOffset,
  batchProducerId,
  batchRecordCount,
  batchTotalBytes,
  decodeRecords,
  emptyBatch,
  filterBatch,
  utf8Encode,
  validateBatch,
  writeBatchPrefix,
} from '@millrace/codec'

const LIMITS = { batchBytesMax: 1 << 20, recordsPerBatchMax: 1_000, codecs: [0] }

const batchOf = (count: number): Uint8Array => {
  const builder = new RecordBatchBuilder({ producerId: 7, producerEpoch: 1, baseSequence: 3 })
  for (let index = 0; index < count; index++)
    builder.appendFields(1_000 + index, utf8Encode(`k${index}`), utf8Encode(`v${index}`), [
      { key: 'h', value: utf8Encode(`${index}`) },
    ])
  const bytes = builder.build()
  writeBatchPrefix(bytes, 0, 100, bytes.length, 5)
  return bytes
}

describe('a filtered batch', () => {
  it('is the batch itself when everything is kept', () => {
    const batch = batchOf(5)
    expect(filterBatch(batch, () => true)).toBe(batch)
  })

  it('keeps offsets, times, keys and headers of what stays, and its place in the log', () => {
    const batch = batchOf(6)
    const filtered = filterBatch(batch, (record) => record.offset % 2 === 1)
    const all = decodeRecords(batch)
    const kept = decodeRecords(filtered)
    expect(kept.map(({ index: _index, ...fields }) => fields)).toEqual(
      all.filter(({ offset }) => offset % 2 === 1).map(({ index: _index, ...fields }) => fields),
    )
    expect(batchBaseOffset(filtered)).toBe(100)
    expect(batchNextOffset(filtered)).toBe(106)
    expect(batchProducerId(filtered)).toBe(7)
    expect(batchRecordCount(filtered)).toBe(3)
    expect(batchMaxTimestamp(filtered)).toBe(batchMaxTimestamp(batch))
    expect(batchTotalBytes(filtered)).toBe(filtered.length)
  })

  it('may be left with no record, and is whole all the same', () => {
    const filtered = filterBatch(batchOf(3), () => false)
    expect(decodeRecords(filtered)).toEqual([])
    expect(filtered).toHaveLength(61)
    expect(batchNextOffset(filtered)).toBe(103)
  })
})

describe('an empty batch', () => {
  it('covers its offsets and passes for a batch of nobody', () => {
    const batch = emptyBatch(50, 2_000_050, 9)
    expect([batchBaseOffset(batch), batchNextOffset(batch)]).toEqual([50, 2_000_050])
    expect(batchProducerId(batch)).toBe(-1)
    expect(batchMaxTimestamp(batch)).toBe(-1)
    expect(decodeRecords(batch)).toEqual([])
  })

  it('is nothing that a producer may send', () => {
    expect(() => validateBatch(emptyBatch(0, 1, 0), LIMITS)).toThrow()
  })
})
