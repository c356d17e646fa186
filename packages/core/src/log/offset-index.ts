/** Sparse index of a segment: from an offset to the position of a batch at or before it. */
import { INDEX_INTERVAL_BYTES } from './limits.ts'
import { SparseIndex } from './sparse-index.ts'

export const OFFSET_INDEX_MAGIC = 0x4d524f49

export class OffsetIndex {
  readonly #pairs = new SparseIndex(OFFSET_INDEX_MAGIC)
  #nextPosition = 0

  /** Tells of a batch; keeps an entry each INDEX_INTERVAL_BYTES. */
  add(baseOffset: number, position: number): void {
    if (position < this.#nextPosition) return
    this.#pairs.add(baseOffset, position)
    this.#nextPosition = position + INDEX_INTERVAL_BYTES
  }

  /** The position of an indexed batch at or before `offset`; 0 when there is none. */
  floor(offset: number): number {
    const index = this.#pairs.floor(offset)
    return index < 0 ? 0 : this.#pairs.valueAt(index)
  }

  /** The base offset of the batch that `floor` points to; `undefined` when there is none. */
  keyOf(offset: number): number | undefined {
    const index = this.#pairs.floor(offset)
    return index < 0 ? undefined : this.#pairs.keyAt(index)
  }

  /** The offset of an indexed batch at or before `position`. */
  offsetAt(position: number): number | undefined {
    return this.batchBefore(position)?.baseOffset
  }

  /** The last indexed batch that begins at or before `position`. */
  batchBefore(position: number): { baseOffset: number; position: number } | undefined {
    const index = this.#pairs.floorOfValue(position)
    if (index < 0) return undefined
    return { baseOffset: this.#pairs.keyAt(index), position: this.#pairs.valueAt(index) }
  }

  clear(): void {
    this.#pairs.clear()
    this.#nextPosition = 0
  }

  encode(segmentBase: number, coveredBytes: number): Uint8Array {
    return this.#pairs.encode(segmentBase, coveredBytes)
  }

  decode(bytes: Uint8Array, segmentBase: number): number | undefined {
    const covered = this.#pairs.decode(bytes, segmentBase)
    const last = this.#pairs.count - 1
    this.#nextPosition = last < 0 ? 0 : this.#pairs.valueAt(last) + INDEX_INTERVAL_BYTES
    return covered
  }
}
