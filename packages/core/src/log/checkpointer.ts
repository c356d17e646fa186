/**
 * Takes checkpoints: everything up to a group into synced segments, then a table of all logs into the
 * journal, then the files before it are free.
 *
 * Invariants: the table is submitted only after every file it speaks of, with its name, is synced;
 * journal files are recycled only up to the checkpoint *before* the last, so that one damaged table
 * costs a longer replay and not the state of every log.
 */
import { crc32c } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { encodeCheckpoint, type CheckpointTable, type LogRow } from './checkpoint-table.ts'
import type { IndexLoader, IndexSnapshot } from './index-loader.ts'
import type { Journal } from './journal.ts'
import { EntryKind } from './journal-format.ts'
import { controlEntry } from './journal-group.ts'
import type { JournalPool } from './journal-pool.ts'
import type { Log } from './log.ts'
import type { Segment } from './segment.ts'
import type { StoredBatch } from './stored-batch.ts'
import type { WriteBehind } from './write-behind.ts'

/** Index bytes of a segment are written again when it grew by this much, or was sealed. */
const INDEX_SAVE_BYTES = 4 * 1_048_576

export interface CheckpointerParts {
  readonly environment: Environment
  readonly pool: JournalPool
  readonly journal: Journal
  readonly writeBehind: WriteBehind
  readonly indexes: IndexLoader
  logs(): Iterable<Log>
  nextLogId(): number
  flush(log: Log): Promise<void>
  /** The active segment of a log begins here in a table that is durable now. */
  noteCheckpointed(logId: number, segmentBase: number): void
  /** What idempotent producers sent, durably: batches before the checkpoint are not replayed. */
  saveProducers(): Promise<void>
  /** The group that the checkpoint of the last life replays from. */
  readonly checkpointGroup: number
}

const ignore = (): void => undefined

export class Checkpointer {
  readonly #parts: CheckpointerParts
  #running: Promise<void> | undefined
  /** The group that the last durable checkpoint replays from. */
  #previousGroup: number
  count = 0

  constructor(parts: CheckpointerParts) {
    this.#parts = parts
    this.#previousGroup = parts.checkpointGroup
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when no checkpoint is under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  /** Rejects with ENOSPC when there is no room, with the sync's error when a sync failed. */
  run(): Promise<void> {
    return this.alone(async () => void (await this.#take()))
  }

  /**
   * Takes a checkpoint and keeps others away until `work` is done: no journal file is let go, and no
   * file of a deleted log is removed meanwhile.
   */
  hold<T>(work: (table: CheckpointTable) => Promise<T>): Promise<T> {
    return this.alone(async () => work(await this.#take()))
  }

  /** Runs when no checkpoint does, and keeps them away until it is done. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    // A loop: whoever waited longest goes first, and the others find it running.
    while (this.#running !== undefined) await this.settled()
    const running = work().finally(() => {
      this.#running = undefined
    })
    // Whoever waits for its end only is told no failure.
    this.#running = running.then(ignore, ignore)
    return running
  }

  async #take(): Promise<CheckpointTable> {
    const { environment, journal, writeBehind, pool } = this.#parts
    journal.bytesSinceCheckpoint = 0
    const group = journal.durableGroup
    // The crash story: an entry of these groups ended a log or moved its beginning, and who waits for
    // it acts when this turn is over. A row that is noted before says the old, and no replay brings
    // the new back.
    await new Promise<void>((resolve) => environment.timers.defer(resolve))
    for (const log of [...this.#parts.logs()])
      if (log.unflushedBytes > 0 && !log.isVolatile) await this.#parts.flush(log)
    const rows = [...this.#parts.logs()].map(rowOf)
    const indexes = this.#indexSnapshots()
    await this.#parts.saveProducers()
    await writeBehind.syncAll()
    const table = { nextLogId: this.#parts.nextLogId(), group, rows }
    await this.#submit(encodeCheckpoint(table))
    this.count++
    for (const row of rows) this.#parts.noteCheckpointed(row.logId, row.segmentBase)
    await pool.recycleThrough(this.#previousGroup)
    this.#previousGroup = group
    for (const snapshot of indexes) await this.#parts.indexes.save(snapshot)
    return table
  }

  #indexSnapshots(): IndexSnapshot[] {
    const snapshots: IndexSnapshot[] = []
    for (const log of this.#parts.logs()) {
      // Index files speak of visible batches only: others may be taken back, and written over.
      if (log.isFlushedAhead) continue
      for (const segment of log.segments) {
        const grown = segment.indexedBytes - segment.savedIndexBytes
        const isDone = segment.isSealed && segment.flushedBytes === segment.sizeBytes
        if (grown === 0 || !segment.isCreated || (!isDone && grown < INDEX_SAVE_BYTES)) continue
        const snapshot = this.#parts.indexes.snapshot(segment)
        if (snapshot !== undefined) snapshots.push(snapshot)
      }
    }
    return snapshots
  }

  #submit(payload: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#parts.journal.submit({
        kind: 'control',
        entry: controlEntry(EntryKind.checkpoint, { crc: crc32c(payload), length: payload.length }),
        payload,
        isRefused: false,
        durable: resolve,
        refused: reject,
      })
    })
  }
}

/**
 * What of a log is in its segments, whole batches only. A direct append that is in its segment and
 * not yet durable is none of it: it may be refused, and its offsets given to another.
 */
const rowOf = (log: Log): LogRow => {
  const firstUnflushed = log.batches.peekAt(log.flushedVisibleCount)
  const segment =
    firstUnflushed === undefined ? openSegment(log) : segmentBefore(log, firstUnflushed)
  return {
    logId: log.id,
    isVolatile: log.isVolatile,
    epoch: log.epoch,
    earliestOffset: log.earliestOffset,
    nextOffset: firstUnflushed?.baseOffset ?? log.nextOffset,
    segmentBase: segment?.baseOffset ?? log.nextOffset,
    position: positionIn(segment, firstUnflushed),
    segmentStartedAtMs: segment?.startedAtMs ?? 0,
    ceiling: log.ceilingRequested,
  }
}

/** The segment that the next batch goes to; a sealed one has had its last. */
const openSegment = (log: Log): Segment | undefined =>
  log.activeSegment?.isSealed ? undefined : log.activeSegment

const positionIn = (
  segment: Segment | undefined,
  firstUnflushed: StoredBatch | undefined,
): number => {
  if (segment === undefined) return 0
  return firstUnflushed?.segment === segment ? firstUnflushed.position : segment.flushedBytes
}

/** The segment that the flushed part ends in; an unwritten one does not exist for a recovery. */
const segmentBefore = (log: Log, firstUnflushed: StoredBatch): Segment | undefined => {
  if (firstUnflushed.position > 0) return firstUnflushed.segment
  const index = log.segments.indexOf(firstUnflushed.segment)
  return index > 0 ? log.segments[index - 1] : firstUnflushed.segment
}
