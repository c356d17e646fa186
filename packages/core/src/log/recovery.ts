/**
 * Brings a data directory back to what it promised, after any death.
 *
 * 1. The newest intact checkpoint table says where every log stood; its segments hold that much.
 * 2. Every group after it is replayed in order. A group is taken whole or not at all.
 * 3. The first group that cannot be read ends the replay if nothing claims it durable: it is the
 *    torn tail of a write nobody was told of. If something does, acknowledged data is damaged: what
 *    the group held is looked for in the segments, and what is not there is put aside as a gap, log
 *    by log, while everything else goes on.
 * 4. What was recovered is synced before anyone sees it: a process may die and leave bytes in the
 *    page cache that were never on the disk.
 *
 * Nothing is deleted here but segment files that no durable group ever mentioned, and the files of
 * logs whose durability is `memory`.
 */
import {
  BATCH_CRC_AT,
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchMaxTimestamp,
  crc32c,
  scanBatch,
  writeBatchPrefix,
  writeUint32,
} from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import type { RecoveryReport } from '../engine/operations.ts'
import { isIntact } from './batch-walk.ts'
import { decodeCheckpoint, type CheckpointTable } from './checkpoint-table.ts'
import {
  EntryKind,
  PAYLOAD_SKIPPED_BYTES,
  LATE_FLAG,
  VOLATILE_FLAG,
  groupBytes,
  readEntry,
  type JournalEntryFields,
} from './journal-format.ts'
import { isDiskFull } from './disk-errors.ts'
import { JournalPool } from './journal-pool.ts'
import {
  JournalFileBytes,
  scanJournal,
  type JournalScan,
  type ScannedGroup,
} from './journal-scan.ts'
import { LOG_ID_SKIP_AFTER_LOSS, OFFSET_CEILING_STEP, OFFSET_SKIP_AFTER_LOSS } from './limits.ts'
import type { Log } from './log.ts'
import { rebuildProducers } from './producer-rebuild.ts'
import { ProducerSnapshots, readProducerSnapshot } from './producer-snapshot.ts'
import { RecoveredLogs } from './recovered-logs.ts'
import type { RecoveredState, StoreOptions, StoreParts } from './store-parts.ts'
import { StoredBatch } from './stored-batch.ts'

interface Tally {
  groupsReplayed: number
  bytesReplayed: number
  tornGroups: number
  corruptGroups: number
  quarantinedRanges: number
}

/** One group with its entries, and the payload while its file's bytes are held. */
interface LoadedGroup {
  readonly sequence: number
  readonly entries: readonly JournalEntryFields[]
  readonly payload: Uint8Array
}

export const recover = async (
  directory: string,
  environment: Environment,
  options: StoreOptions,
  parts: StoreParts,
): Promise<RecoveredState> => new Recovery(directory, environment, options, parts).run()

/** Of the skip after a loss. Ledgers of queues remember what is skipped by 65,536 offsets each. */
const SKIP_STEPS_MAX = 1_024

class Recovery {
  readonly #directory: string
  readonly #environment: Environment
  readonly #options: StoreOptions
  readonly #parts: StoreParts
  readonly #contents = new JournalFileBytes()
  readonly #logs: RecoveredLogs
  readonly #lastGroupOf = new Map<Log, number>()
  readonly #tally: Tally = {
    groupsReplayed: 0,
    bytesReplayed: 0,
    tornGroups: 0,
    corruptGroups: 0,
    quarantinedRanges: 0,
  }
  /** By log: the offset up to which the snapshot has the producers' batches. */
  readonly #producersKnownTo = new Map<number, number>()
  #nextLogId = 1
  #checkpointGroup = 0
  #hasSkipped = false
  /** Logs that end in the groups to replay: what came before their end is of no use. */
  #ending: ReadonlySet<number> = new Set()
  /** By log: what lies below was removed in the groups to replay, its segments perhaps with it. */
  readonly #trimmedTo = new Map<number, number>()

  constructor(
    directory: string,
    environment: Environment,
    options: StoreOptions,
    parts: StoreParts,
  ) {
    this.#directory = directory
    this.#environment = environment
    this.#options = options
    this.#parts = parts
    this.#logs = new RecoveredLogs(environment, parts)
  }

  async run(): Promise<RecoveredState> {
    const startedAt = this.#environment.clock.monotonic()
    const journalDirectory = await this.#makeDirectories()
    const scan = await scanJournal(
      this.#environment,
      journalDirectory,
      this.#options.journalFileBytes,
      this.#contents,
    )
    try {
      return await this.#runOn(scan, journalDirectory, startedAt)
    } catch (error) {
      for (const { file } of [...scan.files, ...scan.free, ...scan.unreadable])
        await file.close().catch(() => undefined)
      throw error
    }
  }

  async #runOn(
    scan: JournalScan,
    journalDirectory: string,
    startedAt: number,
  ): Promise<RecoveredState> {
    const table = await this.#newestTable(scan)
    this.#checkpointGroup = table?.group ?? 0
    this.#nextLogId = Math.max(table?.nextLogId ?? 1, await this.#logs.firstUnusedId())
    for (const row of table?.rows ?? []) await this.#logs.addFromTable(row)
    await this.#loadProducers()
    // Its id is used again whatever is lost: files that nothing names must not stand in the way.
    await this.#logs.addNew(0, 1, false)
    const lastGroup = await this.#replay(scan, table?.group ?? 0)
    for (const file of scan.files) await file.file.sync()
    // A file of zeros that a dead process left has a name that a power loss may still take away,
    // with every group that is written to it from now on.
    await this.#environment.disk.syncDirectory(journalDirectory)
    const snapshots = new ProducerSnapshots(
      this.#environment.disk,
      this.#directory,
      this.#parts.producers,
    )
    await this.#logs.finish(() => snapshots.save((id) => this.#logs.get(id)))
    await this.#parts.writeBehind.syncAll()
    const report: RecoveryReport = {
      durationMs: this.#environment.clock.monotonic() - startedAt,
      ...this.#tally,
    }
    return {
      logs: this.#logs.all(),
      nextLogId: this.#nextLogId,
      pool: this.#poolOf(scan, journalDirectory),
      lastGroup,
      checkpointGroup: this.#checkpointGroup,
      hasSkipped: this.#hasSkipped,
      report,
    }
  }

  async #makeDirectories(): Promise<string> {
    const { disk } = this.#environment
    const journalDirectory = `${this.#directory}/journal`
    await disk.makeDirectory(journalDirectory)
    await disk.makeDirectory(this.#parts.logsDirectory)
    await disk.syncDirectory(this.#directory)
    return journalDirectory
  }

  /** What the snapshot knows; without one, what the headers in the segments tell. */
  async #loadProducers(): Promise<void> {
    const { producers } = this.#parts
    const snapshot = await readProducerSnapshot(this.#environment.disk, this.#directory)
    for (const row of snapshot?.rows ?? []) {
      producers.restore(row)
      this.#producersKnownTo.set(row.logId, row.durable)
    }
    producers.unusedProducerId = Math.max(
      producers.unusedProducerId,
      snapshot?.unusedProducerId ?? 0,
    )
    if (snapshot !== undefined || this.#logs.isEmpty) return
    this.#environment.log.warn('states of producers are rebuilt from the segments')
    for (const log of this.#logs.all())
      if (!log.isVolatile && log.id !== 0) await rebuildProducers(this.#parts, log)
  }

  /** No file is filled on: torn groups behind its end could be believed by the next recovery. */
  #poolOf(scan: JournalScan, directory: string): JournalPool {
    for (const file of [...scan.unreadable, ...scan.files]) file.position = file.bytesMax
    return new JournalPool(this.#environment, directory, this.#options.journalFileBytes, {
      inUse: [...scan.unreadable, ...scan.files],
      free: scan.free,
      nextSlot: scan.nextSlot,
      nextFileNumber: scan.nextFileNumber,
    })
  }

  async #newestTable(scan: JournalScan): Promise<CheckpointTable | undefined> {
    for (let index = scan.groups.length - 1; index >= 0; index--) {
      const scanned = scan.groups[index]
      if (scanned === undefined || !scanned.hasCheckpoint) continue
      const group = await this.#load(scanned)
      const entry = group.entries.find((one) => one.kind === EntryKind.checkpoint)
      if (entry === undefined || !isPayloadIntact(group, entry)) {
        scanned.file.isDamaged = true
        continue
      }
      return decodeCheckpoint(
        group.payload.subarray(entry.payloadAt, entry.payloadAt + entry.length),
      )
    }
    return undefined
  }

  async #load(scanned: ScannedGroup): Promise<LoadedGroup> {
    const bytes = await this.#contents.of(scanned.file)
    const { at, header } = scanned
    const entries: JournalEntryFields[] = []
    for (let index = 0; index < header.entryCount; index++)
      entries.push(readEntry(bytes, at + groupBytes(index, 0)))
    const payloadAt = at + groupBytes(header.entryCount, 0)
    const payload = bytes.subarray(payloadAt, payloadAt + header.payloadBytes)
    return { sequence: header.sequence, entries, payload }
  }

  /** Returns the last group that counts. */
  async #replay(scan: JournalScan, after: number): Promise<number> {
    const groups = scan.groups.filter((group) => group.header.sequence > after)
    this.#ending = new Set(groups.flatMap((group) => group.tombstones))
    for (const { logId, earliest } of groups.flatMap((group) => group.trims))
      this.#trimmedTo.set(logId, Math.max(this.#trimmedTo.get(logId) ?? 0, earliest))
    let expected = after + 1
    let lostThrough = 0
    for (const scanned of groups) {
      const { sequence } = scanned.header
      // A group is missing that nothing claims: the tail is torn from there.
      if (sequence > Math.max(expected, scan.claimedGroup + 1)) {
        this.#noteTorn(expected, groups)
        break
      }
      if (sequence > expected) {
        lostThrough = sequence - 1
        this.#noteLostGroups(scan, expected, lostThrough)
      }
      const group = await this.#load(scanned)
      const damaged = await this.#damagedEntries(group)
      if (damaged.size > 0 && sequence > scan.claimedGroup) {
        this.#noteTorn(sequence, groups)
        expected = sequence
        break
      }
      if (damaged.size > 0) {
        scanned.file.isDamaged = true
        this.#tally.corruptGroups++
      }
      await this.#apply(group, damaged)
      expected = sequence + 1
    }
    if (expected <= scan.claimedGroup) {
      lostThrough = scan.claimedGroup
      this.#noteLostGroups(scan, expected, scan.claimedGroup)
      expected = scan.claimedGroup + 1
    }
    if (lostThrough > 0) await this.#skipAfterLoss(lostThrough)
    this.#logs.keepUnclaimed = lostThrough > 0 || scan.groups.length === 0
    return expected - 1
  }

  #noteTorn(sequence: number, groups: readonly ScannedGroup[]): void {
    this.#tally.tornGroups += groups.filter((group) => group.header.sequence >= sequence).length
  }

  #noteLostGroups(scan: JournalScan, from: number, to: number): void {
    this.#tally.corruptGroups += to - from + 1
    for (const file of scan.files) {
      const first = file.header?.firstGroup ?? 0
      if (first <= to && file.lastGroup >= from - 1) file.isDamaged = true
    }
    this.#environment.log.error('journal groups are unreadable', { from, to })
  }

  async #damagedEntries(group: LoadedGroup): Promise<Set<JournalEntryFields>> {
    const damaged = new Set<JournalEntryFields>()
    for (const entry of group.entries) {
      const isGood =
        entry.kind === EntryKind.marker
          ? await this.#isInSegment(entry)
          : isPayloadIntact(group, entry)
      if (!isGood) damaged.add(entry)
    }
    return damaged
  }

  /** Whether the segment holds just the batch that the entry speaks of. */
  async #isInSegment(entry: JournalEntryFields): Promise<boolean> {
    const log = this.#logs.get(entry.logId)
    if (log === undefined || entry.nextOffset <= log.nextOffset) return true
    if (entry.nextOffset <= (this.#trimmedTo.get(entry.logId) ?? 0)) return true
    const bytes = await this.#logs.readSegment(log, entry)
    if (bytes === undefined || scanBatch(bytes, 0, bytes.length) !== entry.length) return false
    return batchBaseOffset(bytes) === entry.baseOffset && isIntact(bytes, 0, entry.length)
  }

  async #apply(group: LoadedGroup, damaged: ReadonlySet<JournalEntryFields>): Promise<void> {
    this.#tally.groupsReplayed++
    this.#tally.bytesReplayed += group.payload.length
    for (const entry of group.entries) await this.#applyEntry(group, entry, damaged.has(entry))
    if (this.#parts.unflushed.bytes > this.#options.writeBehindBytes) await this.#flushIfRoom()
  }

  /** On a full disk they stay in memory: the journal that holds them bounds them. */
  async #flushIfRoom(): Promise<void> {
    try {
      await this.#logs.flushAll()
    } catch (error) {
      if (!isDiskFull(error)) throw error
    }
  }

  async #applyEntry(
    group: LoadedGroup,
    entry: JournalEntryFields,
    isDamaged: boolean,
  ): Promise<void> {
    this.#nextLogId = Math.max(this.#nextLogId, entry.logId + 1)
    switch (entry.kind) {
      case EntryKind.create:
        return this.#applyCreate(entry)
      case EntryKind.tombstone:
        return this.#logs.remove(entry.logId)
      case EntryKind.ceiling:
        return this.#raiseCeiling(entry)
      case EntryKind.append:
      case EntryKind.marker:
        return this.#applyBatch(group, entry, isDamaged)
      case EntryKind.trim:
        return this.#logs.trim(entry.logId, entry.nextOffset)
      case EntryKind.checkpoint:
        return
    }
  }

  /** The creation of a log that was made again after a loss says where it goes on. */
  async #applyCreate(entry: JournalEntryFields): Promise<void> {
    const isVolatile = (entry.flags & VOLATILE_FLAG) !== 0
    await this.#logs.addNew(entry.logId, entry.epoch, isVolatile)
    const log = this.#logs.get(entry.logId)
    if (log === undefined || log.nextOffset >= entry.nextOffset) return
    if (isVolatile) this.#logs.skipVolatile(log, entry.nextOffset)
    else if ((entry.flags & LATE_FLAG) !== 0 && log.nextOffset === 0) {
      await this.#logs.skipTo(log, entry.nextOffset)
      log.earliestOffset = entry.nextOffset
    } else {
      this.#putAside(log, log.nextOffset, entry.nextOffset)
      await this.#logs.skipTo(log, entry.nextOffset)
    }
  }

  async #raiseCeiling(entry: JournalEntryFields): Promise<void> {
    if (!this.#ending.has(entry.logId)) await this.#logs.addNew(entry.logId, entry.epoch, true)
    this.#logs.raiseCeiling(entry)
  }

  async #applyBatch(
    group: LoadedGroup,
    entry: JournalEntryFields,
    isDamaged: boolean,
  ): Promise<void> {
    // Log 0 needs no creation; that of any other may be lost with a damaged group. A batch of it that
    // is here was acknowledged all the same.
    if (!this.#ending.has(entry.logId)) await this.#logs.addNew(entry.logId, entry.epoch, false)
    const log = this.#logs.get(entry.logId)
    if (log === undefined || entry.nextOffset <= log.nextOffset) return
    this.#lastGroupOf.set(log, group.sequence)
    log.epoch = Math.max(log.epoch, entry.epoch)
    if (entry.baseOffset > log.nextOffset) this.#putAside(log, log.nextOffset, entry.baseOffset)
    const segment = this.#logs.segmentOf(log, entry)
    if (entry.position > segment.sizeBytes) await this.#logs.jump(log, segment, entry.position)
    if (entry.kind === EntryKind.append && !isDamaged) {
      this.#pushFromJournal(log, segment, group, entry)
      return
    }
    const isThere = entry.kind === EntryKind.marker ? !isDamaged : await this.#isInSegment(entry)
    if (isThere) await this.#noteProducer(log, entry)
    await this.#logs.jump(log, segment, entry.position + entry.length)
    if (segment.isCreated) this.#parts.writeBehind.markUnsynced(segment, log)
    log.nextOffset = entry.nextOffset
    if (!isThere) this.#putAside(log, entry.baseOffset, entry.nextOffset)
  }

  #pushFromJournal(
    log: Log,
    segment: ReturnType<RecoveredLogs['segmentOf']>,
    group: LoadedGroup,
    entry: JournalEntryFields,
  ): void {
    const { view, slab } = this.#parts.arena.allocate(entry.length)
    const bodyBytes = entry.length - PAYLOAD_SKIPPED_BYTES
    view.set(
      group.payload.subarray(entry.payloadAt, entry.payloadAt + bodyBytes),
      PAYLOAD_SKIPPED_BYTES,
    )
    writeBatchPrefix(view, 0, entry.baseOffset, entry.length, entry.epoch)
    writeUint32(view, BATCH_CRC_AT, entry.crc)
    const { baseOffset, nextOffset, epoch, position } = entry
    const maxTimestamp = batchMaxTimestamp(view)
    const place = { log, segment, position, baseOffset, nextOffset, epoch, maxTimestamp }
    log.push(new StoredBatch(place, view, slab, undefined))
    this.#noteProducerOf(log, view, entry)
    // Nothing that is recovered will be taken back: it may leave memory once it is flushed.
    log.advance(nextOffset)
    this.#parts.unflushed.bytes += entry.length
  }

  async #noteProducer(log: Log, entry: JournalEntryFields): Promise<void> {
    const header = await this.#logs.readSegment(log, { ...entry, length: BATCH_HEADER_BYTES })
    if (header !== undefined) this.#noteProducerOf(log, header, entry)
  }

  #noteProducerOf(log: Log, bytes: Uint8Array, entry: JournalEntryFields): void {
    const { baseOffset, nextOffset, epoch } = entry
    // The snapshot is younger than the checkpoint, and has these already.
    if (baseOffset < (this.#producersKnownTo.get(log.id) ?? 0)) return
    this.#parts.producers.note(log, bytes, baseOffset, nextOffset, epoch)
  }

  #putAside(log: Log, from: number, to: number): void {
    if (!log.addGap({ from, to })) return
    this.#tally.quarantinedRanges++
    this.#environment.log.error('acknowledged records are damaged', { logId: log.id, from, to })
  }

  /**
   * Groups are lost and nobody can say which logs they held. A log that was written to later shows
   * its loss as a gap; for every other the next offsets might be taken, so they are skipped: an
   * offset never names two records.
   */
  async #skipAfterLoss(lostThrough: number): Promise<void> {
    this.#hasSkipped = true
    // So were the ids of logs whose creation was in there: a definition that names one may yet come
    // back, out of a segment.
    this.#nextLogId += LOG_ID_SKIP_AFTER_LOSS
    for (const log of this.#logs.all()) {
      if (log.isVolatile) {
        // The lost groups may have raised its ceiling, by one step as a rule.
        const from = log.nextOffset + OFFSET_CEILING_STEP
        this.#logs.skipVolatile(log, from + this.#offsetsToSkip())
        continue
      }
      // The trim of segments that are gone may be lost too: nobody may pass over them in silence.
      const firstBase = log.segments[0]?.baseOffset ?? log.nextOffset
      if (firstBase > log.earliestOffset) this.#putAside(log, log.earliestOffset, firstBase)
      if ((this.#lastGroupOf.get(log) ?? 0) > lostThrough) continue
      const from = log.nextOffset
      const to = from + this.#offsetsToSkip()
      this.#putAside(log, from, to)
      await this.#logs.skipTo(log, to)
    }
  }

  /**
   * The crash story: what a skip led to is lost in turn, and an older table is all there is. A skip of
   * a fixed length would lead to the same offsets, and they are somebody's. So its length is drawn.
   */
  #offsetsToSkip(): number {
    const steps = 1 + (this.#environment.random.uint32() % SKIP_STEPS_MAX)
    return OFFSET_SKIP_AFTER_LOSS * steps
  }
}

/** The group's CRC vouches for the entry, the entry for its payload. */
const isPayloadIntact = (group: LoadedGroup, entry: JournalEntryFields): boolean => {
  const isBatch = entry.kind === EntryKind.append
  if (!isBatch && entry.kind !== EntryKind.checkpoint) return true
  const length = isBatch ? entry.length - PAYLOAD_SKIPPED_BYTES : entry.length
  const end = entry.payloadAt + length
  if (length < 0 || end > group.payload.length) return false
  return length === 0 || crc32c(group.payload.subarray(entry.payloadAt, end)) === entry.crc
}
