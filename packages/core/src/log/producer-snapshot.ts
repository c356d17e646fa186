/**
 * The states of all idempotent producers in one file, replaced whole before each checkpoint: the
 * journal that a recovery replays begins there, and has no older batches to rebuild them from.
 *
 *     0       4       8            16        20      24
 *     | magic | CRC   | next       | states  | 0     | states …
 *       u32     u32     producer     u32       u32
 *                       id u64
 *     a state:
 *     0        8        16            24      26      28
 *     | log id | durable| producer id | epoch | count | batches …
 *       u64      u64      u64           u16     u16
 *     a batch, 36 bytes:
 *     0      4      8             16            24       28
 *     | base | last | base offset | next offset | leader | max timestamp |
 *       u32    u32    u64           u64           u32      i64
 *
 * Invariants: it holds nothing above `durable`, the log's durable offset when it was written, since a
 * crash may lose what is above; batches below `durable` are not replayed on top of it. A file that
 * fails its CRC, which covers everything from byte 8 on, is as good as none: then the states are
 * rebuilt from the headers in the segments.
 */
import { ByteReader, ByteWriter, crc32c, readUint32 } from '@millrace/codec'
import type { Disk } from '../environment/disk.ts'
import { hasErrorCode } from './disk-errors.ts'
import type { Log } from './log.ts'
import {
  BATCHES_KEPT,
  type ProducerBatch,
  type ProducerState,
  type ProducerStates,
} from './producer-states.ts'
import { readWholeFile, replaceFile } from './small-file.ts'

const MAGIC = 0x4d525053
const CRC_FROM = 8
const HEADER_BYTES = 24

export const producerSnapshotPath = (directory: string): string => `${directory}/producers.snapshot`

interface Row extends Omit<ProducerState, 'usedAtMs'> {
  readonly durable: number
}

export interface ProducerSnapshot {
  readonly unusedProducerId: number
  readonly rows: readonly Row[]
}

/**
 * States of logs that are not synced are left out: they go with their records. `isWhole` is false
 * when batches under way were left out.
 */
export const encodeProducerSnapshot = (
  states: ProducerStates,
  logOf: (id: number) => Log | undefined,
): { bytes: Uint8Array; isWhole: boolean } => {
  const writer = new ByteWriter(4_096)
  let count = 0
  let isWhole = true
  writer.uint32(MAGIC).uint32(0).uint64(states.unusedProducerId).uint32(0).uint32(0)
  for (const state of states.all()) {
    const log = logOf(state.logId)
    if (log === undefined || log.isVolatile) continue
    const durable = log.highWatermark
    const batches = state.batches.filter((batch) => batch.nextOffset <= durable)
    isWhole &&= batches.length === state.batches.length
    if (batches.length === 0) continue
    writeState(writer, state, durable, batches.slice(-BATCHES_KEPT))
    count++
  }
  writer.patchUint32(16, count)
  writer.patchUint32(4, crc32c(writer.bytesWritten().subarray(CRC_FROM)))
  return { bytes: writer.bytesWritten(), isWhole }
}

const writeState = (
  writer: ByteWriter,
  { logId, producerId, epoch }: ProducerState,
  durable: number,
  batches: readonly ProducerBatch[],
): void => {
  writer.uint64(logId).uint64(durable).uint64(producerId).uint16(epoch).uint16(batches.length)
  for (const batch of batches) {
    writer.uint32(batch.baseSequence).uint32(batch.lastSequence)
    writer.uint64(batch.baseOffset).uint64(batch.nextOffset)
    writer.uint32(batch.leaderEpoch).int64(batch.maxTimestamp)
  }
}

/** `undefined` when the bytes are not a whole snapshot. */
export const decodeProducerSnapshot = (bytes: Uint8Array): ProducerSnapshot | undefined => {
  if (bytes.length < HEADER_BYTES || readUint32(bytes, 0) !== MAGIC) return undefined
  if (readUint32(bytes, 4) !== crc32c(bytes.subarray(CRC_FROM))) return undefined
  const reader = new ByteReader(bytes, CRC_FROM)
  const unusedProducerId = reader.uint64()
  const count = reader.uint32()
  reader.skip(4)
  return { unusedProducerId, rows: Array.from({ length: count }, () => readState(reader)) }
}

const readState = (reader: ByteReader): Row => {
  const logId = reader.uint64()
  const durable = reader.uint64()
  const producerId = reader.uint64()
  const epoch = reader.uint16()
  const batches = Array.from({ length: reader.uint16() }, () => ({
    baseSequence: reader.uint32(),
    lastSequence: reader.uint32(),
    baseOffset: reader.uint64(),
    nextOffset: reader.uint64(),
    leaderEpoch: reader.uint32(),
    maxTimestamp: reader.int64(),
  }))
  return { logId, durable, producerId, epoch, batches }
}

export const readProducerSnapshot = async (
  disk: Disk,
  directory: string,
): Promise<ProducerSnapshot | undefined> => {
  try {
    return decodeProducerSnapshot(await readWholeFile(disk, producerSnapshotPath(directory)))
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Writes the snapshot when it would say something new. One at a time: its owner sees to it. */
export class ProducerSnapshots {
  readonly #disk: Disk
  readonly #directory: string
  readonly #states: ProducerStates
  #savedVersion = -1

  constructor(disk: Disk, directory: string, states: ProducerStates) {
    this.#disk = disk
    this.#directory = directory
    this.#states = states
  }

  async save(logOf: (id: number) => Log | undefined): Promise<void> {
    const { version } = this.#states
    if (version === this.#savedVersion) return
    const { bytes, isWhole } = encodeProducerSnapshot(this.#states, logOf)
    await replaceFile(this.#disk, producerSnapshotPath(this.#directory), bytes)
    // What was left out becomes durable without a change: the next checkpoint must write it.
    this.#savedVersion = isWhole ? version : -1
  }
}
