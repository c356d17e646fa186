/**
 * The part of the journal that a backup needs: files as they are, up to the end of one group. What
 * was written behind it, perhaps not even synced, is none of it.
 */
import type { JournalFile } from '../log/journal-file.ts'
import {
  FILE_DATA_AT,
  GROUP_HEADER_BYTES,
  alignGroup,
  groupBytes,
  readGroupHeader,
} from '../log/journal-format.ts'
import { GROUP_ALIGNMENT_BYTES } from '../log/limits.ts'

/** Whether a replay that begins after `after` and ends with `through` reads the file. */
export const isNeeded = (file: JournalFile, after: number, through: number): boolean =>
  file.header !== undefined && file.header.firstGroup <= through && file.lastGroup > after

/** The bytes of the file up to the end of group `through`; it may be written to meanwhile. */
export const bytesThrough = async (file: JournalFile, through: number): Promise<Uint8Array> => {
  const { header } = file
  const bytes = new Uint8Array(Math.min(file.position, file.bytesMax))
  const count = await file.file.read(bytes, 0)
  let end = FILE_DATA_AT
  for (let at = FILE_DATA_AT; at + GROUP_HEADER_BYTES <= count && header !== undefined;) {
    const group = readGroupHeader(bytes, at, count, header.incarnation)
    if (group === undefined || group.sequence < header.firstGroup) {
      at += GROUP_ALIGNMENT_BYTES
      continue
    }
    if (group.sequence > through) break
    at = alignGroup(at + groupBytes(group.entryCount, group.payloadBytes))
    end = at
  }
  return bytes.subarray(0, Math.min(end, bytes.length))
}
