/** A backup of a directory that no broker has open: its files as they are. */
import { BrokerError, utf8Decode } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import { parseIdentity } from '../log/format.ts'
import { readWholeFile } from '../log/small-file.ts'
import { BACKUP_FORMAT, checkBackupName, isBackupPath } from './backup-manifest.ts'
import { BackupWriter } from './backup-writer.ts'
import type { BackupReport } from './reports.ts'

export const backUpStopped = async (
  environment: Environment,
  directory: string,
  target: string,
): Promise<BackupReport> => {
  const { disk, clock } = environment
  const startedAt = clock.monotonic()
  const name = target.slice(target.lastIndexOf('/') + 1)
  checkBackupName(name)
  if (await isThere(disk, target))
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['to', 'something of that name is there'])
  const lock = await disk.lock(directory)
  const writer = new BackupWriter(disk, target, () => Promise.resolve())
  try {
    const meta = await readWholeFile(disk, `${directory}/meta.json`)
    const { directoryId } = parseIdentity(utf8Decode(meta))
    await writer.begin()
    for (const path of await pathsIn(disk, directory))
      await writer.copy(`${directory}/${path}`, path)
    const createdAtMs = clock.now()
    await writer.finish({ format: BACKUP_FORMAT, name, createdAtMs, directoryId, group: 0 })
  } catch (error) {
    await writer.abandon().catch(() => undefined)
    throw error
  } finally {
    await lock.release()
  }
  const durationMs = clock.monotonic() - startedAt
  return { name, path: target, files: writer.fileCount, bytes: writer.bytes, durationMs }
}

/** The files that a broker knows; whatever else lies there is not its data. */
const pathsIn = async (disk: Disk, directory: string): Promise<string[]> => {
  const paths = [...(await namesIn(disk, directory))]
  for (const name of await namesIn(disk, `${directory}/journal`)) paths.push(`journal/${name}`)
  for (const id of await namesIn(disk, `${directory}/logs`))
    for (const name of await namesIn(disk, `${directory}/logs/${id}`))
      paths.push(`logs/${id}/${name}`)
  return paths.filter(isBackupPath)
}

const namesIn = async (disk: Disk, directory: string): Promise<string[]> => {
  try {
    return await disk.list(directory)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT') || hasErrorCode(error, 'ENOTDIR')) return []
    throw error
  }
}

const isThere = async (disk: Disk, path: string): Promise<boolean> => {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/'))) || '/'
  return (await disk.list(parent)).includes(path.slice(path.lastIndexOf('/') + 1))
}
