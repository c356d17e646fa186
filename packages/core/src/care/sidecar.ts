/**
 * The sidecar of a sealed segment, `<base offset>.crc`: CRC-32Cs of all its bytes, a block of 256 KiB
 * each. It is what vouches for the bytes that no batch's CRC covers (base offset, length, epoch,
 * magic), for whoever reads a segment without walking its batches. Pure: no I/O.
 *
 *     0        4        8              16              24       28       32            40      44
 *     | magic  | format | segment base | segment bytes | block  | count  | verified at | CRC   | sums …
 *       MRSC     u32      u64            u64             bytes    u32      ms u64        u32     u32 each
 *                                                        u32
 *
 * `segment bytes`: where the data of the segment ends; the last block ends there. `count` is the
 * number of sums. `verified at` is the wall clock when every byte was last read and found good. The
 * CRC covers the header before it, then all sums.
 *
 * Invariants: a sidecar is made from data that was itself verified, batch by batch, so that damage is
 * never blessed. One that is missing, or speaks of another length, is no damage: it is made anew.
 */
import { crc32c, readUint32, readUint64, writeUint32, writeUint64 } from '@millrace/codec'
import { SIDECAR_BLOCK_BYTES } from './limits.ts'

export const SIDECAR_FORMAT = 1
export const SIDECAR_HEADER_BYTES = 44

const MAGIC = 0x4d525343
const CRC_AT = 40

export interface Sidecar {
  readonly segmentBase: number
  readonly segmentBytes: number
  readonly verifiedAtMs: number
  readonly sums: Uint32Array
}

export const blockCountOf = (bytes: number): number => Math.ceil(bytes / SIDECAR_BLOCK_BYTES)

const crcOf = (bytes: Uint8Array): number =>
  crc32c(bytes.subarray(SIDECAR_HEADER_BYTES), crc32c(bytes.subarray(0, CRC_AT)))

export const encodeSidecar = (sidecar: Sidecar): Uint8Array => {
  const { sums } = sidecar
  const bytes = new Uint8Array(SIDECAR_HEADER_BYTES + sums.length * 4)
  writeUint32(bytes, 0, MAGIC)
  writeUint32(bytes, 4, SIDECAR_FORMAT)
  writeUint64(bytes, 8, sidecar.segmentBase)
  writeUint64(bytes, 16, sidecar.segmentBytes)
  writeUint32(bytes, 24, SIDECAR_BLOCK_BYTES)
  writeUint32(bytes, 28, sums.length)
  writeUint64(bytes, 32, sidecar.verifiedAtMs)
  for (let index = 0; index < sums.length; index++)
    writeUint32(bytes, SIDECAR_HEADER_BYTES + index * 4, sums[index] ?? 0)
  writeUint32(bytes, CRC_AT, crcOf(bytes))
  return bytes
}

/** How long the file says that it is; of one that is short of its header, as long as that. */
export const declaredBytesOf = (bytes: Uint8Array): number =>
  bytes.length < SIDECAR_HEADER_BYTES
    ? SIDECAR_HEADER_BYTES
    : SIDECAR_HEADER_BYTES + 4 * readUint32(bytes, 28)

/** `undefined` for what is not an intact sidecar of that segment. */
export const decodeSidecar = (bytes: Uint8Array, segmentBase: number): Sidecar | undefined => {
  if (bytes.length < SIDECAR_HEADER_BYTES || readUint32(bytes, 0) !== MAGIC) return undefined
  const count = readUint32(bytes, 28)
  if (bytes.length !== SIDECAR_HEADER_BYTES + count * 4) return undefined
  if (readUint32(bytes, CRC_AT) !== crcOf(bytes)) return undefined
  const isKnown =
    readUint32(bytes, 4) === SIDECAR_FORMAT && readUint32(bytes, 24) === SIDECAR_BLOCK_BYTES
  if (!isKnown || readUint64(bytes, 8) !== segmentBase) return undefined
  const segmentBytes = readUint64(bytes, 16)
  if (count !== blockCountOf(segmentBytes)) return undefined
  const sums = new Uint32Array(count)
  for (let index = 0; index < count; index++)
    sums[index] = readUint32(bytes, SIDECAR_HEADER_BYTES + index * 4)
  return { segmentBase, segmentBytes, verifiedAtMs: readUint64(bytes, 32), sums }
}
