/** The batches of a read, one after the other. */
import { batchTotalBytes } from '@millrace/codec'

export function* splitBatches(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0
  while (at < bytes.length) {
    const batch = bytes.subarray(at)
    const length = batchTotalBytes(batch)
    yield batch.subarray(0, length)
    at += length
  }
}
