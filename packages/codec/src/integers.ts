/**
 * Big-endian integers at a position, as plain shifts: no object per read, for the hot path.
 *
 * Nothing here checks a bound. A caller has made sure that the bytes exist; the checked form is
 * `ByteReader`. The 64-bit readers lose precision beyond 2^53, which is the documented bound of an
 * offset: check with `Number.isSafeInteger` where the bytes come from a peer.
 */
const TWO_POW_32 = 0x1_0000_0000

export const readUint16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 8) | bytes[at + 1]!

export const readInt16 = (bytes: Uint8Array, at: number): number =>
  (readUint16(bytes, at) << 16) >> 16

export const readInt32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!

export const readUint32 = (bytes: Uint8Array, at: number): number => readInt32(bytes, at) >>> 0

export const readUint64 = (bytes: Uint8Array, at: number): number =>
  readUint32(bytes, at) * TWO_POW_32 + readUint32(bytes, at + 4)

export const readInt64 = (bytes: Uint8Array, at: number): number =>
  readInt32(bytes, at) * TWO_POW_32 + readUint32(bytes, at + 4)

export const writeUint16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export const writeUint32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Two's complement makes the signed and the unsigned form the same bytes. */
export const writeInt32 = (bytes: Uint8Array, at: number, value: number): void =>
  writeUint32(bytes, at, value)

/** `value >>> 0` is the value modulo 2^32, also for a negative one; what is left divides exactly. */
export const writeInt64 = (bytes: Uint8Array, at: number, value: number): void => {
  const low = value >>> 0
  writeUint32(bytes, at, (value - low) / TWO_POW_32)
  writeUint32(bytes, at + 4, low)
}

export const writeUint64 = (bytes: Uint8Array, at: number, value: number): void =>
  writeInt64(bytes, at, value)
