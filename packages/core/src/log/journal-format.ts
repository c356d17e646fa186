/**
 * The bytes of a journal file. Pure: no I/O. All integers are big endian.
 *
 * A file has a fixed size, is filled with zeros when made and used again after a checkpoint. It
 * begins with two copies of its header, one a page of 4,096 bytes, so that one bad page does not lose
 * it; the first group follows at 8,192:
 *
 *     0        8       12       16             24             32       36
 *     | magic  | format | incar- | file number  | first group  | CRC    | zeros … 4,096
 *       8 bytes  u32      nation   u64            u64            u32
 *
 * The incarnation is random for each use of the file and seeds the CRC of every group in it: bytes
 * of an earlier use never look valid.
 *
 * Groups follow, each at a multiple of 512 bytes:
 *
 *     0       4       8          16         24      28        32         40        48
 *     | magic | CRC   | sequence | durable  | entry | payload | wall     | zeros   | entries …
 *       u32     u32     u64        u64        count   bytes     clock ms   8
 *                                             u32     u32       u64
 *
 * A group without entries, which an idle journal adds to say what is durable, begins at a multiple
 * of 4,096 bytes, so that no bad page takes it together with the group before it.
 *
 * `durable` is the last group known durable when this one was built. The CRC covers everything from
 * byte 8 to the end of the entries. An entry is 64 bytes:
 *
 *     0      1       2     4       8        16            24           32
 *     | kind | flags | 0   | CRC   | log id | base offset | next       | segment base …
 *       u8     u8      u16   u32     u64      u64           offset u64   u64
 *     40         44       48      52        56
 *     | position | length | epoch | payload | 0        |
 *       u32        u32      u32     at u32    8 bytes
 *
 * The payload of an append is the record batch from its byte 21 on; the entry's CRC is the batch's
 * own CRC-32C, which covers just those bytes. So the group's CRC vouches for the entry, the entry
 * for the payload, and no payload byte is summed twice. The batch's first 21 bytes (base offset,
 * length, epoch, magic, CRC) are rebuilt from the entry. Entries of one message in many logs name
 * the same payload.
 */
import {
  BATCH_PREFIX_BYTES,
  crc32c,
  readUint16,
  readUint32,
  readUint64,
  writeUint32,
  writeUint64,
} from '@millrace/codec'
import { GROUP_ALIGNMENT_BYTES } from './limits.ts'

export const JOURNAL_FORMAT = 1
export const FILE_HEADER_BYTES = 36
export const PAGE_BYTES = 4_096
/** Where the second copy of the header stands: in a page of its own. */
export const HEADER_COPY_AT = PAGE_BYTES
export const FILE_DATA_AT = 2 * PAGE_BYTES
export const GROUP_HEADER_BYTES = 48
export const ENTRY_BYTES = 64
export const PAYLOAD_SKIPPED_BYTES = BATCH_PREFIX_BYTES

const FILE_MAGIC = new Uint8Array([0x4d, 0x52, 0x4a, 0x4f, 0x55, 0x52, 0x4e, 0x4c])
const GROUP_MAGIC = 0x4d524750

/** What an entry does. Append-only; a retired number is never used again. */
export const EntryKind = {
  /** A batch whose bytes are in this group's payload. */
  append: 1,
  /** A batch whose bytes went straight to its segment in this group. */
  marker: 2,
  /** The log exists from here on. `flags` bit 0: it is not synced. */
  create: 3,
  /** The log is gone: its files may be removed. */
  tombstone: 4,
  /** Offsets below `nextOffset` of an unsynced log may be in use. */
  ceiling: 5,
  /** The state of every log at a group, as payload. */
  checkpoint: 6,
  /** The log begins at `nextOffset`: what is below is gone. */
  trim: 7,
} as const
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind]

export const VOLATILE_FLAG = 1
/** A log whose first offset is not 0: it has nothing below, and never had. */
export const LATE_FLAG = 2

export interface FileHeader {
  readonly incarnation: number
  readonly fileNumber: number
  readonly firstGroup: number
}

export interface JournalEntryFields {
  readonly kind: EntryKind
  readonly flags: number
  readonly crc: number
  readonly logId: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly segmentBase: number
  readonly position: number
  readonly length: number
  readonly epoch: number
  readonly payloadAt: number
}

export interface GroupHeader {
  readonly sequence: number
  readonly durable: number
  readonly entryCount: number
  readonly payloadBytes: number
  readonly wallClockMs: number
}

/** Damage comes in pages: a group that vouches for others begins in a page of its own. */
export const alignPage = (position: number): number => Math.ceil(position / PAGE_BYTES) * PAGE_BYTES

export const alignGroup = (position: number): number =>
  Math.ceil(position / GROUP_ALIGNMENT_BYTES) * GROUP_ALIGNMENT_BYTES

export const groupBytes = (entryCount: number, payloadBytes: number): number =>
  GROUP_HEADER_BYTES + entryCount * ENTRY_BYTES + payloadBytes

/** Both copies, ready to be written at 0. */
export const encodeFileHeader = (header: FileHeader): Uint8Array => {
  const bytes = new Uint8Array(FILE_DATA_AT)
  bytes.set(FILE_MAGIC, 0)
  writeUint32(bytes, 8, JOURNAL_FORMAT)
  writeUint32(bytes, 12, header.incarnation)
  writeUint64(bytes, 16, header.fileNumber)
  writeUint64(bytes, 24, header.firstGroup)
  writeUint32(bytes, 32, crc32c(bytes.subarray(0, 32)))
  bytes.copyWithin(HEADER_COPY_AT, 0, FILE_HEADER_BYTES)
  return bytes
}

const decodeHeaderCopy = (bytes: Uint8Array, at: number): FileHeader | undefined => {
  if (bytes.length < at + FILE_HEADER_BYTES) return undefined
  if (FILE_MAGIC.some((byte, index) => bytes[at + index] !== byte)) return undefined
  if (readUint32(bytes, at + 32) !== crc32c(bytes.subarray(at, at + 32))) return undefined
  return {
    incarnation: readUint32(bytes, at + 12),
    fileNumber: readUint64(bytes, at + 16),
    firstGroup: readUint64(bytes, at + 24),
  }
}

/** The header of a file, from either copy; `undefined` when neither is readable. */
export const decodeFileHeader = (bytes: Uint8Array): FileHeader | undefined =>
  decodeHeaderCopy(bytes, 0) ?? decodeHeaderCopy(bytes, HEADER_COPY_AT)

export const writeEntry = (bytes: Uint8Array, at: number, entry: JournalEntryFields): void => {
  bytes[at] = entry.kind
  bytes[at + 1] = entry.flags
  bytes[at + 2] = 0
  bytes[at + 3] = 0
  writeUint32(bytes, at + 4, entry.crc)
  writeUint64(bytes, at + 8, entry.logId)
  writeUint64(bytes, at + 16, entry.baseOffset)
  writeUint64(bytes, at + 24, entry.nextOffset)
  writeUint64(bytes, at + 32, entry.segmentBase)
  writeUint32(bytes, at + 40, entry.position)
  writeUint32(bytes, at + 44, entry.length)
  writeUint32(bytes, at + 48, entry.epoch)
  writeUint32(bytes, at + 52, entry.payloadAt)
  writeUint64(bytes, at + 56, 0)
}

export const readEntry = (bytes: Uint8Array, at: number): JournalEntryFields => ({
  kind: (bytes[at] ?? 0) as EntryKind,
  flags: bytes[at + 1] ?? 0,
  crc: readUint32(bytes, at + 4),
  logId: readUint64(bytes, at + 8),
  baseOffset: readUint64(bytes, at + 16),
  nextOffset: readUint64(bytes, at + 24),
  segmentBase: readUint64(bytes, at + 32),
  position: readUint32(bytes, at + 40),
  length: readUint32(bytes, at + 44),
  epoch: readUint32(bytes, at + 48),
  payloadAt: readUint32(bytes, at + 52),
})

/** The CRC's seed: a use of a file tells its groups from those of every other use. */
const groupCrc = (bytes: Uint8Array, at: number, end: number, incarnation: number): number =>
  crc32c(bytes.subarray(at + 8, end), incarnation)

/** Writes the header of a group whose entries stand behind it already. */
export const sealGroup = (
  bytes: Uint8Array,
  at: number,
  header: GroupHeader,
  incarnation: number,
): void => {
  writeUint32(bytes, at, GROUP_MAGIC)
  writeUint64(bytes, at + 8, header.sequence)
  writeUint64(bytes, at + 16, header.durable)
  writeUint32(bytes, at + 24, header.entryCount)
  writeUint32(bytes, at + 28, header.payloadBytes)
  writeUint64(bytes, at + 32, header.wallClockMs)
  writeUint64(bytes, at + 40, 0)
  const end = at + groupBytes(header.entryCount, 0)
  writeUint32(bytes, at + 4, groupCrc(bytes, at, end, incarnation))
}

/**
 * The header of the group at `at`, with its entries vouched for, or `undefined` when there is no
 * intact one. The payload is not looked at; it may reach past `end`.
 */
export const readGroupHeader = (
  bytes: Uint8Array,
  at: number,
  end: number,
  incarnation: number,
): GroupHeader | undefined => {
  if (at + GROUP_HEADER_BYTES > end || readUint32(bytes, at) !== GROUP_MAGIC) return undefined
  const entryCount = readUint32(bytes, at + 24)
  const entriesEnd = at + groupBytes(entryCount, 0)
  if (entriesEnd > end) return undefined
  if (readUint16(bytes, at + 8) > 0x1f) return undefined
  if (readUint32(bytes, at + 4) !== groupCrc(bytes, at, entriesEnd, incarnation)) return undefined
  return {
    sequence: readUint64(bytes, at + 8),
    durable: readUint64(bytes, at + 16),
    entryCount,
    payloadBytes: readUint32(bytes, at + 28),
    wallClockMs: readUint64(bytes, at + 32),
  }
}
