/**
 * Writes a segment anew without the records that compaction lets go, into a file beside it.
 *
 * What stays keeps its offset; batches that are left without a record become one empty batch for a
 * whole run of them, so that the offsets of a segment stay without a hole and every rule that reads
 * segments stays as it is. The last batch of a producer is kept, empty, for its sequence.
 */
import {
  batchAttributes,
  batchBaseOffset,
  batchLeaderEpoch,
  batchNextOffset,
  batchProducerId,
  batchRecordCount,
  compressionCodecs,
  compressionOf,
  deflateBatch,
  emptyBatch,
  filterBatch,
  inflateBatch,
  isBrokerError,
  NO_PRODUCER,
  type BatchCompression,
  type RecordCursor,
} from '@millrace/codec'
import type { Disk, DiskFile } from '../environment/disk.ts'
import { synced } from '../log/disk-errors.ts'
import { INFLATED_BYTES_MAX } from '../log/limits.ts'
import type { Segment } from '../log/segment.ts'
import { removeIfThere } from '../log/small-file.ts'

const WRITE_BYTES = 262_144
/** A batch covers at most so many offsets: the delta is an int32. */
const COVERED_MAX = 2 ** 31 - 1

export interface RewriteRules {
  /** The batch stays as it is, whatever is in it. */
  isWhole(batch: Uint8Array): boolean
  isKept(record: RecordCursor): boolean
  /** The batch at this offset is the last of its producer. */
  isLastOfProducer(producerId: number, baseOffset: number): boolean
}

/** The records of a batch readable, or `undefined` when they cannot be. */
export const readableBatch = (
  batch: Uint8Array,
  compression: BatchCompression | undefined,
): Uint8Array | undefined => {
  if (compressionOf(batchAttributes(batch)) === compressionCodecs.none) return batch
  if (compression === undefined) return undefined
  try {
    return inflateBatch(batch, compression, INFLATED_BYTES_MAX)
  } catch (error) {
    // It was taken on trust: what cannot be inflated stays as it is.
    if (isBrokerError(error)) return undefined
    throw error
  }
}

export class SegmentRewrite {
  readonly path: string
  readonly #disk: Disk
  readonly #rules: RewriteRules
  readonly #compression: BatchCompression | undefined
  #file: DiskFile | undefined
  #parts: Uint8Array[] = []
  #pendingBytes = 0
  #written = 0
  /** The run of batches that nothing is left of, if one is open. */
  #run: { from: number; to: number; epoch: number } | undefined
  recordsRemoved = 0
  hasChanged = false

  constructor(
    disk: Disk,
    segment: Segment,
    rules: RewriteRules,
    compression: BatchCompression | undefined,
  ) {
    this.path = `${segment.path}.clean`
    this.#disk = disk
    this.#rules = rules
    this.#compression = compression
  }

  get bytesWritten(): number {
    return this.#written + this.#pendingBytes
  }

  async open(): Promise<void> {
    await removeIfThere(this.#disk, this.path)
    this.#file = await this.#disk.open(this.path, 'create')
  }

  /** The batch's bytes are copied. */
  add(batch: Uint8Array): void {
    const kept = this.#filtered(batch)
    if (kept !== undefined) {
      this.#endRun()
      // A view of the reader's window: it is read into again.
      this.#push(kept.buffer === batch.buffer ? kept.slice() : kept)
      return
    }
    const from = batchBaseOffset(batch)
    const to = batchNextOffset(batch)
    const isRoom = this.#run !== undefined && to - this.#run.from <= COVERED_MAX
    if (isRoom && this.#run !== undefined) {
      this.hasChanged = true
      this.#run.to = to
      return
    }
    this.#endRun()
    this.#run = { from, to, epoch: batchLeaderEpoch(batch) }
  }

  /** Moves what was gathered to the file. */
  async write(bytesMin = WRITE_BYTES): Promise<void> {
    if (this.#pendingBytes < bytesMin || this.#pendingBytes === 0) return
    const parts = this.#parts
    const bytes = this.#pendingBytes
    this.#parts = []
    this.#pendingBytes = 0
    await this.#file?.write(parts, this.#written)
    this.#written += bytes
  }

  /** The file is whole and synced. */
  async finish(): Promise<void> {
    this.#endRun()
    await this.write(0)
    if (this.#file !== undefined) await synced(this.#file.sync())
    await this.#file?.close()
    this.#file = undefined
  }

  async discard(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
    await removeIfThere(this.#disk, this.path)
  }

  /** What stays of a batch; `undefined` when it only has to be covered. */
  #filtered(batch: Uint8Array): Uint8Array | undefined {
    if (this.#rules.isWhole(batch)) return batch
    const count = batchRecordCount(batch)
    const producerId = batchProducerId(batch)
    const isWanted =
      producerId !== NO_PRODUCER && this.#rules.isLastOfProducer(producerId, batchBaseOffset(batch))
    if (count === 0) return this.#emptied(batch, isWanted, producerId !== NO_PRODUCER)
    const readable = readableBatch(batch, this.#compression)
    if (readable === undefined) return batch
    const filtered = filterBatch(readable, (record) => this.#rules.isKept(record))
    if (filtered === readable) return batch
    this.hasChanged = true
    const left = batchRecordCount(filtered)
    this.recordsRemoved += count - left
    if (left === 0) return isWanted ? filtered : undefined
    const codec = compressionOf(batchAttributes(batch))
    if (codec === compressionCodecs.none || this.#compression === undefined) return filtered
    return deflateBatch(filtered, this.#compression, codec)
  }

  /** It had no record before: one that was kept for its producer may be of no use any more. */
  #emptied(batch: Uint8Array, isWanted: boolean, isOfProducer: boolean): Uint8Array | undefined {
    if (isWanted) return batch
    this.hasChanged ||= isOfProducer
    return undefined
  }

  #endRun(): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    this.#push(emptyBatch(run.from, run.to, run.epoch))
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#pendingBytes += bytes.length
  }
}
