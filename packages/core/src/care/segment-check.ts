/**
 * Checks one segment from its first byte to where its data ends: every batch's CRC, offsets that go
 * on from one to the next, epochs that do not fall, the sums of the sidecar, and index entries that
 * point at batches. It reads and decides nothing else: who called it puts damage aside.
 *
 * Invariant: `sums` are given only when all of it was found good, so that a sidecar made of them
 * never blesses damage.
 */
import {
  batchBaseOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchNextOffset,
  scanBatch,
} from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import { isIntact } from '../log/batch-walk.ts'
import { findNextBatch } from '../log/resync.ts'
import { BlockSums } from './block-sums.ts'
import type { IndexCheck } from './index-check.ts'
import { CHECK_WINDOW_BYTES, SIDECAR_BLOCK_BYTES } from './limits.ts'
import { BlockStarts, findPrefixDamage } from './prefix-damage.ts'
import type { Sidecar } from './sidecar.ts'

/** What is wrong with a range of offsets. */
export type DamageKind = 'batch' | 'missing' | 'epoch' | 'prefix'

export interface DamagedRange {
  readonly kind: DamageKind
  readonly from: number
  readonly to: number
  /** Bytes of the segment's file; nothing is there when both are the same. */
  readonly position: number
  readonly end: number
}

export interface CheckedSegment {
  readonly baseOffset: number
  /** Bytes that may be data; the file may be shorter. */
  readonly bytes: number
  /** Where what this segment holds ends: the next one begins there. */
  readonly endOffset: number
  readonly sidecar: Sidecar | undefined
  readonly indexes: IndexCheck | undefined
  /** Whether a batch may begin at `base` behind one that ends at `expected`. */
  follows(base: number, expected: number): boolean
  /** Whether it is no news that nothing is there. */
  isKnownGap(from: number, to: number): boolean
  /** Called for so many bytes that were read; waits, yields, or throws to give up. */
  pace(bytes: number): Promise<void>
}

export type SidecarState = 'good' | 'missing' | 'stale' | 'contradicted'

export interface SegmentFindings {
  readonly batches: number
  /** Where the data ends in the file. */
  readonly bytes: number
  readonly damage: readonly DamagedRange[]
  readonly sidecar: SidecarState
  /** Only when there is no damage. */
  readonly sums: Uint32Array | undefined
}

interface Batch {
  readonly from: number
  readonly to: number
  readonly position: number
  readonly end: number
  readonly epoch: number
}

export const checkSegment = (file: DiskFile, segment: CheckedSegment): Promise<SegmentFindings> =>
  new SegmentCheck(file, segment).run()

class SegmentCheck {
  readonly #file: DiskFile
  readonly #segment: CheckedSegment
  readonly #sums: BlockSums
  readonly #damage: DamagedRange[] = []
  /** Epochs out of line: of two neighbours either may be wrong, and a sidecar knows better. */
  readonly #doubts: DamagedRange[] = []
  readonly #starts: BlockStarts
  #window = new Uint8Array(0)
  #position = 0
  #expected: number
  #batches = 0
  /** The epoch that the batches so far have reached. */
  #epoch = 0
  /** The last batch: whether its epoch is in line shows with the one behind it. */
  #last: Batch | undefined

  constructor(file: DiskFile, segment: CheckedSegment) {
    this.#file = file
    this.#segment = segment
    this.#sums = new BlockSums(segment.bytes)
    this.#starts = new BlockStarts(segment.bytes)
    this.#expected = segment.baseOffset
  }

  async run(): Promise<SegmentFindings> {
    const { endOffset, bytes, isKnownGap } = this.#segment
    let wanted = CHECK_WINDOW_BYTES
    while (this.#expected < endOffset && this.#position < bytes) {
      const view = await this.#read(wanted)
      const walked = this.#walk(view)
      wanted = Math.max(CHECK_WINDOW_BYTES, walked.cutLength)
      if (walked.bytes > 0) this.#take(view.subarray(0, walked.bytes))
      else if (walked.isDamaged || !this.#isLonger(view.length, walked.cutLength)) {
        if (!(await this.#passDamage())) break
        wanted = CHECK_WINDOW_BYTES
      }
    }
    this.#noteEpoch(undefined)
    if (this.#expected < endOffset && !isKnownGap(this.#expected, endOffset))
      this.#note('missing', this.#expected, endOffset, this.#position, this.#position)
    return this.#findings()
  }

  /** Whether the file goes on behind a window that shows the front of one batch only. */
  #isLonger(seen: number, cutLength: number): boolean {
    return cutLength > seen && this.#position + cutLength <= this.#segment.bytes
  }

  async #read(wanted: number): Promise<Uint8Array> {
    const length = Math.min(wanted, this.#segment.bytes - this.#position)
    if (this.#window.length < length) this.#window = new Uint8Array(length)
    const count = await this.#file.read(this.#window.subarray(0, length), this.#position)
    await this.#segment.pace(count)
    return this.#window.subarray(0, count)
  }

  #take(bytes: Uint8Array): void {
    this.#sums.feed(bytes, this.#position)
    this.#position += bytes.length
  }

  /** Steps over the good batches at the front of the window. */
  #walk(view: Uint8Array): Walked {
    let at = 0
    while (this.#expected < this.#segment.endOffset) {
      const length = scanBatch(view, at, view.length)
      if (length === 0 || at + length > view.length)
        return { bytes: at, cutLength: length, isDamaged: false }
      if (length < 0 || !isIntact(view, at, length)) return damagedAt(at)
      const from = batchBaseOffset(view, at)
      const to = batchNextOffset(view, at)
      if (!this.#segment.follows(from, this.#expected) || to > this.#segment.endOffset)
        return damagedAt(at)
      const position = this.#position + at
      const end = position + length
      this.#noteEpoch({ from, to, position, end, epoch: batchLeaderEpoch(view, at) })
      this.#starts.note(position)
      this.#segment.indexes?.note(from, batchMaxTimestamp(view, at), position, end)
      this.#batches++
      this.#expected = to
      at += length
    }
    return { bytes: at, cutLength: 0, isDamaged: false }
  }

  /** Goes on at the next good batch. False when there is none. */
  async #passDamage(): Promise<boolean> {
    const { bytes, endOffset } = this.#segment
    const position = this.#position
    const from = this.#expected
    const bounds = { from, to: endOffset }
    const found = await findNextBatch(this.#file, position + 1, bytes, bounds)
    const end = found?.position ?? Math.min(bytes, await this.#file.size())
    while (this.#position < end) {
      const view = await this.#read(Math.min(CHECK_WINDOW_BYTES, end - this.#position))
      if (view.length === 0) break
      this.#take(view)
    }
    const to = found?.baseOffset ?? endOffset
    this.#note('batch', from, to, position, this.#position)
    this.#expected = to
    return found !== undefined
  }

  /** One batch out of line with both its neighbours: the bytes of its epoch are no one's CRC. */
  #noteEpoch(next: Batch | undefined): void {
    const last = this.#last
    this.#last = next
    if (last === undefined) return
    const isTooLow = last.epoch < this.#epoch
    const isTooHigh = next !== undefined && next.epoch < last.epoch && next.epoch >= this.#epoch
    if (isTooLow || isTooHigh) this.#doubts.push({ kind: 'epoch', ...rangeOf(last) })
    else this.#epoch = last.epoch
  }

  #note(kind: DamageKind, from: number, to: number, position: number, end: number): void {
    // A good batch may follow at the very offset that was expected: bytes were lost, no records.
    this.#damage.push({ kind, from, to, position, end })
  }

  async #findings(): Promise<SegmentFindings> {
    const bytes = this.#position
    const sums = this.#sums.take(bytes)
    const sidecar = await this.#compare(sums, bytes)
    if (this.#segment.sidecar?.segmentBytes !== bytes) this.#damage.push(...this.#doubts)
    const isGood = this.#damage.length === 0
    return {
      batches: this.#batches,
      bytes,
      damage: this.#damage,
      sidecar,
      sums: isGood ? sums : undefined,
    }
  }

  /** What the sidecar says otherwise, and no damaged batch explains, is damage of a prefix. */
  async #compare(sums: Uint32Array, bytes: number): Promise<SidecarState> {
    const { sidecar } = this.#segment
    if (sidecar === undefined) return 'missing'
    const isWhole = sidecar.segmentBytes === bytes
    if (!isWhole && this.#damage.length === 0) return 'stale'
    const common = Math.min(sums.length, sidecar.sums.length) - (isWhole ? 0 : 1)
    let isContradicted = false
    for (let block = 0; block < common; block++) {
      if (sums[block] === sidecar.sums[block]) continue
      isContradicted = true
      await this.#noteContradiction(block, bytes, (sums[block] ?? 0) ^ (sidecar.sums[block] ?? 0))
    }
    return isContradicted ? 'contradicted' : 'good'
  }

  async #noteContradiction(block: number, bytes: number, difference: number): Promise<void> {
    const start = block * SIDECAR_BLOCK_BYTES
    const end = Math.min(start + SIDECAR_BLOCK_BYTES, bytes)
    if (this.#damage.some((range) => range.position < end && range.end > start)) return
    const place = { start, end, firstBatch: this.#starts.of(block), difference }
    for (const batch of await findPrefixDamage(this.#file, place))
      this.#note('prefix', batch.from, batch.to, batch.position, batch.end)
  }
}

const rangeOf = ({ from, to, position, end }: Batch): Omit<DamagedRange, 'kind'> => ({
  from,
  to,
  position,
  end,
})

interface Walked {
  /** Good bytes at the front. */
  readonly bytes: number
  /** The length of the batch that the window cut, if its header is there. */
  readonly cutLength: number
  readonly isDamaged: boolean
}

const damagedAt = (bytes: number): Walked => ({ bytes, cutLength: 0, isDamaged: true })
