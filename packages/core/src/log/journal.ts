/**
 * The shared write-ahead log of a data directory: group commit without a timer.
 *
 *     submit ──► pending ──► group N+1 written ──► group N syncing ──► durable, told in order
 *
 * One write and one sync are in flight at most, side by side. A sync covers every group written
 * before it began. While a sync runs, what arrives is gathered: it is written under the running sync
 * once it is worth a write of its own, else when the sync returns.
 *
 * Invariants:
 * - nothing is told durable before the sync that covers it has returned, and groups are told in
 *   order;
 * - a group with direct appends is durable when the journal's sync and those of all its segments
 *   have returned;
 * - after a failed sync nothing is told any more: `onFailure` runs once and the process must end.
 *   A sync is never retried (after EIO the kernel may call lost pages clean);
 * - a write that finds the disk full refuses the items that were to be written, before any promise.
 */
import { RingQueue } from '@millrace/codec'
import type { DiskFile } from '../environment/disk.ts'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import type { StorageOptions } from '../engine/operations.ts'
import { diskFull, isDiskFull } from './disk-errors.ts'
import type { JournalFile } from './journal-file.ts'
import { ENTRY_BYTES, EntryKind, PAGE_BYTES, groupBytes } from './journal-format.ts'
import { GroupBuilder, payloadBytesOf, type JournalItem } from './journal-group.ts'
import type { JournalPool } from './journal-pool.ts'
import { LatencyWindow } from './latency-window.ts'
import { JOURNAL_IDLE_MS } from './limits.ts'
import type { Log } from './log.ts'
import type { AtomicUnit, StoredBatch } from './stored-batch.ts'

/** Gathered under a running sync, this much is worth a write of its own. */
const OVERLAPPED_WRITE_BYTES = 128 * 1024
/** Written and not yet synced, at most so many groups: bounds what a crash can tear. */
const UNSYNCED_GROUPS_MAX = 8

/** A segment that a group has written to. It stays open until it is released. */
export interface DirectFile {
  readonly file: DiskFile
  release(): void
}

export interface JournalHooks {
  /**
   * Writes the log's batches up to and including `last` to its segments and returns the files to
   * sync for those from `first` on, names of new ones already durable. Rejects with ENOSPC when the
   * disk is full.
   */
  writeDirect(log: Log, first: StoredBatch, last: StoredBatch): Promise<readonly DirectFile[]>
  /** The group's items in order, all durable. */
  onDurable(items: readonly JournalItem[]): void
  /** The item could not be written for want of room; nothing after it in its log may be either. */
  onRefused(item: JournalItem, error: unknown): void
  onFailure(error: unknown): void
}

/** The batches of one log that go straight to its segments in the group being written. */
interface DirectRun {
  readonly first: StoredBatch
  last: StoredBatch
}

interface WrittenGroup {
  readonly sequence: number
  readonly items: readonly JournalItem[]
  readonly journalFile: JournalFile
  readonly directFiles: readonly DirectFile[]
}

export class Journal {
  readonly #environment: Environment
  readonly #options: StorageOptions
  readonly #pool: JournalPool
  readonly #hooks: JournalHooks
  readonly #builder = new GroupBuilder()
  readonly #pending = new RingQueue<JournalItem>()
  readonly #direct = new Map<Log, DirectRun>()
  /** Logs with batches of a unit in the group being gathered. */
  readonly #notDirect = new Set<Log>()
  readonly #isDirect = (batch: StoredBatch): boolean => this.#direct.has(batch.log)
  readonly syncLatency = new LatencyWindow()
  #pendingBytes = 0
  /** Taken for the group that is being written. */
  #taken: readonly JournalItem[] = []
  #unsynced: WrittenGroup[] = []
  #isScheduled = false
  #isWriting = false
  #isSyncing = false
  #failure: unknown
  #idleTimer: TimerHandle | undefined
  /** An empty group is due, to say that the last one is durable. */
  #isClaimDue = false
  #claimed: () => void = () => undefined
  /** The first group that can answer the claim: one built before it does not know of what it knows. */
  #claimFrom = 0
  #lastGroup: number
  #durableGroup: number
  bytesSinceCheckpoint = 0
  groupsWritten = 0
  syncs = 0
  directAppends = 0

  constructor(
    environment: Environment,
    options: StorageOptions,
    pool: JournalPool,
    hooks: JournalHooks,
    lastGroup: number,
  ) {
    this.#environment = environment
    this.#options = options
    this.#pool = pool
    this.#hooks = hooks
    this.#lastGroup = lastGroup
    this.#durableGroup = lastGroup
  }

  get durableGroup(): number {
    return this.#durableGroup
  }

  get isIdle(): boolean {
    return this.#pending.length === 0 && !this.#isWriting && this.#unsynced.length === 0
  }

  submit(item: JournalItem): void {
    if (this.#failure !== undefined) return releaseControl(item, this.#failure)
    const bytes = payloadBytesOf(item)
    if (item.kind === 'batch') item.log.gatheredBytes += bytes
    this.#pendingBytes += bytes
    this.#pending.push(item)
    this.#schedule()
  }

  /** Says durably what is durable, in a group of its own; resolves also when there is no room. */
  claim(): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#claimed = resolve
      this.#claimFrom = this.#lastGroup + (this.#isWriting ? 2 : 1)
      this.#isClaimDue = true
      this.#schedule()
    })
  }

  /** Stops everything: what was not told durable never will be. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#idleTimer?.cancel()
    this.#hooks.onFailure(error)
    this.#releaseControls(error)
    this.#claimed()
  }

  /** Appends are told nothing any more; the engine's own work must not wait for ever. */
  #releaseControls(error: unknown): void {
    for (let index = 0; index < this.#pending.length; index++)
      releaseControl(this.#pending.peekAt(index), error)
    for (const item of this.#taken) releaseControl(item, error)
    for (const group of this.#unsynced) for (const item of group.items) releaseControl(item, error)
  }

  close(): void {
    this.#idleTimer?.cancel()
    this.#failure ??= new Error('the journal is closed')
  }

  /** Groups are begun at the end of the turn, with everything that the turn has submitted. */
  #schedule(): void {
    if (this.#isScheduled || this.#isWriting || this.#failure !== undefined) return
    if (!this.#hasWork() || this.#mustGather()) return
    this.#isScheduled = true
    this.#environment.timers.defer(() => {
      this.#isScheduled = false
      void this.#writeNext()
    })
  }

  #hasWork(): boolean {
    return this.#pending.length > 0 || this.#isClaimDue
  }

  #mustGather(): boolean {
    if (!this.#isSyncing) return false
    if (this.#unsynced.length >= UNSYNCED_GROUPS_MAX) return true
    return this.#pendingBytes < OVERLAPPED_WRITE_BYTES
  }

  async #writeNext(): Promise<void> {
    if (this.#isWriting || this.#failure !== undefined || !this.#hasWork()) return
    this.#isWriting = true
    this.#idleTimer?.cancel()
    try {
      await this.#writeGroup()
    } catch (error) {
      this.fail(error)
    }
    this.#isWriting = false
    void this.#syncNext()
    this.#schedule()
  }

  async #writeGroup(): Promise<void> {
    const gathered = this.#takeItems()
    this.#taken = gathered
    const directFiles = await this.#writeDirects()
    this.#refuseBroken(gathered)
    // A failure met meanwhile has released the controls: without them the group is a torso, a
    // definition without the creations it speaks of.
    if (this.#failure !== undefined) return
    const items = gathered.filter((item) => !item.isRefused)
    if (items.length === 0 && !this.#isClaimDue) return releaseAll(directFiles)
    if (items.length === 0) this.#isClaimDue = false
    const file = await this.#writeToJournal(items)
    if (file === undefined) {
      releaseAll(directFiles)
      if (items.length === 0) this.#claimed()
      return
    }
    this.#unsynced.push({ sequence: this.#lastGroup, items, journalFile: file, directFiles })
  }

  /** Takes items in order up to a group's size, and decides whose batches are written directly. */
  #takeItems(): JournalItem[] {
    const items: JournalItem[] = []
    let bytes = 0
    let unit: AtomicUnit | undefined
    // The crash story: a creation is refused for want of room, and the definition behind it is not.
    let isCreation = false
    this.#direct.clear()
    this.#notDirect.clear()
    for (;;) {
      const item = this.#pending.peek()
      if (item === undefined) return items
      if (!item.isRefused) {
        const unitOfItem = item.kind === 'batch' ? item.unit : undefined
        const isWithin = unitOfItem !== undefined && unitOfItem === unit
        // Batches of a unit are never written directly, those before them of the same log are: the
        // unit begins the next group.
        if (!isWithin && this.#meetsDirect(unitOfItem)) return items
        unit = unitOfItem
        const journalBytes = this.#journalBytesOf(item)
        const isFull = items.length > 0 && bytes + journalBytes > this.#options.groupBytesMax
        if (isFull && !isWithin && !isCreation) return items
        isCreation = item.kind === 'control' && item.entry.kind === EntryKind.create
        bytes += journalBytes
        items.push(item)
      }
      this.#takeOne(item)
    }
  }

  /** A batch of the unit at the front of what is pending belongs to a log with direct appends. */
  #meetsDirect(unit: AtomicUnit | undefined): boolean {
    if (unit === undefined || this.#direct.size === 0) return false
    for (let index = 0; index < this.#pending.length; index++) {
      const item = this.#pending.peekAt(index)
      if (item?.kind !== 'batch' || item.unit !== unit) return false
      if (this.#direct.has(item.log)) return true
    }
    return false
  }

  /** The disk had no room for one batch of a unit: none of them may be there. */
  #refuseBroken(items: readonly JournalItem[]): void {
    for (const item of items)
      if (item.kind === 'batch' && item.unit?.isBroken === true && !item.isRefused)
        this.#hooks.onRefused(item, diskFull())
  }

  #journalBytesOf(item: JournalItem): number {
    if (item.kind === 'control') return ENTRY_BYTES + payloadBytesOf(item)
    if (item.unit !== undefined) this.#notDirect.add(item.log)
    const isDirect = this.#isDirectLog(item.log)
    if (isDirect) this.#noteDirect(item)
    return isDirect ? ENTRY_BYTES : ENTRY_BYTES + payloadBytesOf(item)
  }

  #isDirectLog(log: Log): boolean {
    if (this.#direct.has(log)) return true
    if (log.isUrgent || this.#notDirect.has(log)) return false
    return log.gatheredBytes >= this.#options.directAppendBytes
  }

  #noteDirect(batch: StoredBatch): void {
    const run = this.#direct.get(batch.log)
    if (run === undefined) this.#direct.set(batch.log, { first: batch, last: batch })
    else run.last = batch
  }

  #takeOne(item: JournalItem): void {
    this.#pending.shift()
    const bytes = payloadBytesOf(item)
    this.#pendingBytes -= bytes
    if (item.kind === 'batch') item.log.gatheredBytes -= bytes
  }

  async #writeDirects(): Promise<DirectFile[]> {
    const files: DirectFile[] = []
    for (const [log, run] of this.#direct) {
      try {
        files.push(...(await this.#hooks.writeDirect(log, run.first, run.last)))
        this.directAppends++
      } catch (error) {
        if (!isDiskFull(error)) throw error
        this.#hooks.onRefused(run.first, error)
      }
    }
    return files
  }

  /** The file it went to, or `undefined` when the disk had no room and the items were refused. */
  async #writeToJournal(items: readonly JournalItem[]): Promise<JournalFile | undefined> {
    const sequence = this.#lastGroup + 1
    try {
      const isUrgent = items.every((item) => item.kind === 'control' || item.log.isUrgent)
      const file = await this.#pool.fileFor(this.#sizeOf(items), sequence, isUrgent)
      if (items.length === 0) file.beginPage()
      const group = this.#builder.build(items, this.#isDirect, {
        sequence,
        durable: this.#durableGroup,
        wallClockMs: this.#environment.clock.now(),
        incarnation: file.header?.incarnation ?? 0,
      })
      await file.writeGroup(group, sequence)
      this.#lastGroup = sequence
      this.groupsWritten++
      this.bytesSinceCheckpoint += group.length + this.#directBytes(items)
      return file
    } catch (error) {
      if (!isDiskFull(error)) throw error
      for (const item of items) if (!item.isRefused) this.#hooks.onRefused(item, error)
      return undefined
    }
  }

  /** A recovery has to verify direct appends too: they bound its time as journal bytes do. */
  #directBytes(items: readonly JournalItem[]): number {
    if (this.#direct.size === 0) return 0
    let bytes = 0
    for (const item of items)
      if (item.kind === 'batch' && this.#isDirect(item)) bytes += item.bytes.length
    return bytes
  }

  #sizeOf(items: readonly JournalItem[]): number {
    let payload = 0
    for (const item of items)
      if (item.kind === 'control' || !this.#isDirect(item)) payload += payloadBytesOf(item)
    // An empty group may have to leave out what remains of a page.
    return groupBytes(items.length, payload) + (items.length === 0 ? PAGE_BYTES : 0)
  }

  async #syncNext(): Promise<void> {
    if (this.#isSyncing || this.#unsynced.length === 0 || this.#failure !== undefined) return
    this.#isSyncing = true
    const groups = this.#unsynced
    this.#unsynced = []
    try {
      await this.#sync(groups)
    } catch (error) {
      this.fail(error)
    }
    this.#isSyncing = false
    if (this.#failure === undefined) this.#tell(groups)
    else
      for (const group of groups)
        for (const item of group.items) releaseControl(item, this.#failure)
    void this.#syncNext()
    this.#schedule()
  }

  async #sync(groups: readonly WrittenGroup[]): Promise<void> {
    const files = new Set<DiskFile>()
    for (const group of groups) {
      files.add(group.journalFile.file)
      for (const { file } of group.directFiles) files.add(file)
    }
    const startedAt = this.#environment.clock.monotonic()
    // All of them are waited for: a sync left running could fail unseen.
    const outcomes = await Promise.allSettled([...files].map((file) => this.#syncFile(file)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    for (const group of groups) releaseAll(group.directFiles)
    this.syncs++
    this.syncLatency.add(this.#environment.clock.monotonic() - startedAt)
  }

  /** A failure is told at once: a checkpoint must not sync the file again while others are awaited. */
  async #syncFile(file: DiskFile): Promise<void> {
    try {
      await file.sync()
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  #tell(groups: readonly WrittenGroup[]): void {
    let isClaimNeeded = false
    for (const group of groups) {
      this.#durableGroup = group.sequence
      isClaimNeeded ||= group.items.length > 0
      if (group.items.length === 0 && group.sequence >= this.#claimFrom) this.#claimed()
      this.#hooks.onDurable(group.items)
    }
    if (isClaimNeeded) this.#armIdleTimer()
  }

  /**
   * The last group of a burst stands in no later header as durable. When the journal falls idle an
   * empty group says so: without it a damaged last group would pass for a torn one.
   */
  #armIdleTimer(): void {
    this.#idleTimer?.cancel()
    this.#idleTimer = this.#environment.timers.after(JOURNAL_IDLE_MS, () => {
      if (!this.isIdle) return
      this.#isClaimDue = true
      this.#schedule()
    })
  }
}

const releaseControl = (item: JournalItem | undefined, error: unknown): void => {
  if (item?.kind !== 'control' || item.isRefused) return
  item.isRefused = true
  item.refused(error)
}

const releaseAll = (files: readonly DirectFile[]): void => {
  for (const file of files) file.release()
}
