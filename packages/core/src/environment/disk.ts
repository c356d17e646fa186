/**
 * The disk as the engine sees it: positioned reads and writes, data syncs, directory syncs.
 *
 * What a call promises, and no more:
 * - `write` hands bytes to the operating system. After a crash any subset of unsynced writes may be
 *   there, torn at any sector.
 * - `sync` (fdatasync) makes every write that completed before it was called durable, with the
 *   file's length.
 * - A created, renamed or removed name is durable only after `syncDirectory` of its parent.
 *
 * A call fails by rejecting with an error whose `code` is the operating system's (`ENOSPC`, `EIO`,
 * `ENOENT`, `EEXIST`, …). Paths use `/` and are relative to nothing: the caller passes whole paths.
 */
export interface DiskFile {
  readonly path: string
  /** The operating system's, where it is one of its files: for system calls that Node does not have. */
  readonly descriptor?: number
  /** Reads into `target` from `position`; resolves with the count, short only at the file's end. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes all parts one after the other from `position`, whole or rejected. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync. After a rejection nothing may be assumed of any write: never call it again. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** `read`: existing, read only. `write`: existing, read and write. `create`: new, fails on EEXIST. */
export type OpenMode = 'read' | 'write' | 'create'

export interface DiskLock {
  release(): Promise<void>
}

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  /** Makes one directory; resolves when it already exists. */
  makeDirectory(path: string): Promise<void>
  /** The names in a directory, in no order. Rejects with ENOENT when there is none. */
  list(path: string): Promise<string[]>
  rename(source: string, target: string): Promise<void>
  /**
   * Gives a file a second name. Rejects with EEXIST when the name is taken, with EXDEV, EPERM or
   * ENOTSUP where the file system has no such thing.
   */
  link(source: string, target: string): Promise<void>
  /** Removes a file. */
  remove(path: string): Promise<void>
  /** Removes an empty directory. */
  removeDirectory(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  /** The size of a file in bytes, or `undefined` when there is none. */
  sizeOf(path: string): Promise<number | undefined>
  /** Bytes an unprivileged process may still write to the file system of `path`. */
  freeBytes(path: string): Promise<number>
  /**
   * Takes the directory for this process until it is released or the process dies. Rejects with
   * ERR_DIRECTORY_LOCKED (a BrokerError) naming the holder when it is taken.
   */
  lock(directory: string): Promise<DiskLock>
}
