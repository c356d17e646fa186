/** Limits and defaults of the storage, units in the names. */
import type { StorageOptions } from '../engine/operations.ts'

/** Offsets are plain numbers below this. */
export const OFFSET_MAX = Number.MAX_SAFE_INTEGER

/** Every journal group starts at a multiple of this. */
export const GROUP_ALIGNMENT_BYTES = 512

/** A batch is at most this share of a segment, so that a segment holds at least four. */
export const BATCHES_PER_SEGMENT_MIN = 4

/** Offsets reserved ahead of use for a log that is not synced. */
export const OFFSET_CEILING_STEP = 1_048_576

/** Skipped when a damaged journal group may have held records of a log nobody can name. */
export const OFFSET_SKIP_AFTER_LOSS = 1_048_576

/** Skipped when a damaged journal group may have held creations of logs. */
export const LOG_ID_SKIP_AFTER_LOSS = 1_048_576

/** One index entry for at least this many bytes of a segment. */
export const INDEX_INTERVAL_BYTES = 16_384

/** A journal that has been idle this long says durably what it knows to be durable. */
export const JOURNAL_IDLE_MS = 20

/** How often a full disk is looked at again. */
export const FULL_DISK_RETRY_MS = 500

/** Read from a segment at once, at least. */
export const READ_CHUNK_BYTES_MIN = 16_384

/** Read from a segment at once, at most, unless one batch is larger. */
export const READ_CHUNK_BYTES_MAX = 1_048_576

/** A range of a file that is shorter is read: a second system call would cost more than the copy. */
export const FILE_RANGE_BYTES_MIN = 65_536

/** A single compressed batch that inflates beyond this is refused to who needs its records. */
export const INFLATED_BYTES_MAX = 64 * 1_048_576

export const defaultStorageOptions: StorageOptions = {
  journalFileBytes: 32 * 1024 * 1024,
  checkpointBytes: 96 * 1024 * 1024,
  directAppendBytes: 256 * 1024,
  groupBytesMax: 4 * 1024 * 1024,
  unflushedBytesMax: 64 * 1024 * 1024,
  deleteGraceMs: 60_000,
  ballastBytes: 16 * 1024 * 1024,
  openFilesMax: 4_096,
  fileRangeBytesMin: FILE_RANGE_BYTES_MIN,
  producerExpiryMs: 24 * 3_600_000,
  producersMax: 100_000,
  scrubBytesPerSecond: 8 * 1024 * 1024,
  scrubIntervalMs: 7 * 24 * 3_600_000,
  retentionCheckMs: 60_000,
  compactionBytesPerSecond: 32 * 1024 * 1024,
  compactionKeyBytesMax: 64 * 1024 * 1024,
  queueSegmentBytes: 72 * 1024 * 1024,
  ledgerBytesMin: 1024 * 1024,
  deliveryCeilingStep: 4_096,
  emptySegmentBytesMin: 1024 * 1024,
  memoryQueueBytesMax: 256 * 1024 * 1024,
  keptCountMax: 10_000_000,
}
