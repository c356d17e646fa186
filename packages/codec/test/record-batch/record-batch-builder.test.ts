import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { batchMaxTimestamp, batchBaseTimestamp } from '../../src/record-batch/batch-header.ts'
import { batchBaseOffset, writeBatchPrefix } from '../../src/record-batch/batch-header.ts'
import { batchLeaderEpoch, batchTotalBytes } from '../../src/record-batch/batch-header.ts'
import { decodeRecords } from '../../src/record-batch/record-cursor.ts'
import { validateBatch } from '../../src/record-batch/validate-batch.ts'
import { codeOf, limits, plain, record, text, toHex } from '../support.ts'

const at = 1_790_000_000_000

describe('RecordBatchBuilder', () => {
  it('knows the size of the batch before it is built', () => {
    const builder = new RecordBatchBuilder()
    expect([builder.count, builder.sizeBytes]).toEqual([0, 61])
    for (let index = 1; index <= 100; index++) {
      builder.append(record('k', 'v'.repeat(index), at, [{ key: 'ключ', value: null }]))
      expect([builder.count, builder.sizeBytes]).toEqual([index, builder.build().length])
    }
  })

  it('tells how much it holds on to, which a reset leaves as it is', () => {
    const builder = new RecordBatchBuilder()
    builder.append(record('k', 'v'.repeat(5_000), at))
    expect(builder.capacityBytes).toBeGreaterThanOrEqual(builder.sizeBytes)
    const before = builder.capacityBytes
    builder.reset()
    expect(builder.capacityBytes).toBe(before)
  })

  it('builds the same after a reset as a new builder', () => {
    const builder = new RecordBatchBuilder({ producerId: 4, producerEpoch: 1, baseSequence: 0 })
    for (let index = 0; index < 300; index++) builder.append(record('old', 'x'.repeat(index), at))
    builder.build()
    builder.reset()
    expect([builder.count, builder.sizeBytes]).toEqual([0, 61])
    const fresh = new RecordBatchBuilder({ producerId: 4, producerEpoch: 1, baseSequence: 0 })
    for (const target of [builder, fresh]) target.append(record('new', null, 12, []))
    expect(toHex(builder.build())).toBe(toHex(fresh.build()))
  })

  it('hands out batches that later records do not change', () => {
    const builder = new RecordBatchBuilder()
    builder.append(record('a', 'first', at))
    const first = builder.build()
    const before = toHex(first)
    builder.reset()
    builder.append(record('b', 'second', at))
    builder.build()
    expect(toHex(first)).toBe(before)
  })

  it('appends fields as it appends records', () => {
    const headers = [{ key: 'h', value: text('1') }]
    const [one, other] = [new RecordBatchBuilder(), new RecordBatchBuilder()]
    one.append({ timestamp: at, key: text('k'), value: text('v'), headers })
    other.appendFields(at, text('k'), text('v'), headers)
    expect(toHex(one.build())).toBe(toHex(other.build()))
  })

  it('takes the first timestamp as base and the greatest as maximum', () => {
    const builder = new RecordBatchBuilder()
    for (const timestamp of [50, 90, 10]) builder.append(record(null, 'x', timestamp))
    const batch = builder.build()
    expect([batchBaseTimestamp(batch), batchMaxTimestamp(batch)]).toEqual([50, 90])
    expect(decodeRecords(batch).map((entry) => entry.timestamp)).toEqual([50, 90, 10])
  })

  it('takes the maximum of the new batch after a reset', () => {
    const builder = new RecordBatchBuilder()
    builder.append(record(null, 'x', 900))
    builder.reset()
    builder.append(record(null, 'x', -5))
    expect(batchMaxTimestamp(builder.build())).toBe(-5)
  })

  it.each([1.5, Number.NaN, Infinity, 2 ** 53, -(2 ** 53)])('refuses timestamp %d', (timestamp) => {
    const builder = new RecordBatchBuilder()
    expect(codeOf(() => builder.append(record(null, 'x', timestamp)))).toBe('ERR_INVALID_ARGUMENT')
    expect([builder.count, builder.sizeBytes]).toEqual([0, 61])
  })

  it('refuses a timestamp too far from the first, and goes on', () => {
    const builder = new RecordBatchBuilder()
    builder.append(record(null, 'x', Number.MAX_SAFE_INTEGER))
    expect(codeOf(() => builder.append(record(null, 'x', -5)))).toBe('ERR_INVALID_ARGUMENT')
    builder.append(record(null, 'y', 0))
    expect(decodeRecords(builder.build())).toHaveLength(2)
  })

  it('refuses to build an empty batch', () => {
    expect(codeOf(() => new RecordBatchBuilder().build())).toBe('ERR_INVALID_BATCH')
  })

  it('writes long header keys and values of every length around its fast paths', () => {
    const builder = new RecordBatchBuilder()
    const sizes = [0, 1, 23, 24, 25, 47, 48, 49, 63, 64, 127, 128, 2000]
    for (const size of sizes) {
      for (const unit of ['a', 'é', '🐘']) {
        const name = unit.repeat(size)
        builder.append(record(name, name, at, [{ key: name, value: text(name) }]))
      }
    }
    const batch = builder.build()
    validateBatch(batch, limits)
    for (const entry of decodeRecords(batch)) {
      const { key, value, headers } = plain(entry)
      expect(value).toBe(key)
      expect(headers[0]?.[1]).toBe(key)
      expect(toHex(text(headers[0]![0]))).toBe(key)
    }
  })

  it('takes keys and values that are views', () => {
    const builder = new RecordBatchBuilder()
    const source = text('0123456789'.repeat(10))
    builder.appendFields(at, source.subarray(3, 6), source.subarray(10, 90), [])
    expect(plain(decodeRecords(builder.build())[0]!)).toMatchObject({
      key: toHex(text('345')),
      value: toHex(text('0123456789'.repeat(8))),
    })
  })

  it('lets go of the buffer of a huge batch', () => {
    const builder = new RecordBatchBuilder()
    builder.appendFields(at, null, new Uint8Array(5_000_000), [])
    builder.build()
    builder.reset()
    builder.append(record('a', 'b', at))
    validateBatch(builder.build(), limits)
  })
})

describe('writeBatchPrefix', () => {
  it('moves a batch to its place without touching the checksum or the body', () => {
    const builder = new RecordBatchBuilder()
    builder.append(record('a', 'b', at))
    const batch = builder.build()
    const moved = batch.slice()
    writeBatchPrefix(moved, 0, 9_007_199_254_740_000, moved.length, 12)
    expect([batchBaseOffset(moved), batchLeaderEpoch(moved)]).toEqual([9_007_199_254_740_000, 12])
    expect(toHex(moved.subarray(17))).toBe(toHex(batch.subarray(17)))
    validateBatch(moved, limits)
  })

  it('fills a prefix apart from the body', () => {
    const prefix = new Uint8Array(30).fill(0xee)
    writeBatchPrefix(prefix, 4, 7, 1000, 2)
    expect([batchBaseOffset(prefix, 4), batchTotalBytes(prefix, 4)]).toEqual([7, 1000])
    expect(toHex(prefix)).toBe(`eeeeeeee0000000000000007000003dc0000000202${'ee'.repeat(9)}`)
  })
})
