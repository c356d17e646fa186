/** What the care of the storage tells: plain data, bounded, fit to be sent. */
import type { DamageKind } from './segment-check.ts'

/** `known`: put aside before, by a recovery or a read. */
export interface ReportedRange {
  /** The topic and the partition, or `metadata`. */
  readonly log: string
  readonly logId: number
  /** The base offset of the segment that it was found in. */
  readonly segment: number
  readonly kind: DamageKind | 'known'
  readonly from: number
  readonly to: number
}

/** A file beside a segment that is made anew, and loses nothing. */
export interface ReportedFile {
  readonly log: string
  readonly logId: number
  readonly segment: number
  readonly file: 'sidecar' | 'index'
}

export interface StorageCheckReport {
  readonly logs: number
  readonly segments: number
  readonly batches: number
  readonly bytes: number
  /** Damaged ranges in all; `ranges` lists the first of them. */
  readonly damagedRanges: number
  readonly ranges: readonly ReportedRange[]
  readonly damagedFiles: number
  readonly files: readonly ReportedFile[]
  readonly durationMs: number
}

export interface BackupReport {
  readonly name: string
  readonly path: string
  readonly files: number
  readonly bytes: number
  readonly durationMs: number
}

/** Counted since the broker was opened. */
export interface CareCounters {
  readonly segmentsChecked: number
  readonly bytesChecked: number
  readonly damagedRanges: number
  readonly sidecarsWritten: number
  readonly sidecarsDamaged: number
  readonly indexesDamaged: number
  /** Sweeps of the scrubber over all sealed segments that came to their end. */
  readonly sweeps: number
  readonly backups: number
}
