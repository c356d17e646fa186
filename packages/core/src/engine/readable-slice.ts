/**
 * Batches for a peer that cannot read their codec: inflated, one by one, the others as they are.
 * Nothing is changed on disk, and a peer that reads every codec never comes here.
 */
import {
  BrokerError,
  batchAttributes,
  batchTotalBytes,
  compressionOf,
  inflateBatch,
  type BatchCompression,
} from '@millrace/codec'
import { INFLATED_BYTES_MAX } from '../log/limits.ts'
import type { LogSlice } from '../log/log-slice.ts'

export interface Readability {
  readonly compression: BatchCompression
  /** Codec numbers the peer reads. */
  readonly codecs: readonly number[]
}

/** The slice itself when everything in it can be read; else an inflated copy, and it is released. */
export const readableSlice = (slice: LogSlice, readability: Readability | undefined): LogSlice => {
  if (readability === undefined || isReadable(slice, readability.codecs)) return slice
  try {
    const parts = [...batchesOf(slice)].map((batch) => readableBatch(batch, readability))
    let byteLength = 0
    for (const part of parts) byteLength += part.length
    return { parts, byteLength, nextOffset: slice.nextOffset, release: () => undefined }
  } finally {
    slice.release()
  }
}

const readableBatch = (batch: Uint8Array, { compression, codecs }: Readability): Uint8Array =>
  codecs.includes(compressionOf(batchAttributes(batch)))
    ? new Uint8Array(batch)
    : inflateBatch(batch, compression, INFLATED_BYTES_MAX)

const isReadable = (slice: LogSlice, codecs: readonly number[]): boolean => {
  for (const batch of batchesOf(slice))
    if (!codecs.includes(compressionOf(batchAttributes(batch)))) return false
  return true
}

function* batchesOf(slice: LogSlice): Iterable<Uint8Array> {
  for (const part of slice.parts) {
    for (let at = 0; at < part.length;) {
      const bytes = batchTotalBytes(part, at)
      if (bytes <= 0) throw new BrokerError('ERR_INTERNAL')
      yield part.subarray(at, at + bytes)
      at += bytes
    }
  }
}
