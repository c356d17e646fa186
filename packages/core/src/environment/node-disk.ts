/**
 * The real disk, over `node:fs` with the thread pool. One of the two files of this package that
 * touch the operating system.
 *
 * Short reads and writes are continued here, so that callers see whole ones. Nothing is retried
 * after an error: a failed sync has to stop the process (STORAGE 2).
 *
 * Syncs of one file, and of one directory, run one after the other, and what waits for one that fails
 * fails with it: of two at once the kernel tells only one of the failure, and the other's success would
 * be believed. A file is never synced again after a failure.
 */
import fs from 'node:fs'
import { BrokerError } from '@millrace/codec'
import type { Disk, DiskFile, DiskLock, OpenMode } from './disk.ts'
import { lockDirectory } from './node-directory-lock.ts'

const openFlags: Record<OpenMode, string> = { read: 'r', write: 'r+', create: 'wx+' }

const totalBytes = (parts: readonly Uint8Array[]): number => {
  let bytes = 0
  for (const part of parts) bytes += part.length
  return bytes
}

/** What is left of `parts` after the first `written` bytes. */
const remainder = (parts: readonly Uint8Array[], written: number): Uint8Array[] => {
  const rest: Uint8Array[] = []
  let skip = written
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length
    else {
      rest.push(skip === 0 ? part : part.subarray(skip))
      skip = 0
    }
  }
  return rest
}

class NodeDiskFile implements DiskFile {
  readonly path: string
  readonly descriptor: number
  /** Ends with the last sync asked for; stays rejected once one has failed. */
  #synced: Promise<void> = Promise.resolve()

  constructor(path: string, descriptor: number) {
    this.path = path
    this.descriptor = descriptor
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        fs.read(
          this.descriptor,
          target,
          done,
          target.length - done,
          position + done,
          (error, count) => {
            if (error) reject(error)
            else if (count === 0 || done + count === target.length) resolve(done + count)
            else step(done + count)
          },
        )
      }
      if (target.length === 0) resolve(0)
      else step(0)
    })
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const only = parts[0]
    if (parts.length === 1 && only !== undefined) return this.#writeOne(only, position)
    return new Promise((resolve, reject) => {
      const total = totalBytes(parts)
      const step = (rest: readonly Uint8Array[], done: number): void => {
        fs.writev(this.descriptor, rest as Uint8Array[], position + done, (error, count) => {
          if (error) reject(error)
          else if (done + count === total) resolve()
          else step(remainder(rest, count), done + count)
        })
      }
      if (total === 0) resolve()
      else step(parts, 0)
    })
  }

  #writeOne(bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        fs.write(
          this.descriptor,
          bytes,
          done,
          bytes.length - done,
          position + done,
          (error, count) => {
            if (error) reject(error)
            else if (done + count === bytes.length) resolve()
            else step(done + count)
          },
        )
      }
      step(0)
    })
  }

  sync(): Promise<void> {
    this.#synced = this.#synced.then(() => this.#syncNow())
    return this.#synced
  }

  #syncNow(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.descriptor, (error) => (error ? reject(error) : resolve()))
    })
  }

  truncate(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.descriptor, bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.descriptor, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.descriptor, (error) => (error ? reject(error) : resolve()))
    })
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  (error as { code?: unknown } | null)?.code === code

const syncDirectoryNow = async (path: string): Promise<void> => {
  const directory = await fs.promises.open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

class NodeDisk implements Disk {
  /** The last sync asked for of each directory that has one under way. */
  readonly #syncedDirectories = new Map<string, Promise<void>>()

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, openFlags[mode], 0o640, (error, descriptor) =>
        error ? reject(error) : resolve(new NodeDiskFile(path, descriptor)),
      )
    })
  }

  async makeDirectory(path: string): Promise<void> {
    try {
      await fs.promises.mkdir(path, { mode: 0o750 })
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  }

  list(path: string): Promise<string[]> {
    return fs.promises.readdir(path)
  }

  rename(source: string, target: string): Promise<void> {
    return fs.promises.rename(source, target)
  }

  link(source: string, target: string): Promise<void> {
    return fs.promises.link(source, target)
  }

  remove(path: string): Promise<void> {
    return fs.promises.unlink(path)
  }

  removeDirectory(path: string): Promise<void> {
    return fs.promises.rmdir(path)
  }

  async syncDirectory(path: string): Promise<void> {
    const before = this.#syncedDirectories.get(path) ?? Promise.resolve()
    const synced = before.then(() => syncDirectoryNow(path))
    this.#syncedDirectories.set(path, synced)
    try {
      await synced
    } finally {
      if (this.#syncedDirectories.get(path) === synced) this.#syncedDirectories.delete(path)
    }
  }

  async sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await fs.promises.stat(path)).size
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  async freeBytes(path: string): Promise<number> {
    const stats = await fs.promises.statfs(path)
    return stats.bavail * stats.bsize
  }

  async lock(directory: string): Promise<DiskLock> {
    const outcome = await lockDirectory(directory)
    if (outcome.kind === 'taken') throw new BrokerError('ERR_DIRECTORY_LOCKED', [outcome.holder])
    return { release: outcome.release }
  }
}

export const createNodeDisk = (): Disk => new NodeDisk()
