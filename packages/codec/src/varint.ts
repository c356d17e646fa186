/**
 * Variable-length integers: seven bits a byte, low bits first, the top bit says "more follows".
 *
 * ```
 *   byte 0      byte 1      byte 2
 *  +-+-------+ +-+-------+ +-+-------+
 *  |1| 0..6  | |1| 7..13 | |0|14..20 |  ...
 *  +-+-------+ +-+-------+ +-+-------+
 * ```
 *
 * - `uvarint`: unsigned, 0 to 2^53-1, at most 8 bytes;
 * - `varint`: zigzag, 32 bits, at most 5 bytes;
 * - `varlong`: zigzag, magnitude to 2^53-1, at most 8 bytes as written, 10 as read.
 *
 * Zigzag puts the sign into bit 0: 0, -1, 1, -2 become 0, 1, 2, 3. A zigzag of 54 bits does not fit
 * a number, therefore the varlong code keeps the sign apart and works on the 53 bits above it.
 *
 * Writers take a position and return the next one; the caller has made room.
 */
export const VARINT_BYTES_MAX = 5
export const VARLONG_BYTES_MAX = 10
export const UVARINT_BYTES_MAX = 8

/** Below this magnitude a zigzag fits 31 bits and integer arithmetic is enough. */
const SMALL_MAX = 0x3fff_ffff

const uvarint32Size = (value: number): number => {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

const writeUvarint32 = (bytes: Uint8Array, at: number, value: number): number => {
  while (value > 0x7f) {
    bytes[at++] = value | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

export const varintSize = (value: number): number =>
  uvarint32Size(((value << 1) ^ (value >> 31)) >>> 0)

export const writeVarint = (bytes: Uint8Array, at: number, value: number): number =>
  writeUvarint32(bytes, at, ((value << 1) ^ (value >> 31)) >>> 0)

export const uvarintSize = (value: number): number => {
  let size = 1
  while (value > 0x7f) {
    value = Math.floor(value / 0x80)
    size++
  }
  return size
}

export const writeUvarint = (bytes: Uint8Array, at: number, value: number): number => {
  while (value > 0x7fff_ffff) {
    bytes[at++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  return writeUvarint32(bytes, at, value)
}

export const varlongSize = (value: number): number => {
  if (value >= -SMALL_MAX && value <= SMALL_MAX) return varintSize(value)
  const magnitude = value < 0 ? -(value + 1) : value
  return 1 + uvarintSize(Math.floor(magnitude / 0x40))
}

export const writeVarlong = (bytes: Uint8Array, at: number, value: number): number => {
  if (value >= -SMALL_MAX && value <= SMALL_MAX) return writeVarint(bytes, at, value)
  const sign = value < 0 ? 1 : 0
  const magnitude = sign === 1 ? -(value + 1) : value
  // Six bits of magnitude share byte 0 with the sign; 2^30 and more never fits them alone.
  bytes[at] = 0x80 | ((magnitude % 0x40) << 1) | sign
  return writeUvarint(bytes, at + 1, Math.floor(magnitude / 0x40))
}
