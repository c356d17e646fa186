/**
 * Removes records from the front of a log: retention, and deletion up to an offset.
 *
 * The order is: the new earliest offset is durable in the journal, then readers are held to it, then
 * segments that lie wholly below it are removed. A crash in between leaves files that a recovery
 * removes; a record below an earliest offset that anybody was told of never comes back.
 *
 * A segment that the earliest offset lies in stays whole: readers are given the batch that holds it.
 */
import type { Arena } from './arena.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { JournalEntryFields } from './journal-format.ts'
import type { Log } from './log.ts'
import type { Segment } from './segment.ts'
import type { WriteBehind } from './write-behind.ts'

export interface TrimmerParts {
  readonly arena: Arena
  readonly writeBehind: WriteBehind
  readonly checkpointer: Checkpointer
  /** Resolves when the entry is durable. */
  submitTrim(fields: Partial<JournalEntryFields>): Promise<void>
  /** What idempotent producers sent is written down, durably. */
  saveProducers(): Promise<void>
  /** Work that nobody waits for has failed; it is done another time, or the store ends. */
  noteBackgroundError(error: unknown): void
}

export class LogTrimmer {
  readonly #parts: TrimmerParts
  segmentsRemoved = 0
  bytesRemoved = 0

  constructor(parts: TrimmerParts) {
    this.#parts = parts
  }

  /** The log begins at `offset`, which is at most the high watermark. Rejects when the disk is full. */
  async trim(log: Log, offset: number): Promise<void> {
    const earliest = Math.min(offset, log.highWatermark)
    if (earliest <= log.earliestOffset || log.isDeleted) return
    if (!log.isVolatile)
      await this.#parts.submitTrim({ logId: log.id, nextOffset: earliest, epoch: log.epoch })
    log.earliestOffset = Math.max(log.earliestOffset, earliest)
    log.notifyWatchers()
    // The promise is kept: what cannot go now is removed by the next round, or by a recovery.
    await this.sweep(log).catch((error: unknown) => this.#parts.noteBackgroundError(error))
  }

  /** Removes what lies below the earliest offset and is still there. */
  async sweep(log: Log): Promise<void> {
    if (removableCount(log) === 0) return
    if (log.unflushedBytes > 0) await this.#parts.writeBehind.flush(log, log.highWatermark)
    // Not while a checkpoint runs: it would sync, or write down, a segment that is gone.
    await this.#parts.checkpointer.alone(() =>
      this.#parts.writeBehind.change(log, () => this.#removeTrimmed(log)),
    )
  }

  async #removeTrimmed(log: Log): Promise<void> {
    if (log.isDeleted) return
    // The crash story: a direct append is in the segment only, and the replay that meets its marker
    // would learn no more who sent it.
    if (removableCount(log) > 0 && !log.isVolatile) await this.#parts.saveProducers()
    const removed = takeTrimmed(log, this.#parts.arena)
    for (const segment of removed) {
      this.segmentsRemoved++
      this.bytesRemoved += segment.sizeBytes
      await this.#parts.writeBehind.remove(segment)
    }
  }
}

/** How many segments from the front hold nothing that anybody may read. */
export const removableCount = (log: Log): number => {
  let count = 0
  while (count < log.segments.length) {
    const end = log.segments[count + 1]?.baseOffset ?? log.nextOffset
    const isEmpty = log.segments[count]?.sizeBytes === 0
    if (isEmpty || end > log.earliestOffset) break
    count++
  }
  return count
}

/** Takes the removable segments whose batches are all in their files out of the log. */
export const takeTrimmed = (log: Log, arena: Arena): Segment[] => {
  const taken: Segment[] = []
  for (let left = removableCount(log); left > 0; left--) {
    const segment = log.segments[0]
    if (segment === undefined || segment.flushedBytes < segment.sizeBytes) break
    segment.isSealed = true
    segment.isRemoved = true
    log.segments.shift()
    taken.push(segment)
  }
  if (taken.length === 0) return taken
  log.dropGapsBelow(log.earliestOffset)
  forgetBelow(log, log.segments[0]?.baseOffset ?? log.nextOffset, arena)
  return taken
}

/**
 * Flushed batches below `offset` leave memory: their file is gone, or says something else now. Leases
 * on their bytes go on holding them.
 */
export const forgetBelow = (log: Log, offset: number, arena: Arena): void => {
  while (log.flushedCount > 0) {
    const batch = log.batches.peek()
    if (batch === undefined || batch.baseOffset >= offset) return
    log.batches.shift()
    log.flushedCount--
    arena.release(batch.slab)
  }
}
