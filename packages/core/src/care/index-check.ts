/**
 * Holds the two index files of a segment against the batches that are there: every entry of the
 * offset index is a batch, every entry of the time index the end of one with the highest timestamp
 * so far. Told of the batches in order, by who walks the segment.
 */
import { readUint32 } from '@millrace/codec'
import { OFFSET_INDEX_MAGIC } from '../log/offset-index.ts'
import { SparseIndex } from '../log/sparse-index.ts'
import { TIME_INDEX_MAGIC } from '../log/time-index.ts'
import { isUnfinished } from './unfinished.ts'

const HEADER_BYTES = 28
const PAIR_BYTES = 16

/** Of a file that may be short of its header: then of the header alone. */
const declaredBytesOf = (bytes: Uint8Array): number =>
  bytes.length < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + PAIR_BYTES * readUint32(bytes, 4)

export class IndexCheck {
  readonly #offsets = new SparseIndex(OFFSET_INDEX_MAGIC)
  readonly #times = new SparseIndex(TIME_INDEX_MAGIC)
  readonly #covered: number | undefined
  #nextOffset = 0
  #nextTime = 0
  #maxTimestamp = 0
  /** A power loss has left one of them so: it is as good as missing. */
  readonly isUnfinished: boolean
  /** Both files pass their own checks and cover the same bytes. */
  readonly isWhole: boolean
  #isGood: boolean

  constructor(offsets: Uint8Array, times: Uint8Array, segmentBase: number) {
    this.#covered = this.#offsets.decode(offsets, segmentBase)
    this.isUnfinished =
      isUnfinished(offsets, declaredBytesOf(offsets)) || isUnfinished(times, declaredBytesOf(times))
    this.isWhole =
      this.#covered !== undefined && this.#covered === this.#times.decode(times, segmentBase)
    this.#isGood = this.isWhole
  }

  note(baseOffset: number, maxTimestamp: number, position: number, end: number): void {
    if (maxTimestamp > this.#maxTimestamp) this.#maxTimestamp = maxTimestamp
    const offsets = this.#offsets
    while (this.#nextOffset < offsets.count && offsets.valueAt(this.#nextOffset) <= position) {
      const isHere = offsets.valueAt(this.#nextOffset) === position
      this.#isGood &&= isHere && offsets.keyAt(this.#nextOffset) === baseOffset
      this.#nextOffset++
    }
    const times = this.#times
    while (this.#nextTime < times.count && times.valueAt(this.#nextTime) <= end) {
      const isHere = times.valueAt(this.#nextTime) === end
      this.#isGood &&= isHere && times.keyAt(this.#nextTime) === this.#maxTimestamp
      this.#nextTime++
    }
  }

  /** Asked at the end of a walk that met no damage and ended at `bytes`. */
  isGood(bytes: number): boolean {
    const isDone = this.#nextOffset === this.#offsets.count && this.#nextTime === this.#times.count
    return this.#isGood && isDone && (this.#covered ?? Infinity) <= bytes
  }
}
