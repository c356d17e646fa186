/**
 * The payload of a checkpoint: the state of every log whose batches up to a group are in synced
 * segments. A recovery starts from it and replays what the journal has after that group.
 *
 *     0       4             12      20      | 72 bytes a log …
 *     | count | next log id | group |
 *       u32     u64           u64
 *     0        8       12      16         24            32             40
 *     | log id | flags | epoch | earliest | next offset | segment base | position …
 *       u64      u32     u32     u64        u64           u64            u32
 *     44   48             56        64
 *     | 0  | started ms   | ceiling | 0     |
 *       u32  u64            u64       u64
 *
 * It names every log, also unchanged ones: journal files with older tables are recycled, and a
 * segment's length alone cannot tell data from what an unfinished write left behind.
 */
import { readUint32, readUint64, writeUint32, writeUint64 } from '@millrace/codec'

const HEADER_BYTES = 20
const ROW_BYTES = 72
const VOLATILE = 1

export interface LogRow {
  readonly logId: number
  readonly isVolatile: boolean
  readonly epoch: number
  readonly earliestOffset: number
  readonly nextOffset: number
  readonly segmentBase: number
  readonly position: number
  readonly segmentStartedAtMs: number
  readonly ceiling: number
}

export interface CheckpointTable {
  readonly nextLogId: number
  /** Replay begins after this group. */
  readonly group: number
  readonly rows: readonly LogRow[]
}

export const encodeCheckpoint = (table: CheckpointTable): Uint8Array => {
  const bytes = new Uint8Array(HEADER_BYTES + table.rows.length * ROW_BYTES)
  writeUint32(bytes, 0, table.rows.length)
  writeUint64(bytes, 4, table.nextLogId)
  writeUint64(bytes, 12, table.group)
  table.rows.forEach((row, index) => writeRow(bytes, HEADER_BYTES + index * ROW_BYTES, row))
  return bytes
}

const writeRow = (bytes: Uint8Array, at: number, row: LogRow): void => {
  writeUint64(bytes, at, row.logId)
  writeUint32(bytes, at + 8, row.isVolatile ? VOLATILE : 0)
  writeUint32(bytes, at + 12, row.epoch)
  writeUint64(bytes, at + 16, row.earliestOffset)
  writeUint64(bytes, at + 24, row.nextOffset)
  writeUint64(bytes, at + 32, row.segmentBase)
  writeUint32(bytes, at + 40, row.position)
  writeUint64(bytes, at + 48, row.segmentStartedAtMs)
  writeUint64(bytes, at + 56, row.ceiling)
}

/** The caller has checked the CRC: a count that lies is a programmer's error here. */
export const decodeCheckpoint = (bytes: Uint8Array): CheckpointTable => {
  const rows: LogRow[] = []
  const count = readUint32(bytes, 0)
  if (bytes.length !== HEADER_BYTES + count * ROW_BYTES) throw new RangeError('checkpoint length')
  for (let index = 0; index < count; index++)
    rows.push(readRow(bytes, HEADER_BYTES + index * ROW_BYTES))
  return { nextLogId: readUint64(bytes, 4), group: readUint64(bytes, 12), rows }
}

const readRow = (bytes: Uint8Array, at: number): LogRow => ({
  logId: readUint64(bytes, at),
  isVolatile: (readUint32(bytes, at + 8) & VOLATILE) !== 0,
  epoch: readUint32(bytes, at + 12),
  earliestOffset: readUint64(bytes, at + 16),
  nextOffset: readUint64(bytes, at + 24),
  segmentBase: readUint64(bytes, at + 32),
  position: readUint32(bytes, at + 40),
  segmentStartedAtMs: readUint64(bytes, at + 48),
  ceiling: readUint64(bytes, at + 56),
})
