/**
 * Sparse index of a segment: from a timestamp to the position of a batch before which every record
 * is older. Timestamps may fall within a log; the index keeps the highest seen so far, so the search
 * may start early but never late.
 */
import { INDEX_INTERVAL_BYTES } from './limits.ts'
import { SparseIndex } from './sparse-index.ts'

export const TIME_INDEX_MAGIC = 0x4d525449

export class TimeIndex {
  readonly #pairs = new SparseIndex(TIME_INDEX_MAGIC)
  #nextPosition = 0
  #maxTimestamp = 0

  /** The highest timestamp of the batches told of, 0 when there was none. */
  get maxTimestamp(): number {
    return this.#maxTimestamp
  }

  /** Tells of the batch that ends at `endPosition`. */
  add(batchMaxTimestamp: number, endPosition: number): void {
    if (batchMaxTimestamp > this.#maxTimestamp) this.#maxTimestamp = batchMaxTimestamp
    if (endPosition < this.#nextPosition) return
    this.#pairs.add(this.#maxTimestamp, endPosition)
    this.#nextPosition = endPosition + INDEX_INTERVAL_BYTES
  }

  /** A position before which no record is as late as `timestamp`. */
  floor(timestamp: number): number {
    const index = this.#pairs.floor(timestamp - 1)
    return index < 0 ? 0 : this.#pairs.valueAt(index)
  }

  clear(): void {
    this.#pairs.clear()
    this.#nextPosition = 0
    this.#maxTimestamp = 0
  }

  encode(segmentBase: number, coveredBytes: number): Uint8Array {
    const pairs = this.#pairs
    const last = pairs.count - 1
    if (last < 0 || pairs.keyAt(last) !== this.#maxTimestamp)
      pairs.add(this.#maxTimestamp, coveredBytes)
    return pairs.encode(segmentBase, coveredBytes)
  }

  decode(bytes: Uint8Array, segmentBase: number): number | undefined {
    const covered = this.#pairs.decode(bytes, segmentBase)
    const last = this.#pairs.count - 1
    this.#nextPosition = last < 0 ? 0 : this.#pairs.valueAt(last) + INDEX_INTERVAL_BYTES
    this.#maxTimestamp = last < 0 ? 0 : this.#pairs.keyAt(last)
    return covered
  }
}
