/**
 * Checks one segment of a running store and does what follows: damage is put aside as reads do it,
 * bad index files are made anew, and a segment that was found good gets its sidecar.
 *
 * Not a scheduler: which segment, and when, others decide. It may run beside appends, retention and
 * compaction: what changed meanwhile is left alone and looked at another time.
 */
import type { DiskFile } from '../environment/disk.ts'
import { describeError, hasErrorCode } from '../log/disk-errors.ts'
import type { Log, OffsetRange } from '../log/log.ts'
import type { Segment } from '../log/segment.ts'
import { readWholeFile, removeIfThere, writeRebuildable } from '../log/small-file.ts'
import type { CareAccess } from './care-access.ts'
import { IndexCheck } from './index-check.ts'
import {
  checkSegment,
  type CheckedSegment,
  type DamagedRange,
  type SegmentFindings,
  type SidecarState,
} from './segment-check.ts'
import { declaredBytesOf, decodeSidecar, encodeSidecar, type Sidecar } from './sidecar.ts'
import { isUnfinished } from './unfinished.ts'

export interface SegmentOutcome {
  readonly batches: number
  readonly bytes: number
  readonly damage: readonly DamagedRange[]
  readonly sidecar: SidecarState | 'damaged'
  readonly indexes: 'good' | 'missing' | 'damaged' | 'unknown'
}

export type Pace = (bytes: number) => Promise<void>

/**
 * Its bytes will not change any more: what follows it is durable, so that it is not taken back, and
 * its own bytes are synced.
 */
export const isSettled = (log: Log, segment: Segment): boolean => {
  const next = log.segmentAfter(segment)
  return (
    !log.isVolatile &&
    segment.isSealed &&
    segment.isCreated &&
    !segment.isDirty &&
    segment.flushedBytes === segment.sizeBytes &&
    next !== undefined &&
    next.baseOffset < log.highWatermark
  )
}

/** Where what is in the segment's file, and visible, ends. */
const flushedEndOf = (log: Log, segment: Segment): number => {
  const following = log.segmentAfter(segment)?.baseOffset ?? log.highWatermark
  const unflushed = log.batches.peekAt(log.flushedVisibleCount)
  const end = unflushed?.segment === segment ? unflushed.baseOffset : following
  return Math.min(end, following, log.highWatermark)
}

export class SegmentCare {
  readonly #access: CareAccess
  sidecarsWritten = 0
  sidecarsRejected = 0
  indexesRejected = 0
  segmentsChecked = 0
  bytesChecked = 0
  rangesDamaged = 0

  constructor(access: CareAccess) {
    this.#access = access
  }

  /** The sidecar of a segment, or why there is none to believe. */
  async readSidecar(segment: Segment): Promise<Sidecar | 'missing' | 'damaged'> {
    const bytes = await this.#readIfThere(segment.pathOf('crc'))
    if (bytes === undefined) return 'missing'
    const sidecar = decodeSidecar(bytes, segment.baseOffset)
    if (sidecar !== undefined) return sidecar
    return isUnfinished(bytes, declaredBytesOf(bytes)) ? 'missing' : 'damaged'
  }

  /** `undefined` when the segment went away or changed while it was looked at. */
  async check(log: Log, segment: Segment, pace: Pace): Promise<SegmentOutcome | undefined> {
    const { clock } = this.#access.environment
    const isStill = this.#watch(log, segment)
    const settled = isSettled(log, segment)
    const sidecar = settled ? await this.readSidecar(segment) : 'missing'
    const indexes = settled ? await this.#readIndexes(segment) : undefined
    const given = typeof sidecar === 'string' ? undefined : sidecar
    const checked: CheckedSegment = {
      baseOffset: segment.baseOffset,
      bytes: segment.flushedBytes,
      endOffset: flushedEndOf(log, segment),
      sidecar: given,
      indexes,
      follows: (base, expected) => base === expected,
      isKnownGap: (from, to) => (log.gapAt(from)?.to ?? -1) >= to,
      pace,
    }
    const found = await this.#checkFile(segment, checked)
    if (!isStill()) return undefined
    // A replay may leave a hole where records that retention took had been: that is no damage.
    const damage = found.damage.filter(({ from, to }) => to > log.earliestOffset || from === to)
    const findings = { ...found, damage }
    this.segmentsChecked++
    this.bytesChecked += findings.bytes
    this.#putAside(log, segment, findings)
    const outcome: SegmentOutcome = {
      batches: findings.batches,
      bytes: findings.bytes,
      damage: findings.damage,
      sidecar: sidecar === 'damaged' ? 'damaged' : findings.sidecar,
      indexes: indexStateOf(settled, indexes, findings),
    }
    if (outcome.sidecar === 'damaged') this.sidecarsRejected++
    if (outcome.indexes === 'damaged')
      await this.#access.inTurn(log, async () => {
        if (isStill()) await this.#remakeIndexes(segment)
      })
    // What is put aside is known to this life only: the next one is to look at once.
    const isForgotten = findings.damage.length > 0 && given !== undefined && given.verifiedAtMs > 0
    const { sums, bytes } = findings
    if (settled && (sums !== undefined || isForgotten))
      await this.#access.inTurn(log, async () => {
        // Replaced or removed meanwhile: these sums are those of other bytes.
        if (!isStill()) return
        if (sums !== undefined) await this.#writeSidecar(segment, bytes, sums, clock.now())
        else if (given !== undefined)
          await this.#writeSidecar(segment, given.segmentBytes, given.sums, 0)
      })
    return outcome
  }

  /** The segments that the log began with are gone, and nobody has said so yet. */
  noteLostFront(log: Log): OffsetRange | undefined {
    const [first] = log.segments
    const from = log.earliestOffset
    const to = first?.baseOffset ?? from
    if (first === undefined || log.isVolatile || to <= from || log.gapAt(from) !== undefined)
      return undefined
    this.rangesDamaged++
    this.#access.putAside(log, first, { from, to })
    return { from, to }
  }

  #watch(log: Log, segment: Segment): () => boolean {
    const { sizeBytes } = segment
    const { epoch } = log
    const isActive = !segment.isSealed
    return () =>
      !log.isDeleted &&
      log.epoch === epoch &&
      log.segments.includes(segment) &&
      (isActive || segment.sizeBytes === sizeBytes)
  }

  async #checkFile(segment: Segment, checked: CheckedSegment): Promise<SegmentFindings> {
    let file: DiskFile
    try {
      file = await this.#access.environment.disk.open(segment.path, 'read')
    } catch (error) {
      if (!hasErrorCode(error, 'ENOENT')) throw error
      return findingsOfNothing(checked)
    }
    try {
      return await checkSegment(file, checked)
    } finally {
      await file.close()
    }
  }

  #putAside(log: Log, segment: Segment, findings: SegmentFindings): void {
    for (const { kind, from, to, position } of findings.damage) {
      this.rangesDamaged++
      const { log: journal } = this.#access.environment
      journal.error('damage found', { log: log.label, segment: segment.path, kind, position })
      if (to > from && to > log.earliestOffset) this.#access.putAside(log, segment, { from, to })
    }
  }

  async #readIndexes(segment: Segment): Promise<IndexCheck | undefined> {
    const offsets = await this.#readIfThere(segment.pathOf('index'))
    const times = await this.#readIfThere(segment.pathOf('timeindex'))
    if (offsets === undefined || times === undefined) return undefined
    return new IndexCheck(offsets, times, segment.baseOffset)
  }

  async #remakeIndexes(segment: Segment): Promise<void> {
    const { disk, log } = this.#access.environment
    this.indexesRejected++
    log.warn('index is made anew', { segment: segment.path })
    for (const kind of ['index', 'timeindex'] as const)
      await removeIfThere(disk, segment.pathOf(kind))
    segment.dropIndex()
    segment.savedIndexBytes = 0
    await this.#access.indexes.cover(segment)
    const snapshot = this.#access.indexes.snapshot(segment)
    if (snapshot === undefined) return
    try {
      await this.#access.indexes.save(snapshot)
    } catch (error) {
      // It is whole in memory; on disk it is made again when it is missed.
      log.warn('index is not saved', { segment: segment.path, error: describeError(error) })
    }
  }

  /** Not synced: one that a power loss tears fails its own CRC, and is made again. */
  async #writeSidecar(
    segment: Segment,
    segmentBytes: number,
    sums: Uint32Array,
    verifiedAtMs: number,
  ): Promise<void> {
    const { disk, log } = this.#access.environment
    const { baseOffset: segmentBase } = segment
    try {
      const bytes = encodeSidecar({ segmentBase, segmentBytes, verifiedAtMs, sums })
      await writeRebuildable(disk, segment.pathOf('crc'), bytes)
      segment.vouchedBytes = verifiedAtMs > 0 ? segmentBytes : 0
      this.sidecarsWritten++
    } catch (error) {
      // The segment is as good without it, and the next look makes it.
      log.warn('sidecar not written', { segment: segment.path, error: describeError(error) })
    }
  }

  async #readIfThere(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readWholeFile(this.#access.environment.disk, path)
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return undefined
      throw error
    }
  }
}

const indexStateOf = (
  settled: boolean,
  indexes: IndexCheck | undefined,
  findings: SegmentFindings,
): SegmentOutcome['indexes'] => {
  if (!settled) return 'unknown'
  if (indexes === undefined || (!indexes.isWhole && indexes.isUnfinished)) return 'missing'
  // Behind damage nobody can say what an entry should be, but for whether the file is whole.
  if (findings.damage.length > 0) return indexes.isWhole ? 'unknown' : 'damaged'
  return indexes.isGood(findings.bytes) ? 'good' : 'damaged'
}

const findingsOfNothing = ({ baseOffset, endOffset }: CheckedSegment): SegmentFindings => ({
  batches: 0,
  bytes: 0,
  damage:
    baseOffset < endOffset
      ? [{ kind: 'missing', from: baseOffset, to: endOffset, position: 0, end: 0 }]
      : [],
  sidecar: 'missing',
  sums: undefined,
})
