/**
 * Checks whole logs at once, active segments too, when somebody asks: as fast as the disk goes, a turn
 * of the event loop between any two reads. What is found is put aside as the scrubber does it.
 */
import type { Environment } from '../environment/environment.ts'
import type { Log, OffsetRange } from '../log/log.ts'
import { REPORT_RANGES_MAX } from './limits.ts'
import type { ReportedFile, ReportedRange, StorageCheckReport } from './reports.ts'
import type { Pace, SegmentCare } from './segment-care.ts'

export class StorageCheck {
  readonly #care: SegmentCare
  readonly #pace: Pace
  readonly #ranges: ReportedRange[] = []
  readonly #files: ReportedFile[] = []
  #segments = 0
  #batches = 0
  #bytes = 0
  #damagedRanges = 0
  #damagedFiles = 0

  constructor(care: SegmentCare, pace: Pace) {
    this.#care = care
    this.#pace = pace
  }

  async run(environment: Environment, logs: readonly Log[]): Promise<StorageCheckReport> {
    const startedAt = environment.clock.monotonic()
    for (const log of logs) await this.#checkLog(log)
    return {
      logs: logs.length,
      segments: this.#segments,
      batches: this.#batches,
      bytes: this.#bytes,
      damagedRanges: this.#damagedRanges,
      ranges: this.#ranges,
      damagedFiles: this.#damagedFiles,
      files: this.#files,
      durationMs: environment.clock.monotonic() - startedAt,
    }
  }

  async #checkLog(log: Log): Promise<void> {
    const found: { from: number; to: number }[] = []
    const lost = this.#care.noteLostFront(log)
    if (lost !== undefined) {
      found.push(lost)
      this.#note(log, lost.from, 'missing', lost)
    }
    for (const segment of [...log.segments]) {
      // What is in memory only has no file yet; an unsynced log's files are nobody's promise.
      if (log.isVolatile || log.isDeleted || segment.flushedBytes === 0) continue
      const outcome = await this.#care.check(log, segment, this.#pace)
      if (outcome === undefined) continue
      this.#segments++
      this.#batches += outcome.batches
      this.#bytes += outcome.bytes
      if (outcome.sidecar === 'damaged') this.#noteFile(log, segment.baseOffset, 'sidecar')
      if (outcome.indexes === 'damaged') this.#noteFile(log, segment.baseOffset, 'index')
      for (const { kind, from, to } of outcome.damage) {
        found.push({ from, to })
        this.#note(log, segment.baseOffset, kind, { from, to })
      }
    }
    for (const { from, to } of log.gaps)
      if (!found.some((range) => range.from < to && range.to > from))
        this.#note(log, log.segmentAt(from)?.baseOffset ?? 0, 'known', { from, to })
  }

  #note(log: Log, segment: number, kind: ReportedRange['kind'], range: OffsetRange): void {
    this.#damagedRanges++
    if (this.#ranges.length === REPORT_RANGES_MAX) return
    const { from, to } = range
    this.#ranges.push({ log: log.label, logId: log.id, segment, kind, from, to })
  }

  #noteFile(log: Log, segment: number, file: ReportedFile['file']): void {
    this.#damagedFiles++
    if (this.#files.length === REPORT_RANGES_MAX) return
    this.#files.push({ log: log.label, logId: log.id, segment, file })
  }
}
