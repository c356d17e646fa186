import { batchTotalBytes } from '../../src/record-batch/batch-header.ts'
import { scanBatch } from '../../src/record-batch/batch-scan.ts'
import { RecordBatchBuilder } from '../../src/record-batch/record-batch-builder.ts'
import { writeInt32 } from '../../src/integers.ts'
import { record } from '../support.ts'

const build = (value: string): Uint8Array => {
  const builder = new RecordBatchBuilder()
  builder.append(record('k', value))
  return builder.build()
}

describe('scanBatch', () => {
  it('steps over the batches of a file', () => {
    const batches = ['a', 'bb', 'c'.repeat(500)].map(build)
    const file = new Uint8Array(batches.flatMap((batch) => [...batch]))
    const sizes: number[] = []
    for (let at = 0; at < file.length; at += sizes.at(-1)!)
      sizes.push(scanBatch(file, at, file.length))
    expect(sizes).toEqual(batches.map((batch) => batch.length))
  })

  it('asks for more until the header is complete, then tells the size of a torn batch', () => {
    const batch = build('value')
    for (let end = 0; end <= batch.length; end++) {
      expect([end, scanBatch(batch, 0, end)]).toEqual([end, end < 61 ? 0 : batch.length])
    }
  })

  it('knows zeros and garbage as no batch as soon as it sees them', () => {
    expect(scanBatch(new Uint8Array(12), 0, 12)).toBe(-1)
    expect(scanBatch(new Uint8Array(4096), 100, 4096)).toBe(-1)
    expect(scanBatch(new Uint8Array(61).fill(0xff), 0, 61)).toBe(-1)
  })

  it('takes a length from 49 on, and magic 2 only', () => {
    const batch = build('value')
    writeInt32(batch, 8, 49)
    expect([scanBatch(batch, 0, batch.length), batchTotalBytes(batch)]).toEqual([61, 61])
    for (const length of [48, 0, -1, -2_147_483_648]) {
      writeInt32(batch, 8, length)
      expect(scanBatch(batch, 0, batch.length)).toBe(-1)
    }
    for (const magic of [0, 1, 3, 0x82]) {
      const other = build('value')
      other[16] = magic
      expect(scanBatch(other, 0, 17)).toBe(-1)
    }
  })
})
