/**
 * `backup.json`: what a backup is of, and every file in it with its length and CRC-32C. Written last,
 * so that a backup without it is none.
 *
 * Its own checksum covers the JSON text of all the rest, so that a damaged manifest is not believed.
 */
import { BrokerError, crc32c, utf8Decode, utf8Encode } from '@millrace/codec'
import { BACKUP_NAME_CHARACTERS_MAX } from './limits.ts'

export const BACKUP_FORMAT = 1
export const MANIFEST_NAME = 'backup.json'

export interface BackupFile {
  /** Below the backup, with `/`: one of the names that a data directory has. */
  readonly path: string
  readonly bytes: number
  readonly crc: number
}

export interface BackupManifest {
  readonly format: number
  readonly name: string
  readonly createdAtMs: number
  /** The directory it was taken of. */
  readonly directoryId: string
  /** The last group of the journal that it holds; 0 for one of a stopped broker. */
  readonly group: number
  readonly files: readonly BackupFile[]
}

const PATHS = [
  /^meta\.json$/,
  /^(metadata|producers)\.snapshot$/,
  /^journal\/\d{6,12}\.journal$/,
  /^logs\/\d{1,15}\/\d{20}\.(log|index|timeindex|crc)$/,
]

/** Nothing else belongs into a data directory, and nothing leads out of it. */
export const isBackupPath = (path: string): boolean => PATHS.some((pattern) => pattern.test(path))

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** A name that a peer chose becomes a name of a directory and nothing else. */
export const checkBackupName = (name: string): void => {
  const isGood =
    NAME.test(name) && name.length <= BACKUP_NAME_CHARACTERS_MAX && !name.endsWith('.partial')
  if (isGood) return
  const rule = `1 to ${BACKUP_NAME_CHARACTERS_MAX} of A-Z a-z 0-9 . _ - beginning with a letter or digit`
  throw new BrokerError('ERR_INVALID_ARGUMENT', ['name', rule])
}

const checksumOf = (manifest: BackupManifest): number =>
  crc32c(utf8Encode(JSON.stringify(manifest)))

export const encodeManifest = (manifest: BackupManifest): Uint8Array => {
  const checked = { ...manifest, checksum: checksumOf(manifest) }
  return utf8Encode(`${JSON.stringify(checked, null, 2)}\n`)
}

const isFile = (file: unknown): file is BackupFile => {
  const { path, bytes, crc } = (file ?? {}) as Partial<BackupFile>
  return (
    typeof path === 'string' &&
    isBackupPath(path) &&
    Number.isSafeInteger(bytes) &&
    (bytes as number) >= 0 &&
    Number.isSafeInteger(crc)
  )
}

/** `undefined` for what is not a whole manifest of a format that is known. */
export const decodeManifest = (bytes: Uint8Array): BackupManifest | undefined => {
  try {
    const parsed = JSON.parse(utf8Decode(bytes)) as BackupManifest & { checksum: number }
    const { checksum, ...manifest } = parsed
    if (manifest.format !== BACKUP_FORMAT || !Array.isArray(manifest.files)) return undefined
    if (checksumOf(manifest) !== checksum || !manifest.files.every(isFile)) return undefined
    return manifest
  } catch {
    return undefined
  }
}
