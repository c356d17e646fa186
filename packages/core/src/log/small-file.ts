/** Whole small files: read at once, replaced so that a crash leaves the old or the new one. */
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from './disk-errors.ts'

export const parentOf = (path: string): string => {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : path.slice(0, slash) || '/'
}

/** Makes a directory with those above it that are not there; the new names are durable but the last. */
export const makeDirectoryTree = async (disk: Disk, path: string): Promise<void> => {
  try {
    await disk.makeDirectory(path)
  } catch (error) {
    const parent = parentOf(path)
    if (!hasErrorCode(error, 'ENOENT') || parent === path) throw error
    await makeDirectoryTree(disk, parent)
    await disk.syncDirectory(parentOf(parent))
    await disk.makeDirectory(path)
  }
}

export const readWholeFile = async (disk: Disk, path: string): Promise<Uint8Array> => {
  const file = await disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(await file.size())
    const count = await file.read(bytes, 0)
    return bytes.subarray(0, count)
  } finally {
    await file.close()
  }
}

export const removeIfThere = async (disk: Disk, path: string): Promise<void> => {
  try {
    await disk.remove(path)
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
}

/** Writes beside, syncs, renames, syncs the directory: the name never shows half a file. */
export const replaceFile = async (disk: Disk, path: string, bytes: Uint8Array): Promise<void> => {
  const temporary = `${path}.tmp`
  await removeIfThere(disk, temporary)
  const file = await disk.open(temporary, 'create')
  try {
    await file.write([bytes], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  await disk.syncDirectory(parentOf(path))
}

/**
 * Writes a file that can be rebuilt and is checked when read: no sync, no rename.
 */
export const writeRebuildable = async (
  disk: Disk,
  path: string,
  bytes: Uint8Array,
): Promise<void> => {
  await removeIfThere(disk, path)
  const file = await disk.open(path, 'create')
  try {
    await file.write([bytes], 0)
  } finally {
    await file.close()
  }
}
