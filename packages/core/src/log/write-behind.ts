/**
 * Moves accepted batches from memory into segments, after the journal has them or, for direct
 * appends, instead of it; and syncs segments for checkpoints.
 *
 * Invariants: a log's flushes run one after the other and from the front, so a segment never has a
 * hole below `flushedBytes`; a file's name is durable before anything in it is called durable; a
 * file that was written stays open until it is synced.
 */
import type { DiskFile } from '../environment/disk.ts'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode, synced } from './disk-errors.ts'
import type { FileCache } from './file-cache.ts'
import type { DirectFile } from './journal.ts'
import type { Log } from './log.ts'
import type { Segment } from './segment.ts'
import type { StoredBatch } from './stored-batch.ts'

const WRITE_BYTES_MAX = 4 * 1_048_576
const WRITE_PARTS_MAX = 512
const SYNCS_AT_ONCE = 4
/** Parts smaller than this are copied together instead of being handed over one by one. */
const GATHER_BELOW_BYTES = 8_192

interface Run {
  readonly segment: Segment
  readonly batches: StoredBatch[]
  readonly bytes: number
}

export interface WriteBehindHooks {
  /** The batches are in their segment's file and may leave memory. */
  onFlushed(batches: readonly StoredBatch[]): void
}

export class WriteBehind {
  readonly #environment: Environment
  readonly #files: FileCache
  readonly #logsDirectory: string
  readonly #hooks: WriteBehindHooks
  readonly #dirty = new Map<Segment, Log>()
  #gather = new Uint8Array(65_536)
  #gatherInUse = false
  #isStopped = false
  flushes = 0

  constructor(
    environment: Environment,
    files: FileCache,
    logsDirectory: string,
    hooks: WriteBehindHooks,
  ) {
    this.#environment = environment
    this.#files = files
    this.#logsDirectory = logsDirectory
    this.#hooks = hooks
  }

  get dirtyCount(): number {
    return this.#dirty.size
  }

  /** Writes a log's batches from the front up to those that end at `offset`, or all of them. */
  flush(log: Log, offset: number = Infinity): Promise<void> {
    return this.#inTurn(log, () => this.#flushNow(log, offset))
  }

  /**
   * Flushes up to `last`, makes the names durable, and returns the files of the batches from `first`
   * on, held open. Whether a segment is dirty says nothing here: a checkpoint may have begun its sync,
   * and that sync has not returned yet.
   */
  async writeDirect(log: Log, first: StoredBatch, last: StoredBatch): Promise<DirectFile[]> {
    await this.flush(log, last.nextOffset)
    const files: DirectFile[] = []
    if (log.isDeleted) return files
    for (const segment of log.segments) {
      if (segment.baseOffset < first.segment.baseOffset) continue
      if (segment.baseOffset > last.segment.baseOffset) break
      await this.#makeNameDurable(log, segment)
      this.#markDirty(segment, log)
      const { path } = segment
      files.push({
        file: await this.#files.acquire(path),
        release: () => this.#files.release(path),
      })
    }
    return files
  }

  /** The storage has failed: no file may be synced any more, least of all the one that failed. */
  stop(): void {
    this.#isStopped = true
  }

  /** Syncs everything written so far, with its names. A rejection must end the process. */
  async syncAll(): Promise<void> {
    const work = [...this.#dirty]
    for (const [segment, log] of work) await this.#makeNameDurable(log, segment)
    let next = 0
    const worker = async (): Promise<void> => {
      for (;;) {
        const segment = work[next++]?.[0]
        if (segment === undefined) return
        await this.#syncSegment(segment)
      }
    }
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, worker))
  }

  /** A recovered segment holds bytes that were perhaps never synced. */
  markUnsynced(segment: Segment, log: Log): void {
    segment.isNameDurable = false
    log.isDirectoryDurable = false
    segment.isDirty = true
    this.#dirty.set(segment, log)
  }

  /**
   * Cuts what a refused write has left behind the last batch that counts, and removes the segments
   * that it emptied. In turn with the log's flushes: a write that ran meanwhile would be cut off.
   */
  cut(log: Log, emptied: readonly Segment[]): Promise<void> {
    return this.#inTurn(log, async () => {
      for (const segment of emptied) await this.remove(segment)
      const active = log.activeSegment
      if (active !== undefined && !log.isDeleted) await this.#cutNow(active)
    })
  }

  /** Runs in turn with the log's flushes: for what takes files away or puts others in their place. */
  change(log: Log, work: () => Promise<void>): Promise<void> {
    return this.#inTurn(log, work)
  }

  async #cutNow(segment: Segment): Promise<void> {
    if (!segment.isCreated) return
    const file = await this.#files.acquire(segment.path)
    try {
      await file.truncate(segment.flushedBytes)
    } finally {
      this.#files.release(segment.path)
    }
  }

  /** What touches a log's files runs one after the other; a failed one does not stop the next. */
  #inTurn(log: Log, work: () => Promise<void>): Promise<void> {
    const before = log.flushing ?? Promise.resolve()
    const running = before
      .catch(() => undefined)
      .then(work)
      .finally(() => {
        if (log.flushing === running) log.flushing = undefined
      })
    log.flushing = running
    return running
  }

  /** Forgets and removes a segment's files. */
  async remove(segment: Segment): Promise<void> {
    this.#dirty.delete(segment)
    await this.#files.forget(segment.path)
    for (const kind of ['crc', 'log', 'index', 'timeindex'] as const) {
      try {
        await this.#environment.disk.remove(segment.pathOf(kind))
      } catch (error) {
        if (!hasErrorCode(error, 'ENOENT')) throw error
      }
    }
  }

  async #flushNow(log: Log, offset: number): Promise<void> {
    for (;;) {
      const run = nextRun(log, offset)
      if (run === undefined || log.isDeleted) return
      await this.#writeRun(log, run)
    }
  }

  async #writeRun(log: Log, run: Run): Promise<void> {
    const { segment, batches } = run
    const first = batches[0]
    if (first === undefined) return
    const file = await this.#fileOf(log, segment)
    try {
      this.#markDirty(segment, log)
      await this.#write(file, run, first.position)
      // Again: a sync that began while the write ran has cleared the mark and missed the bytes.
      this.#markDirty(segment, log)
    } finally {
      this.#files.release(segment.path)
    }
    this.flushes++
    this.#noteFlushed(log, run)
  }

  /** Batches that were refused while the write ran are taken back already: they do not count. */
  #noteFlushed(log: Log, run: Run): void {
    const batches = run.batches.filter((batch) => !batch.isRefused)
    for (const batch of batches) {
      const { length } = batch.bytes
      run.segment.noteBatch(batch, batch.position, length)
      run.segment.flushedBytes = batch.position + length
      log.unflushedBytes -= length
    }
    log.flushedCount += batches.length
    this.#hooks.onFlushed(batches)
  }

  async #write(file: DiskFile, run: Run, position: number): Promise<void> {
    const parts = joinNeighbours(run.batches)
    const isWorthGathering = parts.length > 1 && run.bytes / parts.length < GATHER_BELOW_BYTES
    if (!isWorthGathering || this.#gatherInUse) return file.write(parts, position)
    this.#gatherInUse = true
    try {
      await file.write([this.#gathered(parts, run.bytes)], position)
    } finally {
      this.#gatherInUse = false
    }
  }

  #gathered(parts: readonly Uint8Array[], bytes: number): Uint8Array {
    if (this.#gather.length < bytes) this.#gather = new Uint8Array(bytes)
    let at = 0
    for (const part of parts) {
      this.#gather.set(part, at)
      at += part.length
    }
    return this.#gather.subarray(0, bytes)
  }

  async #fileOf(log: Log, segment: Segment): Promise<DiskFile> {
    if (segment.isCreated) return this.#files.acquire(segment.path)
    await this.#environment.disk.makeDirectory(log.directory)
    const file = await this.#files.acquire(segment.path, 'create')
    segment.isCreated = true
    return file
  }

  /** Segments of an unsynced log are wiped at boot: syncing them would buy nothing. */
  #markDirty(segment: Segment, log: Log): void {
    if (log.isVolatile) return
    segment.isDirty = true
    this.#dirty.set(segment, log)
    this.#files.pin(segment.path, true)
  }

  /** The crash story: a synced file whose name was never synced is gone with all it held. */
  async #makeNameDurable(log: Log, segment: Segment): Promise<void> {
    // Deleted while a checkpoint was under way: the directory is about to go, or gone.
    if (log.isDeleted) return
    if (!log.isDirectoryDurable) {
      await synced(this.#environment.disk.syncDirectory(this.#logsDirectory))
      log.isDirectoryDurable = true
    }
    if (segment.isNameDurable) return
    await synced(this.#environment.disk.syncDirectory(log.directory))
    segment.isNameDurable = true
  }

  async #syncSegment(segment: Segment): Promise<void> {
    if (!this.#dirty.has(segment) || this.#isStopped) return
    // Cleared before the sync begins: what is written while it runs makes the segment dirty again.
    this.#dirty.delete(segment)
    segment.isDirty = false
    const file = await this.#files.acquire(segment.path)
    try {
      await synced(file.sync())
    } catch (error) {
      this.stop()
      throw error
    } finally {
      this.#files.release(segment.path)
    }
    if (!segment.isDirty) this.#files.pin(segment.path, false)
  }
}

/** The next unflushed batches of one segment, as many as one write may carry. */
const nextRun = (log: Log, offset: number): Run | undefined => {
  const first = log.batches.peekAt(log.flushedCount)
  if (first === undefined || first.nextOffset > offset) return undefined
  const batches: StoredBatch[] = []
  let bytes = 0
  for (let index = log.flushedCount; index < log.batches.length; index++) {
    const batch = log.batches.peekAt(index)
    if (batch === undefined || batch.segment !== first.segment || batch.nextOffset > offset) break
    if (bytes > 0 && bytes + batch.bytes.length > WRITE_BYTES_MAX) break
    if (batches.length === WRITE_PARTS_MAX) break
    bytes += batch.bytes.length
    batches.push(batch)
  }
  return { segment: first.segment, batches, bytes }
}

/** Views that lie side by side in one slab become one part. */
const joinNeighbours = (batches: readonly StoredBatch[]): Uint8Array[] => {
  const parts: Uint8Array[] = []
  let last: Uint8Array | undefined
  for (const { bytes } of batches) {
    const isNeighbour =
      last !== undefined &&
      last.buffer === bytes.buffer &&
      last.byteOffset + last.length === bytes.byteOffset
    if (last !== undefined && isNeighbour) {
      last = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length)
      parts[parts.length - 1] = last
    } else {
      last = bytes
      parts.push(bytes)
    }
  }
  return parts
}
