import { SparseIndex } from '../../src/log/sparse-index.ts'
import { OffsetIndex } from '../../src/log/offset-index.ts'
import { TimeIndex } from '../../src/log/time-index.ts'
import { INDEX_INTERVAL_BYTES } from '../../src/log/limits.ts'

const MAGIC = 0x4d524f49

const filled = (count: number): SparseIndex => {
  const index = new SparseIndex(MAGIC)
  for (let at = 0; at < count; at++) index.add(10 * at, 1_000 * at)
  return index
}

describe('sorted pairs', () => {
  it('find the last key that is not greater, at every size', () => {
    for (const count of [0, 1, 2, 15, 16, 17, 100]) {
      const index = filled(count)
      expect(index.floor(-1)).toBe(-1)
      for (let key = 0; key < 10 * count; key++) expect(index.floor(key)).toBe(Math.floor(key / 10))
      expect(index.floor(1e12)).toBe(count - 1)
    }
  })

  it('come back from their bytes', () => {
    const bytes = filled(40).encode(77, 123_456)
    const read = new SparseIndex(MAGIC)
    expect(read.decode(bytes, 77)).toBe(123_456)
    expect(read.count).toBe(40)
    expect(read.valueAt(39)).toBe(39_000)
  })

  it('have the bytes that the file header draws', () => {
    const index = new SparseIndex(MAGIC)
    index.add(5, 6)
    const hex = Buffer.from(index.encode(1, 2)).toString('hex')
    expect(hex.slice(0, 48)).toBe('4d524f49' + '00000001' + '0000000000000001' + '0000000000000002')
    expect(hex.slice(56)).toBe('0000000000000005' + '0000000000000006')
  })

  it('are refused with any bit flipped, of another segment, or cut anywhere', () => {
    const good = filled(3).encode(9, 50)
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const bytes = good.slice()
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(new SparseIndex(MAGIC).decode(bytes, 9)).toBeUndefined()
    }
    for (let length = 0; length < good.length; length++)
      expect(new SparseIndex(MAGIC).decode(good.subarray(0, length), 9)).toBeUndefined()
    expect(new SparseIndex(MAGIC).decode(good, 10)).toBeUndefined()
    expect(new SparseIndex(MAGIC + 1).decode(good, 9)).toBeUndefined()
    expect(new SparseIndex(MAGIC).decode(good, 9)).toBe(50)
  })
})

describe('the offset index', () => {
  it('keeps one entry for each interval and never points behind an offset', () => {
    const index = new OffsetIndex()
    const batches = Array.from({ length: 500 }, (_, at) => ({ base: 3 * at, position: 1_000 * at }))
    for (const { base, position } of batches) index.add(base, position)
    for (const { base, position } of batches) {
      const found = index.floor(base + 1)
      expect(found).toBeLessThanOrEqual(position)
      expect(position - found).toBeLessThanOrEqual(INDEX_INTERVAL_BYTES)
    }
  })

  it('goes on where its file ended', () => {
    const index = new OffsetIndex()
    index.add(0, 0)
    const bytes = index.encode(0, 500)
    const read = new OffsetIndex()
    expect(read.decode(bytes, 0)).toBe(500)
    read.add(1, 500)
    expect(read.floor(1)).toBe(0)
    read.add(2, INDEX_INTERVAL_BYTES)
    expect(read.floor(2)).toBe(INDEX_INTERVAL_BYTES)
  })
})

describe('the time index', () => {
  it('starts a search never too late, also when timestamps fall', () => {
    const index = new TimeIndex()
    const stamps = [100, 90, 300, 200, 250, 400]
    stamps.forEach((stamp, at) => index.add(stamp, (at + 1) * INDEX_INTERVAL_BYTES))
    expect(index.maxTimestamp).toBe(400)
    for (let wanted = 0; wanted <= 401; wanted++) {
      const first = stamps.findIndex((stamp) => stamp >= wanted)
      const start = (first < 0 ? stamps.length : first) * INDEX_INTERVAL_BYTES
      expect(index.floor(wanted)).toBeLessThanOrEqual(start)
    }
  })

  it('keeps its highest timestamp in the file, also of batches between two entries', () => {
    const index = new TimeIndex()
    index.add(100, 10)
    index.add(900, 20)
    const read = new TimeIndex()
    expect(read.decode(index.encode(0, 20), 0)).toBe(20)
    expect(read.maxTimestamp).toBe(900)
    expect(read.floor(901)).toBe(20)
    expect(read.floor(900)).toBeLessThanOrEqual(10)
  })
})
