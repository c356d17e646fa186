/**
 * The CRC-32C of two runs of bytes from those of each: what a manifest says of a whole file follows
 * from the sums of its blocks, without reading it.
 */

/** 0x1EDC6F41 with its bits reversed: the register shifts right. */
const POLYNOMIAL = 0x82f6_3b78

/** A linear map of the register: what each of its bits becomes. */
type Matrix = Uint32Array

const times = (matrix: Matrix, vector: number): number => {
  let sum = 0
  for (let bit = 0; vector !== 0; bit++, vector >>>= 1) if (vector & 1) sum ^= matrix[bit] ?? 0
  return sum >>> 0
}

const squared = (matrix: Matrix): Matrix => matrix.map((column) => times(matrix, column))

/** What one zero byte does to the register. */
const zeroByte = (): Matrix => {
  const oneBit = Uint32Array.from({ length: 32 }, (_, bit) =>
    bit === 0 ? POLYNOMIAL : 2 ** (bit - 1),
  )
  return squared(squared(squared(oneBit)))
}

/** The checksum of `first` followed by `second`, which is so many bytes long. */
export const combineCrc32c = (first: number, second: number, secondBytes: number): number => {
  let crc = first
  let matrix = zeroByte()
  for (let left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) crc = times(matrix, crc)
    matrix = squared(matrix)
  }
  return (crc ^ second) >>> 0
}
