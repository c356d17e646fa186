/**
 * The journal's files: the one being filled, full ones that a checkpoint has not covered yet, and
 * free ones. The next file is made while the current one fills, so that a group seldom waits for it.
 */
import type { Environment } from '../environment/environment.ts'
import { describeError, isDiskFull } from './disk-errors.ts'
import { createJournalFile, type JournalFile } from './journal-file.ts'
import { FILE_DATA_AT } from './journal-format.ts'
import { parentOf } from './small-file.ts'

const FREE_FILES_MAX = 3
/** On a full disk a file of this size still takes definitions, tombstones and checkpoints. */
const SMALL_FILE_BYTES = 262_144

export interface JournalPoolState {
  /** In order of file number; the last one is filled on. */
  readonly inUse: readonly JournalFile[]
  readonly free: readonly JournalFile[]
  readonly nextSlot: number
  readonly nextFileNumber: number
}

export class JournalPool {
  readonly #environment: Environment
  readonly #directory: string
  readonly #fileBytes: number
  readonly #inUse: JournalFile[]
  readonly #free: JournalFile[]
  #nextSlot: number
  #nextFileNumber: number
  #making: Promise<void> | undefined
  #failure: unknown
  recycledCount = 0

  constructor(
    environment: Environment,
    directory: string,
    fileBytes: number,
    state: JournalPoolState,
  ) {
    this.#environment = environment
    this.#directory = directory
    this.#fileBytes = fileBytes
    this.#inUse = [...state.inUse]
    this.#free = [...state.free]
    this.#nextSlot = state.nextSlot
    this.#nextFileNumber = state.nextFileNumber
  }

  /** Files that hold groups a recovery would need. */
  get inUseCount(): number {
    return this.#inUse.length
  }

  /** In order of file number. */
  get filesInUse(): readonly JournalFile[] {
    return this.#inUse
  }

  get bytesInUse(): number {
    return this.#inUse.reduce((bytes, file) => bytes + file.bytesMax, 0)
  }

  get hasFree(): boolean {
    return this.#free.length > 0
  }

  /**
   * The file with room for `bytes`, taking or making the next one; rejects with ENOSPC. What is
   * urgent may have a smaller file than usual rather than none.
   */
  async fileFor(bytes: number, firstGroup: number, isUrgent = false): Promise<JournalFile> {
    const current = this.#inUse[this.#inUse.length - 1]
    if (current?.hasRoomFor(bytes)) {
      if (current.position > this.#fileBytes / 2) this.makeAhead()
      return current
    }
    if (this.#making !== undefined) await this.#making
    const next = this.#takeFree(bytes) ?? (await this.#makeNow(bytes, isUrgent))
    next.begin({
      incarnation: this.#environment.random.uint32(),
      fileNumber: this.#nextFileNumber++,
      firstGroup,
    })
    this.#inUse.push(next)
    return next
  }

  /** Every group up to `group` is in synced segments: files that hold nothing later are free. */
  async recycleThrough(group: number): Promise<void> {
    for (;;) {
      const oldest = this.#inUse[0]
      if (oldest === undefined || this.#inUse.length === 1 || oldest.lastGroup > group) return
      this.#inUse.shift()
      this.recycledCount++
      if (oldest.isDamaged) await this.#putAside(oldest)
      else if (this.#free.length < FREE_FILES_MAX && oldest.isAtLeast(this.#fileBytes))
        this.#free.push(oldest)
      else await this.#remove(oldest)
    }
  }

  /** Makes one free file in the background if there is none. */
  makeAhead(): void {
    if (this.#free.length > 0 || this.#making !== undefined) return
    this.#making = this.#make(0)
      .then((file) => {
        this.#free.push(file)
      })
      .catch((error: unknown) => {
        // Only a full disk is survivable, and the group that needs the file will meet it again.
        if (!isDiskFull(error)) this.#failure = error
        this.#environment.log.warn('journal file not made', { error: describeError(error) })
      })
      .finally(() => {
        this.#making = undefined
      })
  }

  /** Rejects when making a file failed for anything but a full disk. */
  async close(): Promise<void> {
    if (this.#making !== undefined) await this.#making
    for (const file of [...this.#inUse, ...this.#free]) await file.file.close()
    // Of a file that nobody has used yet; but no failed sync is borne.
    if (this.#failure !== undefined) throw this.#failure
  }

  #takeFree(bytes: number): JournalFile | undefined {
    if (this.#failure !== undefined) throw this.#failure
    const index = this.#free.findIndex((file) => file.bytesMax >= bytes + FILE_DATA_AT)
    return index < 0 ? undefined : this.#free.splice(index, 1)[0]
  }

  async #makeNow(bytes: number, isUrgent: boolean): Promise<JournalFile> {
    try {
      return await this.#make(bytes)
    } catch (error) {
      if (!isUrgent || !isDiskFull(error)) throw error
      return this.#make(bytes, Math.min(SMALL_FILE_BYTES, this.#fileBytes))
    }
  }

  #make(bytes: number, least = this.#fileBytes): Promise<JournalFile> {
    const size = Math.max(least, bytes + FILE_DATA_AT)
    return createJournalFile(this.#environment.disk, this.#directory, this.#nextSlot++, size)
  }

  /** What a damaged file still holds may be wanted by a person: it is kept, out of the way. */
  async #putAside(file: JournalFile): Promise<void> {
    const { disk, log } = this.#environment
    const name = `journal-${file.header?.fileNumber ?? 0}-${file.slot}`
    const target = `${this.#quarantine}/${name}`
    await file.file.close()
    await disk.makeDirectory(this.#quarantine)
    await disk.rename(file.file.path, target)
    await disk.syncDirectory(this.#quarantine)
    log.warn('damaged journal file put aside', { target })
  }

  get #quarantine(): string {
    return `${parentOf(this.#directory)}/quarantine`
  }

  async #remove(file: JournalFile): Promise<void> {
    await file.file.close()
    await this.#environment.disk.remove(file.file.path)
  }
}
