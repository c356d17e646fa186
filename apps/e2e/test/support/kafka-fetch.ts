/**
 * One Fetch of the Kafka protocol, version 10, written by hand: for peers that read when a test wants.
 *
 * ```
 * | size | key 1 | version | correlation | client | replica | wait | min | max | isolation | session | …
 *   i32    i16     i16       i32           str16    i32 -1    i32    i32   i32   i8          2 x i32
 * ```
 */
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(2)
  length.writeInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

const int32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, index) => bytes.writeInt32BE(value, 4 * index))
  return bytes
}

/** Partition 0 of a topic, from an offset on, answered at once. */
export const fetchRequest = (topic: string, offset: number, bytesMax: number): Buffer => {
  const offsetBytes = Buffer.alloc(8)
  offsetBytes.writeBigInt64BE(BigInt(offset))
  const body = Buffer.concat([
    Buffer.from([0, 1, 0, 10]),
    int32(7),
    text('slow'),
    int32(-1, 0, 1, bytesMax),
    Buffer.from([0]),
    int32(0, -1, 1),
    text(topic),
    // One partition, number 0, no epoch known, then no log start.
    int32(1, 0, -1),
    offsetBytes,
    int32(-1, -1, bytesMax),
    int32(0),
  ])
  return Buffer.concat([int32(body.length), body])
}

/**
 * The record batches of the answer.
 *
 * ```
 * | size | correlation | throttle | error | session | 1 | topic | 1 | partition | error | offsets …
 *   i32    i32           i32        i16     i32      i32  str16  i32  i32         i16     3 x i64
 * | aborted | bytes | …
 *   i32       i32
 * ```
 */
export const recordsOfFetch = (answer: Buffer): Buffer => {
  const topicAt = 22
  const partitionAt = topicAt + 2 + answer.readInt16BE(topicAt) + 4
  const error = answer.readInt16BE(partitionAt + 4)
  if (error !== 0) throw new Error(`the fetch failed with ${error}`)
  const abortedAt = partitionAt + 6 + 24
  const bytesAt = abortedAt + 4
  return answer.subarray(bytesAt + 4, bytesAt + 4 + answer.readInt32BE(bytesAt))
}
