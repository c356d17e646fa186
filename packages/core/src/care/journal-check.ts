/**
 * Looks at the journal's bytes for damage, also where a recovery has no use for them any more: what is
 * unreadable there today says that the disk cannot be trusted. What it costs, the recovery says.
 */
import { crc32c } from '@millrace/codec'
import type { Environment } from '../environment/environment.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import type { JournalFile } from '../log/journal-file.ts'
import {
  EntryKind,
  FILE_DATA_AT,
  HEADER_COPY_AT,
  PAYLOAD_SKIPPED_BYTES,
  decodeFileHeader,
  groupBytes,
  readEntry,
} from '../log/journal-format.ts'
import {
  JournalFileBytes,
  scanJournal,
  type JournalScan,
  type ScannedGroup,
} from '../log/journal-scan.ts'
import type { BackupProblem } from './backup-verify.ts'

/** `environment` has an overlay for a disk: the scan removes files that were never finished. */
export const checkJournal = async (
  environment: Environment,
  directory: string,
): Promise<BackupProblem[]> => {
  const contents = new JournalFileBytes()
  const problems: BackupProblem[] = []
  const scan = await scanJournalIfThere(environment, `${directory}/journal`, contents)
  if (scan === undefined) return [{ file: 'journal', problem: 'is missing' }]
  const note = (file: JournalFile, problem: string): void => {
    problems.push({ file: `journal/${file.file.path.split('/').pop() ?? ''}`, problem })
  }
  for (const file of scan.files)
    // One that was begun and whose first group nothing claims may be torn from its header on.
    if ((file.header?.firstGroup ?? Infinity) <= scan.claimedGroup)
      for (const problem of headerProblems(await contents.of(file))) note(file, problem)
  for (const { file, problem } of missingGroups(scan)) note(file, problem)
  for (const group of scan.groups) {
    const { sequence } = group.header
    // What nothing claims durable may be torn.
    if (sequence <= scan.claimedGroup && !isWhole(await contents.of(group.file), group))
      note(group.file, `group ${sequence} holds damaged bytes`)
  }
  return problems
}

interface MissingGroups {
  readonly file: JournalFile
  readonly problem: string
}

const missingGroups = (scan: JournalScan): MissingGroups[] => {
  const found: MissingGroups[] = []
  const [first] = scan.files
  if (first === undefined) return found
  const note = (from: number, to: number, next: JournalFile | undefined): void => {
    if (from > to || from > scan.claimedGroup) return
    const file = holderOf(scan.files, from) ?? first
    const isFileGone = next !== undefined && !isNextOf(scan.files, file, next)
    // A file that a checkpoint let go is gone with its groups; one that was needed shows in a start.
    if (!isFileGone) found.push({ file, problem: missing(from, to) })
    else for (const each of scan.unreadable) found.push({ file: each, problem: missing(from, to) })
  }
  // A group that the first file begins with may be unreadable too.
  let expected = first.header?.firstGroup ?? 0
  for (const { file, header } of scan.groups) {
    note(expected, header.sequence - 1, file)
    expected = header.sequence + 1
  }
  note(expected, scan.claimedGroup, undefined)
  return found
}

/** Whether all files that were begun between two are there. */
const isNextOf = (files: readonly JournalFile[], file: JournalFile, next: JournalFile): boolean => {
  const numberOf = (each: JournalFile): number => each.header?.fileNumber ?? 0
  const distance = files.indexOf(next) - files.indexOf(file)
  return distance === numberOf(next) - numberOf(file)
}

const scanJournalIfThere = async (
  environment: Environment,
  directory: string,
  contents: JournalFileBytes,
): Promise<JournalScan | undefined> => {
  try {
    return await scanJournal(environment, directory, 1, contents)
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const headerProblems = (bytes: Uint8Array): string[] => {
  const problems: string[] = []
  if (decodeFileHeader(bytes.subarray(0, HEADER_COPY_AT)) === undefined)
    problems.push('the first copy of its header is damaged')
  if (decodeFileHeader(bytes.subarray(HEADER_COPY_AT, FILE_DATA_AT)) === undefined)
    problems.push('the second copy of its header is damaged')
  return problems
}

const missing = (from: number, to: number): string =>
  from === to ? `group ${from} is unreadable` : `groups ${from} to ${to} are unreadable`

/** The file that begins at or before a group, and the next one behind it. */
const holderOf = (files: readonly JournalFile[], group: number): JournalFile | undefined =>
  [...files].reverse().find(({ header }) => (header?.firstGroup ?? Infinity) <= group)

const isWhole = (bytes: Uint8Array, { at, header }: ScannedGroup): boolean => {
  const payloadAt = at + groupBytes(header.entryCount, 0)
  const payload = bytes.subarray(payloadAt, payloadAt + header.payloadBytes)
  for (let index = 0; index < header.entryCount; index++) {
    const entry = readEntry(bytes, at + groupBytes(index, 0))
    const isBatch = entry.kind === EntryKind.append
    if (!isBatch && entry.kind !== EntryKind.checkpoint) continue
    const length = isBatch ? entry.length - PAYLOAD_SKIPPED_BYTES : entry.length
    const end = entry.payloadAt + length
    if (length < 0 || end > payload.length) return false
    if (length > 0 && crc32c(payload.subarray(entry.payloadAt, end)) !== entry.crc) return false
  }
  return true
}
