/** Whether a backup is what its manifest says, byte for byte. */
import { BrokerError } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import { readWholeFile } from '../log/small-file.ts'
import {
  MANIFEST_NAME,
  decodeManifest,
  type BackupFile,
  type BackupManifest,
} from './backup-manifest.ts'
import { sumOf } from './backup-writer.ts'

export interface BackupProblem {
  readonly file: string
  readonly problem: string
}

export interface VerifiedBackup {
  readonly manifest: BackupManifest
  readonly problems: readonly BackupProblem[]
}

/** Rejects with ERR_INVALID_ARGUMENT when there is no whole manifest. */
export const verifyBackup = async (disk: Disk, directory: string): Promise<VerifiedBackup> => {
  const manifest = await readManifest(disk, directory)
  const problems: BackupProblem[] = []
  for (const file of manifest.files) {
    const problem = await problemOf(disk, `${directory}/${file.path}`, file)
    if (problem !== undefined) problems.push({ file: file.path, problem })
  }
  return { manifest, problems }
}

const readManifest = async (disk: Disk, directory: string): Promise<BackupManifest> => {
  const refuse = (text: string): BrokerError =>
    new BrokerError('ERR_INVALID_ARGUMENT', ['backup', text])
  try {
    const manifest = decodeManifest(await readWholeFile(disk, `${directory}/${MANIFEST_NAME}`))
    if (manifest !== undefined) return manifest
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT') && !hasErrorCode(error, 'ENOTDIR')) throw error
    throw refuse(`there is no ${MANIFEST_NAME} in it`)
  }
  throw refuse(`its ${MANIFEST_NAME} is damaged, or of a version that is not known`)
}

const problemOf = async (
  disk: Disk,
  path: string,
  expected: BackupFile,
): Promise<string | undefined> => {
  try {
    const file = await disk.open(path, 'read')
    try {
      const bytes = await file.size()
      if (bytes !== expected.bytes) return `has ${bytes} bytes instead of ${expected.bytes}`
      const crc = await sumOf(file, () => Promise.resolve())
      return crc === expected.crc ? undefined : 'does not have its checksum'
    } finally {
      await file.close()
    }
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return 'is missing'
    throw error
  }
}
