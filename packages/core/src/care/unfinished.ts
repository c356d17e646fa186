/**
 * Whether a file that is written without a sync looks as a power loss leaves it: sectors of it never
 * reached the disk. That is no damage, and what the file held is made anew. A flipped bit looks
 * otherwise: every sector is there, and the checksum fails.
 */
const SECTOR_BYTES = 512

export const isUnfinished = (bytes: Uint8Array, declaredBytes: number): boolean => {
  if (bytes.length === 0) return true
  if (bytes.length < declaredBytes && bytes.length % SECTOR_BYTES === 0) return true
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES)
    if (isZero(bytes.subarray(at, at + SECTOR_BYTES))) return true
  return false
}

const isZero = (bytes: Uint8Array): boolean => {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}
