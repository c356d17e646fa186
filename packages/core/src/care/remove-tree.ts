/** Removes a directory with all in it: of a backup that came to nothing. */
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'

export const removeTree = async (disk: Disk, directory: string): Promise<void> => {
  let names: string[]
  try {
    names = await disk.list(directory)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return
    throw error
  }
  for (const name of names) {
    const path = `${directory}/${name}`
    try {
      await disk.remove(path)
    } catch (error) {
      // What cannot be removed as a file is a directory: EISDIR here, EPERM elsewhere.
      if (hasErrorCode(error, 'ENOENT')) continue
      await removeTree(disk, path)
    }
  }
  await disk.removeDirectory(directory)
}
