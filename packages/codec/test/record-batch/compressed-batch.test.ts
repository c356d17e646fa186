import { gunzipSync, gzipSync } from 'node:zlib'
import {
  RecordBatchBuilder,
  batchAttributes,
  compressionCodecs,
  compressionOf,
  decodeRecords,
  deflateBatch,
  inflateBatch,
  validateBatch,
  type BatchCompression,
} from '../../src/index.ts'

const gzip: BatchCompression = {
  compress: (_codec, bytes) => gzipSync(bytes),
  decompress: (_codec, bytes, bytesMax) => gunzipSync(bytes, { maxOutputLength: bytesMax }),
}

const batchOf = (value: string, count: number): Uint8Array => {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < count; index++)
    builder.appendFields(1_000 + index, null, new TextEncoder().encode(value), [])
  return builder.build()
}

const limits = { batchBytesMax: 1e6, recordsPerBatchMax: 1_000, codecs: [0, 1] }

describe('a compressed batch', () => {
  it('is valid, smaller, and says its codec', () => {
    const plain = batchOf('words, words', 100)
    const packed = deflateBatch(plain, gzip, compressionCodecs.gzip)
    expect(packed.length).toBeLessThan(plain.length)
    expect(compressionOf(batchAttributes(packed))).toBe(compressionCodecs.gzip)
    expect(() => validateBatch(packed, limits)).not.toThrow()
  })

  it('inflates to the batch it was, byte for byte', () => {
    const plain = batchOf('words, words', 100)
    const packed = deflateBatch(plain, gzip, compressionCodecs.gzip)
    expect(Buffer.from(inflateBatch(packed, gzip, 1e6)).equals(Buffer.from(plain))).toBe(true)
    expect(decodeRecords(inflateBatch(packed, gzip, 1e6))).toHaveLength(100)
  })

  it('goes out as it is when compression would not make it smaller', () => {
    const plain = batchOf('x', 1)
    expect(deflateBatch(plain, gzip, compressionCodecs.gzip)).toBe(plain)
  })

  it('is left alone when it is not compressed', () => {
    const plain = batchOf('x', 1)
    expect(inflateBatch(plain, gzip, 10)).toBe(plain)
  })
})
