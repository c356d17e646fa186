/**
 * Finds in journal files the groups that another group claims durable: those whose damage a recovery
 * must tell from a torn tail. It reads only as much of the format as it needs (`docs/storage.md`).
 */
import { readUint32, readUint64 } from '@millrace/codec'

const ALIGNMENT_BYTES = 512
const FILE_DATA_AT = 8192
const FILE_MAGIC = [0x4d, 0x52, 0x4a, 0x4f, 0x55, 0x52, 0x4e, 0x4c]
const GROUP_MAGIC = 0x4d524750
const GROUP_HEADER_BYTES = 48
const ENTRY_BYTES = 64

export interface JournalGroup {
  readonly path: string
  readonly position: number
  readonly byteLength: number
  readonly sequence: number
  readonly durable: number
}

const groupsIn = (path: string, bytes: Uint8Array): JournalGroup[] => {
  const groups: JournalGroup[] = []
  if (FILE_MAGIC.some((byte, index) => bytes[index] !== byte)) return groups
  const firstGroup = readUint64(bytes, 24)
  let position = FILE_DATA_AT
  while (position + GROUP_HEADER_BYTES <= bytes.length) {
    const isGroup = readUint32(bytes, position) === GROUP_MAGIC
    const sequence = isGroup ? readUint64(bytes, position + 8) : -1
    // Groups of an earlier use of the file have lower numbers; an empty group begins at a page.
    if (sequence !== firstGroup + groups.length) {
      position += ALIGNMENT_BYTES
      continue
    }
    const entriesBytes = ENTRY_BYTES * readUint32(bytes, position + 24)
    const byteLength = GROUP_HEADER_BYTES + entriesBytes + readUint32(bytes, position + 28)
    groups.push({ path, position, byteLength, sequence, durable: readUint64(bytes, position + 16) })
    position = ALIGNMENT_BYTES * Math.ceil((position + byteLength) / ALIGNMENT_BYTES)
  }
  return groups
}

/** Groups that two others at least claim durable, so that no single damage takes the claim away. */
export const claimedGroups = (
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): JournalGroup[] => {
  const groups = files.flatMap(({ path, bytes }) => groupsIn(path, bytes))
  return groups.filter(
    (group) => groups.filter((other) => other.durable >= group.sequence).length >= 2,
  )
}
