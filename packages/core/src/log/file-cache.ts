/**
 * Open segment files, at most so many. A file that was written and not yet synced stays open until
 * it is: only the handle that wrote is sure to learn of a failed write-back. The bound is therefore
 * soft by the number of dirty files, which the write-behind keeps below it.
 */
import type { Disk, DiskFile } from '../environment/disk.ts'

interface CacheEntry {
  readonly file: DiskFile
  users: number
  /** Leases on parts of the file, which last as long as a peer takes to read them. */
  holds: number
  isPinned: boolean
  /** No part of the cache any more: the last who holds it closes it. */
  hasLeft: boolean
}

/** An open file that stays what it is, replaced or removed or not, until the release. */
export interface FileHold {
  readonly file: DiskFile
  release(): void
}

/** At most one in so many open files is held for peers, so that the others find room. */
const HELD_SHARE = 4

const UNHELD = { holds: 0, isPinned: false, hasLeft: false }

interface Opening {
  waiters: number
  readonly entry: Promise<CacheEntry>
}

export class FileCache {
  readonly #disk: Disk
  readonly #openFilesMax: number
  readonly #heldFilesMax: number
  readonly #entries = new Map<string, CacheEntry>()
  readonly #opening = new Map<string, Opening>()
  /** Forgotten while they had users, who still read from them. */
  readonly #leaving = new Map<string, CacheEntry>()
  /** Files that are being replaced: who wants one waits. */
  readonly #replacing = new Map<string, Promise<void>>()
  /** Told when the last user of a file that is to be replaced is done. */
  readonly #idle = new Map<string, () => void>()
  #heldCount = 0
  #leftCount = 0

  constructor(disk: Disk, openFilesMax: number) {
    this.#disk = disk
    this.#openFilesMax = openFilesMax
    this.#heldFilesMax = Math.floor(openFilesMax / HELD_SHARE)
  }

  get openCount(): number {
    return this.#entries.size + this.#leftCount
  }

  /** Files under a hold. */
  get heldCount(): number {
    return this.#heldCount
  }

  /**
   * Opens or finds a file for longer than a read takes. Unlike users, holders keep nobody waiting: a
   * file that is replaced or removed meanwhile goes on as theirs. `undefined`: too many are held.
   */
  async hold(path: string): Promise<FileHold | undefined> {
    if (this.#heldCount >= this.#heldFilesMax) return undefined
    const file = await this.acquire(path)
    const entry = this.#leaving.get(path) ?? this.#entries.get(path)
    if (entry?.file !== file) {
      this.release(path)
      return undefined
    }
    entry.holds++
    if (entry.holds === 1) this.#heldCount++
    this.release(path)
    let isReleased = false
    const release = (): void => {
      if (!isReleased) this.#endHold(entry)
      isReleased = true
    }
    return { file, release }
  }

  /** Opens or finds a file; pair with `release`. */
  async acquire(path: string, mode: 'write' | 'create' = 'write'): Promise<DiskFile> {
    for (;;) {
      const replacing = this.#replacing.get(path)
      if (replacing === undefined) break
      await replacing
    }
    const entry = this.#entries.get(path)
    if (entry === undefined) return (await this.#open(path, mode)).file
    entry.users++
    // Most recently used last: a Map keeps the order of insertion.
    this.#entries.delete(path)
    this.#entries.set(path, entry)
    return entry.file
  }

  release(path: string): void {
    const leaving = this.#leaving.get(path)
    const entry = leaving ?? this.#entries.get(path)
    if (entry === undefined) return
    entry.users--
    if (entry.users === 0) this.#idle.get(path)?.()
    if (leaving === undefined || leaving.users > 0) return
    this.#leaving.delete(path)
    // Its name is gone: what a failed close could still tell concerns nobody.
    this.#leave(leaving).catch(() => undefined)
  }

  pin(path: string, isPinned: boolean): void {
    const entry = this.#entries.get(path)
    if (entry !== undefined) entry.isPinned = isPinned
  }

  /** Closes what is idle above the bound. */
  async trim(): Promise<void> {
    for (const [path, entry] of this.#entries) {
      if (this.openCount <= this.#openFilesMax) return
      if (entry.users > 0 || entry.holds > 0 || entry.isPinned) continue
      this.#entries.delete(path)
      await entry.file.close()
    }
  }

  /**
   * Closes one file, for removal. Under a reader it is closed when the reader is done: its
   * descriptor's number could be another file's by the next read.
   */
  async forget(path: string): Promise<void> {
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    if (entry.users > 0) this.#leaving.set(path, entry)
    else await this.#leave(entry)
  }

  /** Runs `work`, which puts another file under the name, while nobody has it open. */
  async replace(path: string, work: () => Promise<void>): Promise<void> {
    let finish: () => void = () => undefined
    this.#replacing.set(path, new Promise((resolve) => (finish = resolve)))
    try {
      await this.#whenIdle(path)
      await work()
    } finally {
      this.#idle.delete(path)
      this.#replacing.delete(path)
      finish()
    }
  }

  async #whenIdle(path: string): Promise<void> {
    await this.#opening.get(path)?.entry.catch(() => undefined)
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    if (entry.users > 0) await new Promise<void>((resolve) => this.#idle.set(path, resolve))
    this.#entries.delete(path)
    await this.#leave(entry)
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const entry of entries) await this.#leave(entry)
  }

  /** It is in no map any more. */
  async #leave(entry: CacheEntry): Promise<void> {
    if (entry.holds === 0) {
      await entry.file.close()
      return
    }
    entry.hasLeft = true
    this.#leftCount++
  }

  #endHold(entry: CacheEntry): void {
    entry.holds--
    if (entry.holds > 0) return
    this.#heldCount--
    if (!entry.hasLeft) return
    this.#leftCount--
    entry.file.close().catch(() => undefined)
  }

  /** Callers that wait for one opening are counted, so that nobody closes it before they run. */
  #open(path: string, mode: 'write' | 'create'): Promise<CacheEntry> {
    const underWay = this.#opening.get(path)
    if (underWay !== undefined) {
      underWay.waiters++
      return underWay.entry
    }
    const opening: Opening = { waiters: 1, entry: this.#openEntry(path, mode) }
    this.#opening.set(path, opening)
    return opening.entry
  }

  async #openEntry(path: string, mode: 'write' | 'create'): Promise<CacheEntry> {
    try {
      await this.trim()
      const file = await this.#disk.open(path, mode)
      const entry = { file, users: this.#opening.get(path)?.waiters ?? 0, ...UNHELD }
      this.#entries.set(path, entry)
      return entry
    } finally {
      this.#opening.delete(path)
    }
  }
}
