/**
 * The data directory's format version and identity (`meta.json`).
 *
 * The ritual for changing anything on disk (journal, checkpoint, segment, index, metadata record):
 * 1. write an ADR with the reason and the byte layout;
 * 2. raise DATA_FORMAT_VERSION here and keep the code that reads the version before it, or write
 *    `migrate-N.ts` that rewrites a closed directory of version N into N+1 beside the old one;
 * 3. commit a directory written by the old version under `test/fixtures/format-N` and a test that
 *    opens it;
 * 4. say in CHANGELOG, under Upgrading, that the previous release refuses the new directory.
 * Additive changes count too: an older broker must refuse what it would misread.
 */
import { BrokerError, utf8Decode, utf8Encode } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode } from './disk-errors.ts'
import { readWholeFile, replaceFile } from './small-file.ts'

export const DATA_FORMAT_VERSION = 1

export interface DirectoryIdentity {
  readonly format: number
  /** Names this directory for good: 128 random bits in hex. */
  readonly directoryId: string
  readonly createdAtMs: number
}

const hexOf = (value: number): string => value.toString(16).padStart(8, '0')

export const newIdentity = (environment: Environment): DirectoryIdentity => {
  const random = environment.random
  const words = [random.uint32(), random.uint32(), random.uint32(), random.uint32()]
  return {
    format: DATA_FORMAT_VERSION,
    directoryId: words.map(hexOf).join(''),
    createdAtMs: environment.clock.now(),
  }
}

export const parseIdentity = (text: string): DirectoryIdentity => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new BrokerError('ERR_DATA_FORMAT', ['unreadable', DATA_FORMAT_VERSION], { cause })
  }
  const identity = value as Partial<DirectoryIdentity> | null
  const format = identity?.format
  if (format !== DATA_FORMAT_VERSION || typeof identity?.directoryId !== 'string')
    throw new BrokerError('ERR_DATA_FORMAT', [String(format), DATA_FORMAT_VERSION])
  return identity as DirectoryIdentity
}

/**
 * Reads the identity, or gives a directory that has none its first. A directory with logs or a
 * journal but without `meta.json` is not new: somebody removed the file, and guessing a version
 * could misread every byte.
 */
export const openIdentity = async (
  directory: string,
  environment: Environment,
): Promise<DirectoryIdentity> => {
  const path = `${directory}/meta.json`
  try {
    return parseIdentity(utf8Decode(await readWholeFile(environment.disk, path)))
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
  const names = await environment.disk.list(directory)
  for (const name of ['journal', 'logs'])
    if (names.includes(name) && (await holdsFiles(environment, `${directory}/${name}`)))
      throw new BrokerError('ERR_DATA_FORMAT', ['missing (meta.json is gone)', DATA_FORMAT_VERSION])
  const identity = newIdentity(environment)
  await replaceFile(environment.disk, path, utf8Encode(`${JSON.stringify(identity, null, 2)}\n`))
  return identity
}

const holdsFiles = async (environment: Environment, directory: string): Promise<boolean> =>
  (await environment.disk.list(directory)).length > 0
