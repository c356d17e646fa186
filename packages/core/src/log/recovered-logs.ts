/**
 * The logs while a recovery builds them: from checkpoint rows, from the names in their directories,
 * and from journal entries. It trusts a file's bytes only as far as a row or an entry vouches for.
 */
import type { Environment } from '../environment/environment.ts'
import type { LogRow } from './checkpoint-table.ts'
import { hasErrorCode, isDiskFull } from './disk-errors.ts'
import type { JournalEntryFields } from './journal-format.ts'
import { Log, type LogSettings } from './log.ts'
import { removableCount, takeTrimmed } from './log-trimmer.ts'
import { parseSegmentFileName, Segment } from './segment.ts'
import { parentOf } from './small-file.ts'
import type { StoreParts } from './store-parts.ts'

/** Until the topic that owns the log says what it wants. */
const interimSettings: LogSettings = { segmentBytes: 0xffff_ffff, segmentMs: Infinity }

export class RecoveredLogs {
  readonly #environment: Environment
  readonly #parts: StoreParts
  readonly #logs = new Map<number, Log>()
  /** Segment files on disk by log and base offset, as far as no row or entry has named them. */
  readonly #unclaimed = new Map<number, Map<number, number>>()

  /** Groups are lost: a file that none of the others names may be theirs, and is put aside. */
  keepUnclaimed = false

  constructor(environment: Environment, parts: StoreParts) {
    this.#environment = environment
    this.#parts = parts
  }

  get(id: number): Log | undefined {
    return this.#logs.get(id)
  }

  get isEmpty(): boolean {
    return this.#logs.size === 0
  }

  all(): Log[] {
    return [...this.#logs.values()]
  }

  /** Ids are never used twice, whatever of the journal is lost: a directory is proof of a use. */
  async firstUnusedId(): Promise<number> {
    let next = 1
    for (const name of await this.#namesIn(this.#parts.logsDirectory))
      if (/^\d{1,15}$/.test(name)) next = Math.max(next, Number(name) + 1)
    return next
  }

  async addFromTable(row: LogRow): Promise<void> {
    const directory = this.#directoryOf(row.logId)
    const files = await this.#listFiles(row.logId)
    const segments: Segment[] = []
    const bases = [...files.keys()].filter((base) => base < row.segmentBase).sort((a, b) => a - b)
    if (!row.isVolatile) {
      for (const base of bases) {
        segments.push(sealed(directory, base, files.get(base) ?? 0))
        files.delete(base)
      }
      segments.push(this.#activeOf(row, directory, files))
    }
    const offset = row.isVolatile ? row.ceiling : row.nextOffset
    const log = new Log(
      {
        id: row.logId,
        directory,
        isVolatile: row.isVolatile,
        epoch: row.epoch,
        earliestOffset: row.isVolatile ? offset : row.earliestOffset,
        nextOffset: offset,
        ceiling: row.ceiling,
        segments,
      },
      interimSettings,
    )
    log.isDirectoryDurable = segments.some((one) => one.isCreated && one.flushedBytes > 0)
    this.#logs.set(row.logId, log)
  }

  async addNew(id: number, epoch: number, isVolatile: boolean): Promise<void> {
    if (this.#logs.has(id)) return
    await this.#listFiles(id)
    const state = {
      id,
      directory: this.#directoryOf(id),
      isVolatile,
      epoch,
      earliestOffset: 0,
      nextOffset: 0,
      ceiling: 0,
      segments: [],
    }
    this.#logs.set(id, new Log(state, interimSettings))
  }

  /** Its files stay until the metadata, which asked for the tombstone, asks again. */
  remove(id: number): void {
    // What was replayed for it will never be written: it must not count as waiting for ever.
    this.#parts.unflushed.bytes -= this.#logs.get(id)?.unflushedBytes ?? 0
    this.#logs.delete(id)
    this.#unclaimed.delete(id)
  }

  /** The crash story: offsets below the ceiling may have been shown to somebody. */
  raiseCeiling(entry: JournalEntryFields): void {
    const log = this.#logs.get(entry.logId)
    if (log === undefined || entry.nextOffset <= log.ceiling) return
    log.ceiling = entry.nextOffset
    log.ceilingRequested = entry.nextOffset
    log.nextOffset = entry.nextOffset
    log.earliestOffset = entry.nextOffset
    log.epoch = Math.max(log.epoch, entry.epoch)
  }

  /** Records below `earliest` were removed, durably. */
  trim(id: number, earliest: number): void {
    const log = this.#logs.get(id)
    if (log !== undefined) log.earliestOffset = Math.max(log.earliestOffset, earliest)
  }

  /** The segment that an entry names, which the replay may meet for the first time. */
  segmentOf(log: Log, entry: JournalEntryFields): Segment {
    const known = log.activeSegment
    if (known?.baseOffset === entry.segmentBase) return known
    if (known !== undefined) known.isSealed = true
    const files = this.#unclaimed.get(log.id)
    const isCreated = files?.delete(entry.segmentBase) ?? false
    const segment = newSegment(log.directory, entry.segmentBase, isCreated, this.#now())
    log.segments.push(segment)
    return segment
  }

  /** Bytes of a segment at an entry's place, `undefined` when they are not all there. */
  async readSegment(log: Log, entry: JournalEntryFields): Promise<Uint8Array | undefined> {
    const path = new Segment({
      baseOffset: entry.segmentBase,
      directory: log.directory,
      sizeBytes: 0,
      startedAtMs: 0,
      isCreated: true,
    }).path
    const size = await this.#environment.disk.sizeOf(path)
    if (size === undefined || size < entry.position + entry.length) return undefined
    const file = await this.#parts.files.acquire(path)
    try {
      const bytes = new Uint8Array(entry.length)
      return (await file.read(bytes, entry.position)) === entry.length ? bytes : undefined
    } finally {
      this.#parts.files.release(path)
    }
  }

  /**
   * Moves the end of a segment to `position` without batches in memory: the bytes are in the file
   * already, or lost. What is in memory goes to the file first, to keep the flushed part whole.
   */
  async jump(log: Log, segment: Segment, position: number): Promise<void> {
    await this.#parts.writeBehind.flush(log)
    // What stays in memory must reach to the end of its log, and these bytes are in the file only.
    this.#parts.tail.dropAll()
    segment.sizeBytes = position
    segment.flushedBytes = position
  }

  /** Leaves offsets out and begins a segment behind them. */
  async skipTo(log: Log, offset: number): Promise<void> {
    await this.#parts.writeBehind.flush(log)
    const active = log.activeSegment
    if (active !== undefined) active.isSealed = true
    log.nextOffset = offset
    // The crash story: it was left out before, and what came behind it is in its file already.
    const isCreated = this.#unclaimed.get(log.id)?.delete(offset) ?? false
    log.segments.push(newSegment(log.directory, offset, isCreated, this.#now()))
  }

  /** An unsynced log has nothing but its next offset. */
  skipVolatile(log: Log, offset: number): void {
    log.nextOffset = offset
    log.earliestOffset = offset
  }

  async flushAll(): Promise<void> {
    for (const log of this.#logs.values())
      if (log.unflushedBytes > 0) await this.#parts.writeBehind.flush(log)
  }

  /** Cuts and removes what nothing vouches for, and opens a new epoch everywhere. */
  async finish(saveProducers: () => Promise<void>): Promise<void> {
    for (const log of this.#logs.values()) {
      log.epoch++
      if (log.nextOffset < log.earliestOffset) await this.skipTo(log, log.earliestOffset)
      log.highWatermark = log.nextOffset
    }
    if (await this.#maySweep(saveProducers)) await this.#sweep()
    for (const log of this.#logs.values()) {
      await this.#removeUnclaimed(log)
      const active = log.activeSegment
      if (active?.isCreated) await this.#cut(active)
    }
  }

  /**
   * Whether segments below a log's beginning are there and may go: who sent what is in them is
   * written down first. Without room for that they wait for the next look.
   */
  async #maySweep(saveProducers: () => Promise<void>): Promise<boolean> {
    if (!this.all().some((log) => removableCount(log) > 0)) return false
    // What is written down as durable must be.
    await this.#parts.writeBehind.syncAll()
    try {
      await saveProducers()
      return true
    } catch (error) {
      if (isDiskFull(error)) return false
      throw error
    }
  }

  /** The crash story: the process died between a trim and the removal of the segments below it. */
  async #sweep(): Promise<void> {
    for (const log of this.#logs.values())
      for (const segment of takeTrimmed(log, this.#parts.arena))
        await this.#parts.writeBehind.remove(segment)
  }

  async #removeUnclaimed(log: Log): Promise<void> {
    const files = this.#unclaimed.get(log.id)
    for (const base of files?.keys() ?? []) {
      const segment = newSegment(log.directory, base, true, 0)
      if (this.keepUnclaimed && !log.isVolatile) {
        await this.#putAside(log, segment)
        continue
      }
      this.#environment.log.warn('segment that no durable group names is removed', {
        path: segment.path,
      })
      await this.#parts.writeBehind.remove(segment)
    }
  }

  async #putAside(log: Log, segment: Segment): Promise<void> {
    const { disk } = this.#environment
    const quarantine = `${parentOf(this.#parts.logsDirectory)}/quarantine`
    const target = `${quarantine}/log-${log.id}-${segment.baseOffset}.log`
    this.#environment.log.error('segment of lost groups is put aside', { target })
    await disk.makeDirectory(quarantine)
    await disk.rename(segment.path, target)
    await disk.syncDirectory(quarantine)
  }

  /** The crash story: an append died between its write and its sync; its bytes are not data. */
  async #cut(segment: Segment): Promise<void> {
    const size = await this.#environment.disk.sizeOf(segment.path)
    if (size === undefined || size <= segment.sizeBytes) return
    const file = await this.#parts.files.acquire(segment.path)
    try {
      await file.truncate(segment.sizeBytes)
    } finally {
      this.#parts.files.release(segment.path)
    }
  }

  #activeOf(row: LogRow, directory: string, files: Map<number, number>): Segment {
    const isCreated = files.delete(row.segmentBase)
    const segment = newSegment(directory, row.segmentBase, isCreated, row.segmentStartedAtMs)
    segment.sizeBytes = row.position
    segment.flushedBytes = row.position
    // Bytes that a checkpoint vouches for were synced with their names.
    segment.isNameDurable = isCreated && row.position > 0
    return segment
  }

  async #listFiles(id: number): Promise<Map<number, number>> {
    const files = new Map<number, number>()
    this.#unclaimed.set(id, files)
    const directory = this.#directoryOf(id)
    for (const name of await this.#namesIn(directory)) {
      // A compaction died before it could put the file in its place.
      if (name.endsWith('.log.clean')) await this.#environment.disk.remove(`${directory}/${name}`)
      const parsed = parseSegmentFileName(name)
      if (parsed?.kind !== 'log') continue
      files.set(
        parsed.baseOffset,
        (await this.#environment.disk.sizeOf(`${directory}/${name}`)) ?? 0,
      )
    }
    return files
  }

  async #namesIn(directory: string): Promise<string[]> {
    try {
      return await this.#environment.disk.list(directory)
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return []
      throw error
    }
  }

  #directoryOf(id: number): string {
    return `${this.#parts.logsDirectory}/${id}`
  }

  #now(): number {
    return this.#environment.clock.now()
  }
}

const sealed = (directory: string, baseOffset: number, sizeBytes: number): Segment => {
  const segment = new Segment({ baseOffset, directory, sizeBytes, startedAtMs: 0, isCreated: true })
  segment.isSealed = true
  return segment
}

/** A name found on disk may not be durable: it is synced again before anything relies on it. */
const newSegment = (
  directory: string,
  baseOffset: number,
  isCreated: boolean,
  startedAtMs: number,
): Segment => {
  const segment = new Segment({ baseOffset, directory, sizeBytes: 0, startedAtMs, isCreated })
  segment.isNameDurable = false
  return segment
}
