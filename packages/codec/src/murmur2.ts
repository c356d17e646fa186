/**
 * MurmurHash2 with the seed that Kafka's clients use, so that a key lands in the same partition
 * whichever client or gateway it came through.
 */
const SEED = 0x9747_b28c
const MULTIPLIER = 0x5bd1_e995

const mixWord = (word: number): number => {
  const mixed = Math.imul(word, MULTIPLIER)
  return Math.imul(mixed ^ (mixed >>> 24), MULTIPLIER)
}

/** A signed 32-bit hash. Words are little endian, unlike everything else in this package. */
export const murmur2 = (bytes: Uint8Array): number => {
  const length = bytes.length
  const wholeEnd = length - (length % 4)
  let hash = SEED ^ length
  for (let at = 0; at < wholeEnd; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash, MULTIPLIER) ^ mixWord(word)
  }
  if (wholeEnd < length) {
    for (let at = length - 1; at >= wholeEnd; at--) hash ^= bytes[at]! << (8 * (at - wholeEnd))
    hash = Math.imul(hash, MULTIPLIER)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return (hash ^ (hash >>> 15)) | 0
}

/** The sign bit is cleared, not negated: -2^31 has no positive counterpart. */
export const partitionForKey = (key: Uint8Array, partitionCount: number): number =>
  (murmur2(key) & 0x7fff_ffff) % partitionCount
