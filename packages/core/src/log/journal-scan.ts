/**
 * Looks at every journal file at boot and says what is there: the groups in order, what is missing
 * between them, and how far the journal itself claims to have been durable. It decides nothing.
 *
 * The claim is what tells a torn tail from damage: a group that some readable header calls durable
 * was acknowledged, so when it cannot be read something was lost.
 */
import type { Environment } from '../environment/environment.ts'
import { JournalFile, parseJournalFileName } from './journal-file.ts'
import {
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  alignGroup,
  decodeFileHeader,
  groupBytes,
  readEntry,
  readGroupHeader,
  EntryKind,
  type FileHeader,
  type GroupHeader,
} from './journal-format.ts'
import { GROUP_ALIGNMENT_BYTES } from './limits.ts'

export interface ScannedGroup {
  readonly file: JournalFile
  readonly at: number
  readonly header: GroupHeader
  readonly hasCheckpoint: boolean
  /** Logs that the group ends. */
  readonly tombstones: readonly number[]
  readonly trims: readonly { readonly logId: number; readonly earliest: number }[]
}

export interface JournalScan {
  /** In order of file number. */
  readonly files: readonly JournalFile[]
  readonly free: readonly JournalFile[]
  /** Something is in them and neither copy of their header is readable: kept for a person. */
  readonly unreadable: readonly JournalFile[]
  /** In order of sequence; numbers may be missing. */
  readonly groups: readonly ScannedGroup[]
  /** The last group that any readable group calls durable. */
  readonly claimedGroup: number
  readonly nextSlot: number
  readonly nextFileNumber: number
}

/** The whole of a journal file, in a buffer that the next call writes over. */
export class JournalFileBytes {
  #buffer = new Uint8Array(0)
  #held: JournalFile | undefined

  async of(file: JournalFile): Promise<Uint8Array> {
    if (this.#held !== file) {
      if (this.#buffer.length < file.bytesMax) this.#buffer = new Uint8Array(file.bytesMax)
      this.#held = undefined
      const count = await file.file.read(this.#buffer.subarray(0, file.bytesMax), 0)
      this.#buffer.fill(0, count)
      this.#held = file
    }
    return this.#buffer.subarray(0, file.bytesMax)
  }
}

export const scanJournal = async (
  environment: Environment,
  directory: string,
  fileBytes: number,
  contents: JournalFileBytes,
): Promise<JournalScan> => {
  const opened = await openFiles(environment, directory, fileBytes, contents)
  const { files, free, unreadable, nextSlot } = opened
  const groups: ScannedGroup[] = []
  for (const [index, file] of files.entries()) {
    const nextFirst = firstGroupAfter(files, index)
    scanFile(await contents.of(file), file, nextFirst, groups)
  }
  let claimedGroup = 0
  for (const group of groups) claimedGroup = Math.max(claimedGroup, group.header.durable)
  const nextFileNumber = (files[files.length - 1]?.header?.fileNumber ?? 0) + 1
  return { files, free, unreadable, groups, claimedGroup, nextSlot, nextFileNumber }
}

interface OpenedFiles {
  readonly files: JournalFile[]
  readonly free: JournalFile[]
  readonly unreadable: JournalFile[]
  readonly nextSlot: number
}

/**
 * Where the files after `index` begin: the lowest number, not the next file's. The crash story: two
 * files were begun for groups 43 and 44 while 42 was torn; the recovery gave all three up and began
 * a file at 42 again. The group 43 that still stands in the old file must not be believed.
 */
const firstGroupAfter = (files: readonly JournalFile[], index: number): number | undefined => {
  let first: number | undefined
  for (const file of files.slice(index + 1)) {
    const { firstGroup } = file.header ?? {}
    if (firstGroup !== undefined) first = Math.min(first ?? firstGroup, firstGroup)
  }
  return first
}

const openFiles = async (
  environment: Environment,
  directory: string,
  fileBytes: number,
  contents: JournalFileBytes,
): Promise<OpenedFiles> => {
  const { disk, log } = environment
  const files: JournalFile[] = []
  const free: JournalFile[] = []
  const unreadable: JournalFile[] = []
  let nextSlot = 1
  for (const name of (await disk.list(directory)).sort()) {
    const slot = parseJournalFileName(name)
    if (slot === undefined) {
      log.warn('unknown file in the journal directory is left alone', { name })
      continue
    }
    nextSlot = Math.max(nextSlot, slot + 1)
    const handle = await disk.open(`${directory}/${name}`, 'write')
    const size = await handle.size()
    const file = new JournalFile(slot, handle, size)
    const bytes = await contents.of(file)
    const header = decodeFileHeader(bytes.subarray(0, FILE_DATA_AT))
    if (header !== undefined) files.push(withHeader(file, header))
    else if (!isZero(bytes)) {
      file.isDamaged = true
      unreadable.push(file)
      log.warn('journal file without a readable header is kept out', { name })
    } else if (size >= fileBytes) free.push(file)
    else {
      // The crash story: the broker died while it made this file; it was never used.
      await handle.close()
      await disk.remove(handle.path)
    }
  }
  files.sort((left, right) => fileNumberOf(left) - fileNumberOf(right))
  return { files, free, unreadable, nextSlot }
}

const isZero = (bytes: Uint8Array): boolean => {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

const fileNumberOf = (file: JournalFile): number => file.header?.fileNumber ?? 0

const withHeader = (file: JournalFile, header: FileHeader): JournalFile => {
  file.begin(header)
  return file
}

/** Adds the file's groups; looks past what it cannot read for groups that follow. */
const scanFile = (
  bytes: Uint8Array,
  file: JournalFile,
  nextFirst: number | undefined,
  groups: ScannedGroup[],
): void => {
  const header = file.header
  if (header === undefined) return
  let expected = header.firstGroup
  for (let at = FILE_DATA_AT; at + GROUP_HEADER_BYTES <= bytes.length;) {
    const group = readGroupHeader(bytes, at, bytes.length, header.incarnation)
    const isNext = group !== undefined && group.sequence >= expected
    // A later file begins at this number: what follows here was given up by an earlier recovery.
    if (nextFirst !== undefined && (group?.sequence ?? expected) >= nextFirst) return
    if (!isNext) {
      at += GROUP_ALIGNMENT_BYTES
      continue
    }
    groups.push({ file, at, header: group, ...summaryOf(bytes, at, group) })
    file.lastGroup = group.sequence
    expected = group.sequence + 1
    at = alignGroup(at + groupBytes(group.entryCount, group.payloadBytes))
  }
}

const summaryOf = (
  bytes: Uint8Array,
  at: number,
  header: GroupHeader,
): Pick<ScannedGroup, 'hasCheckpoint' | 'tombstones' | 'trims'> => {
  let hasCheckpoint = false
  const tombstones: number[] = []
  const trims: { logId: number; earliest: number }[] = []
  for (let index = 0; index < header.entryCount; index++) {
    const entry = readEntry(bytes, at + groupBytes(index, 0))
    if (entry.kind === EntryKind.checkpoint && entry.length > 0) hasCheckpoint = true
    if (entry.kind === EntryKind.tombstone) tombstones.push(entry.logId)
    if (entry.kind === EntryKind.trim)
      trims.push({ logId: entry.logId, earliest: entry.nextOffset })
  }
  return { hasCheckpoint, tombstones, trims }
}
