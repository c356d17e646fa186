/**
 * How far a log was compacted and when, in a small file beside its segments:
 *
 *     0       4
 *     | CRC   | JSON: { "passes": [[offset, atMs], …], "tombstones": n, "clearedTo": offset }
 *       u32
 *
 * A pass: everything below `offset` was compacted for the first time no later than `atMs`.
 * `tombstones` is how many the last pass has left; below `clearedTo` those that had their time are
 * gone. It is a hint: without it the log counts as never compacted, which costs a pass, and keeps
 * tombstones longer.
 */
import { crc32c, readUint32, utf8Decode, utf8Encode, writeUint32 } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import { readWholeFile, writeRebuildable } from '../log/small-file.ts'

const CRC_BYTES = 4
/** Older ones are thrown together: their tombstones then live a little longer. */
const PASSES_MAX = 64

export interface CompactionPass {
  readonly offset: number
  readonly atMs: number
}

export class CompactionState {
  readonly passes: CompactionPass[]
  tombstones = 0
  clearedTo = 0

  constructor(passes: readonly CompactionPass[] = []) {
    this.passes = [...passes]
  }

  get cleanedTo(): number {
    return this.passes.at(-1)?.offset ?? 0
  }

  /** Below it every record was first compacted longer than `tombstoneMs` ago. */
  expiredTo(nowMs: number, tombstoneMs: number): number {
    let offset = 0
    for (const pass of this.passes) if (nowMs - pass.atMs > tombstoneMs) offset = pass.offset
    return offset
  }

  note(offset: number, atMs: number): void {
    if (offset <= this.cleanedTo) return
    this.passes.push({ offset, atMs })
    if (this.passes.length > PASSES_MAX) this.passes.shift()
  }
}

interface StoredState {
  readonly passes: readonly (readonly [number, number])[]
  readonly tombstones: number
  readonly clearedTo: number
}

const pathOf = (log: Log): string => `${log.directory}/compaction`

export const readCompactionState = async (disk: Disk, log: Log): Promise<CompactionState> => {
  try {
    const bytes = await readWholeFile(disk, pathOf(log))
    const body = bytes.subarray(CRC_BYTES)
    if (bytes.length < CRC_BYTES || readUint32(bytes, 0) !== crc32c(body))
      return new CompactionState()
    const stored = JSON.parse(utf8Decode(body)) as StoredState
    const state = new CompactionState(stored.passes.map(([offset, atMs]) => ({ offset, atMs })))
    state.tombstones = stored.tombstones
    state.clearedTo = stored.clearedTo
    return state
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return new CompactionState()
    throw error
  }
}

export const writeCompactionState = async (
  disk: Disk,
  log: Log,
  state: CompactionState,
): Promise<void> => {
  const passes = state.passes.map(({ offset, atMs }) => [offset, atMs] as const)
  const { tombstones, clearedTo } = state
  const stored: StoredState = { passes, tombstones, clearedTo }
  const json = utf8Encode(JSON.stringify(stored))
  const bytes = new Uint8Array(CRC_BYTES + json.length)
  bytes.set(json, CRC_BYTES)
  writeUint32(bytes, 0, crc32c(json))
  await writeRebuildable(disk, pathOf(log), bytes)
}
