/**
 * A data directory from a backup. Everything is verified before the first byte is written, and copied:
 * the backup stays as it is. The new directory gets an identity of its own, so that nobody takes it
 * for the one that the backup was made of. `meta.json` comes last: what dies before leaves a directory
 * that no broker opens.
 */
import { BrokerError, utf8Decode, utf8Encode } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { newIdentity, parseIdentity } from '../log/format.ts'
import { parentOf, readWholeFile, replaceFile } from '../log/small-file.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { verifyBackup, type BackupProblem } from './backup-verify.ts'
import { CHECK_WINDOW_BYTES } from './limits.ts'

export interface RestoreReport {
  readonly manifest: BackupManifest
  /** When there are any, nothing was written. */
  readonly problems: readonly BackupProblem[]
  readonly directoryId: string
  readonly bytes: number
}

const IDENTITY = 'meta.json'

export const restoreBackup = async (
  environment: Environment,
  from: string,
  directory: string,
): Promise<RestoreReport> => {
  const { disk } = environment
  const { manifest, problems } = await verifyBackup(disk, from)
  if (problems.length > 0) return { manifest, problems, directoryId: '', bytes: 0 }
  const before = parseIdentity(utf8Decode(await readWholeFile(disk, `${from}/${IDENTITY}`)))
  await disk.makeDirectory(directory)
  if ((await disk.list(directory)).length > 0)
    throw new BrokerError('ERR_INVALID_ARGUMENT', ['data-dir', 'the directory is not empty'])
  await disk.syncDirectory(parentOf(directory))
  const lock = await disk.lock(directory)
  try {
    const bytes = await copyFiles(environment, manifest, from, directory)
    const identity = {
      ...newIdentity(environment),
      restoredFrom: { directoryId: before.directoryId, backup: manifest.name },
    }
    const text = `${JSON.stringify(identity, null, 2)}\n`
    await replaceFile(disk, `${directory}/${IDENTITY}`, utf8Encode(text))
    return { manifest, problems, directoryId: identity.directoryId, bytes }
  } finally {
    await lock.release()
  }
}

const copyFiles = async (
  { disk }: Environment,
  manifest: BackupManifest,
  from: string,
  to: string,
): Promise<number> => {
  const directories = new Set<string>([to])
  let total = 0
  for (const { path, bytes } of manifest.files) {
    if (path === IDENTITY) continue
    let directory = to
    for (const name of path.split('/').slice(0, -1)) {
      directory += `/${name}`
      if (!directories.has(directory)) await disk.makeDirectory(directory)
      directories.add(directory)
    }
    await copyFile(disk, `${from}/${path}`, `${to}/${path}`)
    total += bytes
  }
  for (const directory of directories) await disk.syncDirectory(directory)
  return total
}

const copyFile = async (
  disk: Environment['disk'],
  source: string,
  target: string,
): Promise<void> => {
  const from = await disk.open(source, 'read')
  try {
    const file = await disk.open(target, 'create')
    try {
      const window = new Uint8Array(CHECK_WINDOW_BYTES)
      for (let at = 0; ;) {
        const count = await from.read(window, at)
        if (count === 0) break
        await file.write([window.subarray(0, count)], at)
        at += count
      }
      await file.sync()
    } finally {
      await file.close()
    }
  } finally {
    await from.close()
  }
}
