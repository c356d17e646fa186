/**
 * A disk whose data syncs take a given time longer, as on a machine with slower storage. Stands in
 * the bench only: it wraps the environment that the broker is handed.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Disk, DiskFile } from '@millrace/core'

export const slowFile = (file: DiskFile, syncDelayMs: number): DiskFile => ({
  path: file.path,
  read: (target, position) => file.read(target, position),
  write: (parts, position) => file.write(parts, position),
  sync: async () => {
    await file.sync()
    await wait(syncDelayMs)
  },
  truncate: (bytes) => file.truncate(bytes),
  size: () => file.size(),
  close: () => file.close(),
})

export const slowDisk = (disk: Disk, syncDelayMs: number): Disk => ({
  open: async (path, mode) => slowFile(await disk.open(path, mode), syncDelayMs),
  makeDirectory: (path) => disk.makeDirectory(path),
  list: (path) => disk.list(path),
  rename: (source, target) => disk.rename(source, target),
  link: (existing, name) => disk.link(existing, name),
  remove: (path) => disk.remove(path),
  removeDirectory: (path) => disk.removeDirectory(path),
  syncDirectory: (path) => disk.syncDirectory(path),
  sizeOf: (path) => disk.sizeOf(path),
  freeBytes: (path) => disk.freeBytes(path),
  lock: (directory) => disk.lock(directory),
})
