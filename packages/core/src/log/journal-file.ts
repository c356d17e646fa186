/**
 * One journal file: a fixed length of zeros, filled with groups from the front, used again after a
 * checkpoint. It knows positions and syncs; it knows nothing of what a group means.
 */
import type { Disk, DiskFile } from '../environment/disk.ts'
import { hasErrorCode } from './disk-errors.ts'
import {
  FILE_DATA_AT,
  alignGroup,
  alignPage,
  encodeFileHeader,
  type FileHeader,
} from './journal-format.ts'

const ZEROS_BYTES = 1_048_576
const NAME = /^(\d{6,12})\.journal$/

export const journalFileName = (slot: number): string => `${String(slot).padStart(6, '0')}.journal`

export const parseJournalFileName = (name: string): number | undefined => {
  const match = NAME.exec(name)
  return match === null ? undefined : Number(match[1])
}

export class JournalFile {
  readonly slot: number
  readonly file: DiskFile
  readonly bytesMax: number
  header: FileHeader | undefined
  /** Where the next group goes. */
  position = FILE_DATA_AT
  /** Recovery found a damaged group in it: it is put aside, never used again. */
  isDamaged = false
  /** The last group in it; 0 when there is none. */
  lastGroup = 0

  constructor(slot: number, file: DiskFile, bytesMax: number) {
    this.slot = slot
    this.file = file
    this.bytesMax = bytesMax
  }

  hasRoomFor(bytes: number): boolean {
    return this.position + bytes <= this.bytesMax
  }

  /** A file of the pool's size or larger is worth keeping for another use. */
  isAtLeast(bytes: number): boolean {
    return this.bytesMax >= bytes
  }

  /** Begins a new use: the header goes out with the first group. */
  begin(header: FileHeader): void {
    this.header = header
    this.position = FILE_DATA_AT
    this.lastGroup = 0
  }

  /** The next group begins in a page of its own. */
  beginPage(): void {
    this.position = alignPage(this.position)
  }

  /**
   * Writes a whole group. On rejection the position has not moved: what part of it may stand there
   * is written over by the next one.
   */
  async writeGroup(group: Uint8Array, sequence: number): Promise<void> {
    const isFirst = this.position === FILE_DATA_AT && this.header !== undefined
    if (isFirst && this.header !== undefined)
      await this.file.write([encodeFileHeader(this.header), group], 0)
    else await this.file.write([group], this.position)
    this.position = alignGroup(this.position + group.length)
    this.lastGroup = sequence
  }
}

/**
 * Makes a file of zeros, durable with its name: later syncs then flush data only. Fails with ENOSPC
 * leaving nothing behind.
 */
export const createJournalFile = async (
  disk: Disk,
  directory: string,
  slot: number,
  bytes: number,
): Promise<JournalFile> => {
  const path = `${directory}/${journalFileName(slot)}`
  const file = await disk.open(path, 'create')
  try {
    const zeros = new Uint8Array(Math.min(ZEROS_BYTES, bytes))
    for (let at = 0; at < bytes; at += zeros.length)
      await file.write([zeros.subarray(0, Math.min(zeros.length, bytes - at))], at)
    await file.sync()
    await disk.syncDirectory(directory)
    return new JournalFile(slot, file, bytes)
  } catch (error) {
    await discard(disk, file)
    throw error
  }
}

const discard = async (disk: Disk, file: DiskFile): Promise<void> => {
  await file.close()
  try {
    await disk.remove(file.path)
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error
  }
}
