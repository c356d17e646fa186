/**
 * The store of a data directory: every log, the journal they share, and what moves between them.
 * Topics and metadata are built on its few verbs; it knows neither.
 *
 * Who does what: `Journal` makes accepted batches durable; `WriteBehind` moves them into segments;
 * `Checkpointer` lets journal files go; `LogReader` reads. This file ties them together and keeps
 * the rules that need more than one of them: back-pressure, a full disk, a failed one.
 */
import { BrokerError, NO_PRODUCER, batchProducerId, isBrokerError } from '@millrace/codec'
import type { CareAccess } from '../care/care-access.ts'
import type { CompactorParts } from '../compaction/compactor.ts'
import type { Environment } from '../environment/environment.ts'
import type { RecoveryReport } from '../engine/operations.ts'
import { Checkpointer } from './checkpointer.ts'
import { describeError, isDiskFull } from './disk-errors.ts'
import { FileRanges } from './file-ranges.ts'
import { FullDisk } from './full-disk.ts'
import { IndexLoader } from './index-loader.ts'
import { Journal } from './journal.ts'
import { EntryKind } from './journal-format.ts'
import { controlEntry, type ControlItem, type JournalItem } from './journal-group.ts'
import type { JournalPool } from './journal-pool.ts'
import type { AcceptedBytes, Log, OffsetRange } from './log.ts'
import { LogCatalog } from './log-catalog.ts'
import { LogTrimmer } from './log-trimmer.ts'
import { LogReader, firstEndingAfter } from './log-reader.ts'
import { ProducerSnapshots } from './producer-snapshot.ts'
import type { ProducerBatch, ProducerStates } from './producer-states.ts'
import { ReadBufferPool } from './read-buffer-pool.ts'
import { SegmentReader } from './segment-reader.ts'
import type { Segment } from './segment.ts'
import type { RecoveredState, StoreOptions, StoreParts } from './store-parts.ts'
import {
  TicketPair,
  tellStored,
  type AppendTicket,
  type AtomicUnit,
  type StoredBatch,
} from './stored-batch.ts'
import { TimeSearch } from './time-search.ts'
import { VolatileLogs } from './volatile-logs.ts'

export interface StoreHooks {
  /** After this the store completes nothing any more. */
  onFatal(error: BrokerError): void
  /** A damaged range was found and put aside. */
  onDamage(log: Log, range: OffsetRange): void
  /** Appends may be tried again. */
  onRoom(): void
}

export class LogStore {
  readonly #environment: Environment
  readonly #options: StoreOptions
  readonly #hooks: StoreHooks
  readonly #parts: StoreParts
  readonly #pool: JournalPool
  readonly #indexes: IndexLoader
  readonly #segmentReader: SegmentReader
  readonly #checkpointer: Checkpointer
  readonly #fullDisk: FullDisk
  readonly #touched = new Set<Log>()
  readonly #volatile: VolatileLogs
  readonly #producerSnapshots: ProducerSnapshots
  readonly logs: LogCatalog
  readonly journal: Journal
  readonly reader: LogReader
  readonly times: TimeSearch
  readonly recovery: RecoveryReport
  /** For who looks after the data. */
  readonly care: CareAccess
  readonly trimmer: LogTrimmer
  #isFlushing = false
  /** Appends were told to wait, and not yet that there is room. */
  #wasCongested = false
  #isFlushDue = false
  #failure: BrokerError | undefined
  #tellFailed: () => void = () => undefined
  /** Resolves when the store fails, which is seldom. */
  readonly failed = new Promise<void>((resolve) => (this.#tellFailed = resolve))
  #isClosed = false
  batchesAppended = 0
  bytesAppended = 0
  segmentRolls = 0
  offsetsQuarantined = 0

  constructor(
    directory: string,
    environment: Environment,
    options: StoreOptions,
    parts: StoreParts,
    recovered: RecoveredState,
    hooks: StoreHooks,
  ) {
    this.#environment = environment
    this.#options = options
    this.#hooks = hooks
    this.#parts = parts
    this.#pool = recovered.pool
    this.recovery = recovered.report
    this.logs = new LogCatalog(parts.logsDirectory, recovered.logs, recovered.nextLogId, {
      submit: (kind, fields) => this.submitControl(kind, fields),
      random: () => environment.random.uint32(),
    })
    const buffers = new ReadBufferPool({ poison: options.poison })
    this.#indexes = new IndexLoader(environment, parts.files, buffers)
    this.#segmentReader = new SegmentReader(parts.files, buffers, this.#indexes, (log, range) =>
      this.#noteDamage(log, range),
    )
    const ranges = new FileRanges(environment.disk, parts.files, buffers, this.#indexes, options)
    this.reader = new LogReader(parts.arena, this.#segmentReader, ranges)
    this.times = new TimeSearch(this.reader, this.#indexes, options.compression)
    this.journal = this.#createJournal(recovered.lastGroup)
    // What was replayed is replayed again until a checkpoint covers it: dying over and over must
    // not make the next recovery longer and longer.
    this.journal.bytesSinceCheckpoint = recovered.pool.bytesInUse
    this.#fullDisk = new FullDisk(environment, directory, options.ballastBytes, {
      onRoom: () => this.#resumeAfterFull(),
    })
    this.#volatile = this.#createVolatile()
    this.#producerSnapshots = new ProducerSnapshots(environment.disk, directory, parts.producers)
    this.#checkpointer = new Checkpointer({
      environment,
      pool: this.#pool,
      journal: this.journal,
      writeBehind: parts.writeBehind,
      indexes: this.#indexes,
      logs: () => this.logs.all(),
      nextLogId: () => this.logs.nextLogId,
      flush: (log) => this.flush(log),
      noteCheckpointed: (id, segmentBase) => this.#noteCheckpointed(id, segmentBase),
      saveProducers: () => this.#producerSnapshots.save((id) => this.logs.get(id)),
      checkpointGroup: recovered.checkpointGroup,
    })
    this.trimmer = new LogTrimmer({
      arena: parts.arena,
      writeBehind: parts.writeBehind,
      checkpointer: this.#checkpointer,
      submitTrim: (fields) => this.submitControl(EntryKind.trim, fields),
      saveProducers: () => this.#producerSnapshots.save((id) => this.logs.get(id)),
      noteBackgroundError: (error) => this.noteBackgroundError(error),
    })
    this.care = {
      environment,
      indexes: this.#indexes,
      checkpointer: this.#checkpointer,
      journal: this.journal,
      pool: this.#pool,
      logs: () => this.logs.all(),
      putAside: (log, segment, range) => this.#segmentReader.putAside(log, segment, range),
      inTurn: (log, work) => parts.writeBehind.change(log, work),
      fail: (error) => this.noteBackgroundError(error),
    }
  }

  get isFull(): boolean {
    return this.#fullDisk.isFull
  }

  get failure(): BrokerError | undefined {
    return this.#failure
  }

  /** Appends should wait: too much is in memory only. */
  get isCongested(): boolean {
    return this.#parts.unflushed.bytes > this.#options.unflushedBytesMax
  }

  get checkpoints(): number {
    return this.#checkpointer.count
  }

  get segmentReads(): number {
    return this.#segmentReader.reads
  }

  get indexesRebuilt(): number {
    return this.#indexes.rebuilt
  }

  get journalFilesRecycled(): number {
    return this.#pool.recycledCount
  }

  /**
   * Accepts a validated batch: it has its offsets when this returns; the ticket is told when it is
   * stored or refused. `isOwned` bytes are kept as they are, others are copied. Batches of one unit
   * are appended one right after the other; they are stored all or none.
   */
  append(
    log: Log,
    accepted: Omit<AcceptedBytes, 'slab'>,
    isOwned: boolean,
    ticket: AppendTicket | undefined,
    place: { readonly unit: AtomicUnit; readonly isRepeat: boolean } | undefined = undefined,
  ): StoredBatch {
    const { view, slab } = isOwned
      ? { view: accepted.bytes, slab: undefined }
      : this.#parts.arena.copy(accepted.bytes)
    const segmentsBefore = log.segments.length
    const { recordCount, maxTimestamp } = accepted
    const kept = { bytes: view, slab, recordCount, maxTimestamp }
    const batch = log.accept(kept, this.#environment.clock.now(), ticket)
    if (place !== undefined) Object.assign(batch, place)
    if (log.segments.length > segmentsBefore && segmentsBefore > 0) this.segmentRolls++
    this.#parts.producers.note(log, view, batch.baseOffset, batch.nextOffset, batch.epoch)
    this.batchesAppended++
    this.bytesAppended += view.length
    this.#parts.unflushed.bytes += view.length
    this.#wasCongested ||= this.isCongested
    if (log.isVolatile) this.#volatile.accepted(log)
    else this.journal.submit(batch)
    return batch
  }

  /**
   * The batch that this one repeats, when its producer sent it before. Throws what
   * `ProducerStates.admit` throws.
   */
  originalOf(log: Log, bytes: Uint8Array): ProducerBatch | undefined {
    if (batchProducerId(bytes) === NO_PRODUCER) return undefined
    return this.#parts.producers.admit(log, bytes)
  }

  /** Tells the ticket too when the batch at `baseOffset`, which is under way, has its outcome. */
  awaitStored(log: Log, baseOffset: number, ticket: AppendTicket): void {
    const batch = log.batches.peekAt(firstEndingAfter(log, baseOffset))
    if (batch === undefined) throw new BrokerError('ERR_INTERNAL')
    batch.ticket = batch.ticket === undefined ? ticket : new TicketPair(batch.ticket, ticket)
  }

  get producers(): ProducerStates {
    return this.#parts.producers
  }

  /** Why no new batch of a user can be taken now, if so. */
  refusal(): BrokerError | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#isClosed) return new BrokerError('ERR_CLOSED', ['the broker'])
    return this.#fullDisk.refusal()
  }

  submitControl(
    kind: EntryKind,
    fields: Parameters<typeof controlEntry>[1],
    payload?: Uint8Array,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const item: ControlItem = {
        kind: 'control',
        entry: controlEntry(kind, fields),
        payload,
        isRefused: false,
        durable: resolve,
        refused: reject,
      }
      this.journal.submit(item)
    })
  }

  /**
   * Ends a log for good. The tombstone is durable before any file is touched; a crash in between is
   * finished by whoever asked, from the metadata.
   */
  async deleteLog(id: number): Promise<void> {
    await this.submitControl(EntryKind.tombstone, { logId: id })
    const log = this.logs.get(id)
    if (log === undefined) return this.#removeDirectory(`${this.#parts.logsDirectory}/${id}`)
    log.isDeleted = true
    this.logs.delete(id)
    await log.flushing?.catch(() => undefined)
    await this.#checkpointer.settled()
    for (const segment of log.segments) await this.#parts.writeBehind.remove(segment)
    this.#parts.unflushed.bytes -= log.unflushedBytes
    this.#parts.producers.dropLog(id)
    await this.#removeDirectory(log.directory)
    log.notifyWatchers()
  }

  get compactionParts(): Pick<
    CompactorParts,
    'arena' | 'files' | 'writeBehind' | 'producers' | 'checkpointer' | 'compression'
  > {
    const { arena, files, writeBehind, producers } = this.#parts
    const { compression } = this.#options
    return { arena, files, writeBehind, producers, compression, checkpointer: this.#checkpointer }
  }

  latestTimestampOf(segment: Segment): Promise<number> {
    return this.#indexes.latestTimestampOf(segment)
  }

  /** Keeps room for deletes and checkpoints on a full disk. Off the path to being ready. */
  async makeBallast(): Promise<void> {
    try {
      await this.#fullDisk.makeBallast()
    } catch (error) {
      this.noteBackgroundError(error)
    }
  }

  /** Takes a checkpoint now. */
  checkpoint(): Promise<void> {
    return this.#checkpointer.run()
  }

  /** Everything accepted is durable and in segments, the directory can be opened by another. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#fullDisk.close()
    if (this.#failure === undefined) {
      try {
        await this.#checkpointer.run()
        // Without it a damaged table would pass for a torn one, and what it vouches for with it.
        await this.journal.claim()
      } catch (error) {
        if (!isDiskFull(error)) this.#fail(error)
      }
    }
    this.journal.close()
    await this.#pool.close().catch((error: unknown) => this.#fail(error))
    await this.#parts.files.close()
  }

  #createJournal(lastGroup: number): Journal {
    return new Journal(
      this.#environment,
      this.#options,
      this.#pool,
      {
        writeDirect: (log, first, last) => this.#parts.writeBehind.writeDirect(log, first, last),
        onDurable: (items) => this.#onDurable(items),
        onRefused: (item, error) => this.#onRefused(item, error),
        onFailure: (error) => this.#fail(error),
      },
      lastGroup,
    )
  }

  #createVolatile(): VolatileLogs {
    return new VolatileLogs(this.#environment.timers, {
      isOver: () => this.#failure !== undefined || this.#isClosed,
      raise: (fields) => this.submitControl(EntryKind.ceiling, fields),
      refuseFrom: (first, error) => this.#refuseFrom(first, error),
      onProgress: () => this.#afterProgress(),
    })
  }

  #onDurable(items: readonly JournalItem[]): void {
    for (const item of items) {
      if (item.kind === 'control') item.durable()
      else if (item.log.advance(item.nextOffset)) this.#touched.add(item.log)
      if (item.kind === 'batch') tellStored(item)
    }
    this.#notifyTouched()
    this.#afterProgress()
  }

  #notifyTouched(): void {
    for (const log of this.#touched) log.notifyWatchers()
    this.#touched.clear()
  }

  #afterProgress(): void {
    if (this.#failure !== undefined || this.#isClosed) return
    if (this.#fullDisk.isFull) return
    if (this.#parts.unflushed.bytes > this.#options.writeBehindBytes) void this.#flushAll()
    // A direct append flushes by itself, and nobody else would tell of the room that it made.
    else if (this.#wasCongested) this.#tellRoom()
    if (this.journal.bytesSinceCheckpoint > this.#options.checkpointBytes) this.#startCheckpoint()
  }

  #startCheckpoint(): void {
    if (this.#checkpointer.isRunning) return
    this.#checkpointer.run().then(
      () => this.#tellRoom(),
      (error: unknown) => this.noteBackgroundError(error),
    )
  }

  async #flushAll(): Promise<void> {
    this.#isFlushDue = true
    if (this.#isFlushing) return
    this.#isFlushing = true
    try {
      // Again when asked meanwhile: what became durable behind the pass would wait for nobody.
      while (this.#isFlushDue) await this.#flushOnce()
    } catch (error) {
      this.noteBackgroundError(error)
    }
    this.#isFlushing = false
    this.#tellRoom()
  }

  async #flushOnce(): Promise<void> {
    this.#isFlushDue = false
    const logs = [...this.logs.all()].filter((log) => log.unflushedBytes > 0)
    // A write costs the same for little: what is far less than the others have waits for more.
    const worthBytes = this.#parts.unflushed.bytes / logs.length / 4
    for (const log of logs) if (log.unflushedBytes >= worthBytes) await this.flush(log)
    await this.#parts.files.trim()
  }

  /** Only what is visible: a batch that is still under way may yet be refused. */
  flush(log: Log): Promise<void> {
    return this.#parts.writeBehind.flush(log, log.highWatermark)
  }

  #tellRoom(): void {
    if (this.isCongested || this.#failure !== undefined) return
    this.#wasCongested = false
    this.#hooks.onRoom()
  }

  /** Work that nobody waits for failed: a full disk is borne, anything else ends the store. */
  noteBackgroundError(error: unknown): void {
    if (isDiskFull(error)) this.#fullDisk.enter(error)
    else this.#fail(error)
  }

  #resumeAfterFull(): void {
    void this.#flushAll()
    this.#startCheckpoint()
    this.#tellRoom()
  }

  /** The disk had no room for an item: it and what follows it in its log are taken back. */
  #onRefused(item: JournalItem, error: unknown): void {
    this.#fullDisk.enter(error)
    if (item.kind === 'control') {
      item.isRefused = true
      item.refused(new BrokerError('ERR_STORAGE_FULL', [describeError(error)]))
      return
    }
    if (!item.isRefused) this.#refuseFrom(item, error)
  }

  #refuseFrom(first: StoredBatch, error: unknown): void {
    const { log } = first
    const before = log.unflushedBytes
    const taken = log.takeBackFrom(first)
    this.#parts.unflushed.bytes -= before - log.unflushedBytes
    void this.#cleanUp(log, taken.segments)
    for (const { bytes, baseOffset } of taken.batches)
      this.#parts.producers.takeBack(log, bytes, baseOffset)
    for (const batch of taken.batches.reverse()) {
      this.#parts.arena.release(batch.slab)
      batch.ticket?.refused(new BrokerError('ERR_STORAGE_FULL', [describeError(error)]))
      batch.ticket = undefined
    }
  }

  async #cleanUp(log: Log, emptied: readonly Log['segments'][number][]): Promise<void> {
    try {
      await this.#parts.writeBehind.cut(log, emptied)
    } catch (error) {
      this.noteBackgroundError(error)
    }
  }

  #noteCheckpointed(id: number, segmentBase: number): void {
    const log = this.logs.get(id)
    if (log === undefined) return
    log.compactableBelow = log.checkpointedBase
    log.checkpointedBase = segmentBase
  }

  #noteDamage(log: Log, range: OffsetRange): void {
    this.offsetsQuarantined += range.to - range.from
    this.#hooks.onDamage(log, range)
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = isStorageFailure(cause)
      ? cause
      : new BrokerError('ERR_STORAGE_FAILED', [], { cause })
    this.#environment.log.error('storage failed', { error: describeError(this.#failure.cause) })
    this.journal.fail(cause)
    this.#parts.writeBehind.stop()
    this.#tellFailed()
    this.#hooks.onFatal(this.#failure)
  }

  async #removeDirectory(directory: string): Promise<void> {
    try {
      const { disk } = this.#environment
      for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`)
      await disk.removeDirectory(directory)
      await disk.syncDirectory(this.#parts.logsDirectory)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error
    }
  }
}

const isStorageFailure = (error: unknown): error is BrokerError =>
  isBrokerError(error) && error.code === 'ERR_STORAGE_FAILED'
