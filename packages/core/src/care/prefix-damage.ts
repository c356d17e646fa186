/**
 * Finds the batch whose first bytes, which its own CRC does not cover, are not what the sidecar
 * summed: the sums of one block differ, and every batch in it is intact.
 *
 * A CRC of a block is linear: one flipped bit changes it by a difference that names the bit's
 * place. More than one bit leaves all batches that begin in the block under suspicion.
 */
import { BATCH_PREFIX_BYTES, batchBaseOffset, batchNextOffset, scanBatch } from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import { SIDECAR_BLOCK_BYTES } from './limits.ts'
import { blockCountOf } from './sidecar.ts'

/** 0x1EDC6F41 with its bits reversed. */
const POLYNOMIAL = 0x82f6_3b78
const HEADER_BYTES = 61

/** For each block the first batch that has bytes of its prefix in it. */
export class BlockStarts {
  readonly #positions: Float64Array

  constructor(bytesMax: number) {
    this.#positions = new Float64Array(blockCountOf(bytesMax)).fill(-1)
  }

  note(position: number): void {
    this.#noteIn(Math.floor(position / SIDECAR_BLOCK_BYTES), position)
    this.#noteIn(Math.floor((position + BATCH_PREFIX_BYTES - 1) / SIDECAR_BLOCK_BYTES), position)
  }

  of(block: number): number {
    return this.#positions[block] ?? -1
  }

  #noteIn(block: number, position: number): void {
    if (this.#positions[block] === -1) this.#positions[block] = position
  }
}

export interface BlockPlace {
  readonly start: number
  readonly end: number
  /** Where the first batch with prefix bytes in the block begins; -1 without one. */
  readonly firstBatch: number
  /** The sum that the sidecar has, xor the sum of what is there. */
  readonly difference: number
}

export interface SuspectBatch {
  readonly from: number
  readonly to: number
  readonly position: number
  readonly end: number
}

export const findPrefixDamage = async (
  file: DiskFile,
  place: BlockPlace,
): Promise<readonly SuspectBatch[]> => {
  const batches = await batchesIn(file, place)
  const flipped = flippedByte(place.end - place.start, place.difference)
  if (flipped === undefined) return batches
  const at = place.start + flipped
  return batches.filter(({ position }) => position <= at && at < position + BATCH_PREFIX_BYTES)
}

const batchesIn = async (file: DiskFile, place: BlockPlace): Promise<SuspectBatch[]> => {
  const batches: SuspectBatch[] = []
  if (place.firstBatch < 0) return batches
  const window = new Uint8Array(place.end - place.firstBatch + HEADER_BYTES)
  const count = await file.read(window, place.firstBatch)
  for (let at = 0; place.firstBatch + at < place.end;) {
    const length = scanBatch(window, at, count)
    if (length <= 0) break
    const position = place.firstBatch + at
    const from = batchBaseOffset(window, at)
    batches.push({ from, to: batchNextOffset(window, at), position, end: position + length })
    at += length
  }
  return batches
}

const tableOf = (): Uint32Array => {
  const table = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    table[byte] = crc
  }
  return table
}

/** Where in a block of so many bytes one flipped bit makes such a difference to its sum. */
const flippedByte = (length: number, difference: number): number | undefined => {
  const wanted = difference >>> 0
  const table = tableOf()
  const byBit = Uint32Array.from({ length: 8 }, (_, bit) => table[1 << bit] ?? 0)
  for (let at = length - 1; at >= 0; at--) {
    for (let bit = 0; bit < 8; bit++) {
      const change = byBit[bit] ?? 0
      if (change === wanted) return at
      byBit[bit] = (change >>> 8) ^ (table[change & 0xff] ?? 0)
    }
  }
  return undefined
}
