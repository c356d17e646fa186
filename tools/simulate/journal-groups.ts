/**
 * Reads as much of journal files as damage needs to be done with care (`docs/storage.md` has the
 * format): which groups another group claims durable, and where the direct appends of others stand.
 *
 * The last group written is claimed by no one yet. Damage to it cannot be told from a torn write, not
 * by any recovery, so the simulator does not do it.
 */
import { crc32c, readUint32, readUint64 } from '@millrace/codec'

const ALIGNMENT_BYTES = 512
const FILE_MAGIC = [0x4d, 0x52, 0x4a, 0x4f, 0x55, 0x52, 0x4e, 0x4c]
const INCARNATION_AT = 12
const GROUP_MAGIC = 0x4d524750
const GROUP_HEADER_BYTES = 48
const ENTRY_BYTES = 64
const MARKER_KIND = 2

export interface JournalBytes {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Where a direct append has put its batch. */
export interface MarkedPlace {
  readonly logId: number
  readonly segmentBase: number
  readonly position: number
}

export interface JournalGroup {
  readonly path: string
  readonly position: number
  readonly byteLength: number
  readonly sequence: number
  readonly durable: number
  readonly marked: readonly MarkedPlace[]
}

const markedIn = (bytes: Uint8Array, position: number, entryCount: number): MarkedPlace[] => {
  const places: MarkedPlace[] = []
  for (let index = 0; index < entryCount; index++) {
    const at = position + GROUP_HEADER_BYTES + ENTRY_BYTES * index
    if (at + ENTRY_BYTES > bytes.length || bytes[at] !== MARKER_KIND) continue
    const logId = readUint64(bytes, at + 8)
    places.push({
      logId,
      segmentBase: readUint64(bytes, at + 32),
      position: readUint32(bytes, at + 40),
    })
  }
  return places
}

/** `undefined` when there is none, or one whose header or entries are torn. */
const groupAt = ({ path, bytes }: JournalBytes, position: number): JournalGroup | undefined => {
  if (readUint32(bytes, position) !== GROUP_MAGIC) return undefined
  const entryCount = readUint32(bytes, position + 24)
  const end = position + GROUP_HEADER_BYTES + ENTRY_BYTES * entryCount
  if (end > bytes.length) return undefined
  const crc = crc32c(bytes.subarray(position + 8, end), readUint32(bytes, INCARNATION_AT))
  if (crc !== readUint32(bytes, position + 4)) return undefined
  const payloadBytes = readUint32(bytes, position + 28)
  return {
    path,
    position,
    byteLength: GROUP_HEADER_BYTES + ENTRY_BYTES * entryCount + payloadBytes,
    sequence: readUint64(bytes, position + 8),
    durable: readUint64(bytes, position + 16),
    marked: markedIn(bytes, position, entryCount),
  }
}

/** The groups of the present use of a file: those of an earlier one have lower numbers. */
const groupsIn = (file: JournalBytes): JournalGroup[] => {
  const { bytes } = file
  const groups: JournalGroup[] = []
  if (FILE_MAGIC.some((byte, index) => bytes[index] !== byte)) return groups
  const firstGroup = readUint64(bytes, 24)
  let position = ALIGNMENT_BYTES
  while (position + GROUP_HEADER_BYTES <= bytes.length) {
    const group = groupAt(file, position)
    const isNext = group?.sequence === firstGroup + groups.length
    if (group !== undefined && isNext) groups.push(group)
    const end = group !== undefined && isNext ? position + group.byteLength : position + 1
    position = ALIGNMENT_BYTES * Math.ceil(end / ALIGNMENT_BYTES)
  }
  return groups
}

/** Groups that two others at least claim durable, so that no single damage takes the claim away. */
export const claimedGroups = (files: readonly JournalBytes[]): JournalGroup[] => {
  const groups = files.flatMap(groupsIn)
  return groups.filter(
    (group) => groups.filter((other) => other.durable >= group.sequence).length >= 2,
  )
}

/** Where direct appends stand that only groups without such a claim speak of. */
export const unclaimedPlaces = (
  visible: readonly JournalBytes[],
  durable: readonly JournalBytes[],
): MarkedPlace[] => {
  const claimed = Math.max(0, ...durable.flatMap(groupsIn).map((group) => group.durable))
  return visible
    .flatMap(groupsIn)
    .filter(({ sequence }) => sequence > claimed)
    .flatMap(({ marked }) => marked)
}
