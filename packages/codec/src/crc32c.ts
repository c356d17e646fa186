/**
 * CRC-32C (Castagnoli), the checksum of batches, journal frames and sidecars. Chainable:
 * `crc32c(b, crc32c(a))` is the checksum of a followed by b.
 */
import { findNativeCrc32c } from './native-crc32c.ts'
import type { Crc32c, ProcessScope } from './native-crc32c.ts'

/** 0x1EDC6F41 with its bits reversed: the register shifts right. */
const POLYNOMIAL = 0x82f6_3b78

/** Under this size the call into native code costs more than it saves. */
export const NATIVE_CRC_BYTES_MIN = 200

/**
 * Eight tables of 256: `tables[n * 256 + b]` is what byte b does to the register n bytes later, so
 * that eight bytes are looked up independently instead of one after the other.
 */
const makeTables = (): Int32Array => {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    tables[byte] = crc
  }
  for (let index = 256; index < tables.length; index++) {
    const before = tables[index - 256]!
    tables[index] = (before >>> 8) ^ tables[before & 0xff]!
  }
  return tables
}

const tables = makeTables()

/** The portable form, slicing by eight. */
export const crc32cJs = (bytes: Uint8Array, initial = 0): number => {
  const end = bytes.length
  const wholeEnd = end - (end % 8)
  let crc = ~initial
  let at = 0
  while (at < wholeEnd) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      tables[0x700 + (crc & 0xff)]! ^
      tables[0x600 + ((crc >>> 8) & 0xff)]! ^
      tables[0x500 + ((crc >>> 16) & 0xff)]! ^
      tables[0x400 + (crc >>> 24)]! ^
      tables[0x300 + bytes[at + 4]!]! ^
      tables[0x200 + bytes[at + 5]!]! ^
      tables[0x100 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
    at += 8
  }
  while (at < end) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at++]!) & 0xff]!
  return ~crc >>> 0
}

/** The native form for long input where there is one, the portable form for the rest. */
export const selectCrc32c = (native: Crc32c | undefined): Crc32c => {
  if (native === undefined) return crc32cJs
  return (bytes, initial = 0) =>
    bytes.length < NATIVE_CRC_BYTES_MIN ? crc32cJs(bytes, initial) : native(bytes, initial)
}

export const crc32c: Crc32c = selectCrc32c(findNativeCrc32c(globalThis as ProcessScope))
