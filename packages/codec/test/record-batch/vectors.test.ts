import * as codec from '../../src/index.ts'
import type { RecordBatchOptions } from '../../src/index.ts'
import { batchVectors, fromHex, limits, nullableBytes, plain, toHex } from '../support.ts'
import type { BatchVector } from '../support.ts'

const vectors = batchVectors()
const cases = vectors.map((vector) => [vector.writer, vector.name, vector] as const)

const optionsOf = ({ fields }: BatchVector): RecordBatchOptions => ({
  baseOffset: fields.baseOffset,
  leaderEpoch: fields.leaderEpoch,
  producerId: fields.producerId,
  producerEpoch: fields.producerEpoch,
  baseSequence: fields.baseSequence,
  isTransactional: codec.isTransactional(fields.attributes),
  isControl: codec.isControl(fields.attributes),
  timestampType: codec.timestampTypeOf(fields.attributes),
})

const rebuild = (vector: BatchVector): Uint8Array => {
  const builder = new codec.RecordBatchBuilder(optionsOf(vector))
  for (const { created, key, value, headers } of vector.records) {
    builder.append({
      timestamp: created,
      key: nullableBytes(key),
      value: nullableBytes(value),
      headers: headers.map(([name, content]) => ({ key: name, value: nullableBytes(content) })),
    })
  }
  return builder.build()
}

describe('batches written by other clients', () => {
  it('cover both clients', () => {
    expect(new Set(vectors.map((vector) => vector.writer)).size).toBe(2)
  })

  it.each(cases)('are accepted: %s, %s', (_writer, _name, vector) => {
    codec.validateBatch(fromHex(vector.hex), limits)
  })

  it.each(cases)('have the fields that their client reads: %s, %s', (_writer, _name, vector) => {
    // In the middle of other bytes, where a forgotten position would show.
    const bytes = fromHex(`ffffff${vector.hex}ffffff`)
    expect({
      baseOffset: codec.batchBaseOffset(bytes, 3),
      totalBytes: codec.batchTotalBytes(bytes, 3),
      leaderEpoch: codec.batchLeaderEpoch(bytes, 3),
      crc: codec.batchCrc(bytes, 3),
      attributes: codec.batchAttributes(bytes, 3),
      lastOffsetDelta: codec.batchLastOffsetDelta(bytes, 3),
      baseTimestamp: codec.batchBaseTimestamp(bytes, 3),
      maxTimestamp: codec.batchMaxTimestamp(bytes, 3),
      producerId: codec.batchProducerId(bytes, 3),
      producerEpoch: codec.batchProducerEpoch(bytes, 3),
      baseSequence: codec.batchBaseSequence(bytes, 3),
      recordCount: codec.batchRecordCount(bytes, 3),
    }).toEqual(vector.fields)
    expect(codec.batchMagic(bytes, 3)).toBe(2)
    expect(codec.batchNextOffset(bytes, 3)).toBe(
      vector.fields.baseOffset + vector.fields.recordCount,
    )
  })

  it.each(cases)('decode to the records put in: %s, %s', (_writer, _name, vector) => {
    const expected = vector.records.map(({ created: _created, ...rest }) => rest)
    const decoded = codec.decodeRecords(fromHex(vector.hex))
    expect(decoded.map(plain)).toEqual(expected)
    expect(decoded.map((record) => record.index)).toEqual(expected.map((_, index) => index))
  })

  it.each(cases)('are built byte for byte: %s, %s', (_writer, _name, vector) => {
    expect(toHex(rebuild(vector))).toBe(vector.hex)
  })
})
