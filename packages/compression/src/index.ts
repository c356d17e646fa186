/**
 * The record batch's compression codecs, by the numbers of its attributes: 1 gzip, 2 snappy, 3 lz4
 * frame, 4 zstd.
 *
 * Inflating is bounded before it begins: a size that is claimed, or that a frame's structure allows,
 * beyond `bytesMax` throws ERR_INVALID_BATCH and allocates nothing.
 */
import { BrokerError, type BatchCompression } from '@millrace/codec'
import { compressGzip, decompressGzip } from './gzip.ts'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'
import { loadZstd } from './zstd.ts'

/** Every codec that this Node can run; zstd may have to be compiled, hence a promise. */
export const createCompression = async (): Promise<BatchCompression> => {
  const zstd = await loadZstd()
  const compressors = [undefined, compressGzip, compressSnappy, compressLz4, zstd.compress]
  const inflaters = [undefined, decompressGzip, decompressSnappy, decompressLz4, zstd.decompress]
  const pick = <T>(table: readonly (T | undefined)[], codec: number): T => {
    const found = table[codec]
    if (found === undefined) throw new BrokerError('ERR_UNSUPPORTED_CODEC', [codec])
    return found
  }
  return {
    compress: (codec, bytes) => pick(compressors, codec)(bytes),
    decompress: (codec, bytes, bytesMax) => pick(inflaters, codec)(bytes, bytesMax),
  }
}
