/**
 * Flushed batches that stay in memory for readers at the tail, up to a budget for all logs together.
 * Oldest out first; within a log that is offset order, so a log's batches in memory are always its
 * last ones. A batch that is not visible yet stays, whatever the budget: it may be taken back.
 */
import { RingQueue } from '@millrace/codec'
import type { Arena } from './arena.ts'
import type { StoredBatch } from './stored-batch.ts'

/** What a kept batch costs beside its bytes, so that a million tiny ones are not free. */
const BATCH_OVERHEAD_BYTES = 128

export class TailCache {
  readonly #arena: Arena
  readonly #bytesMax: number
  readonly #kept = new RingQueue<StoredBatch>()
  #bytes = 0

  constructor(arena: Arena, bytesMax: number) {
    this.#arena = arena
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Takes over batches that are flushed; they leave their log's memory from here. */
  keep(batches: readonly StoredBatch[]): void {
    for (const batch of batches) {
      this.#kept.push(batch)
      this.#bytes += batch.bytes.length + BATCH_OVERHEAD_BYTES
    }
    this.#evict(this.#bytesMax)
  }

  dropAll(): void {
    this.#evict(0)
  }

  #evict(bytesMax: number): void {
    while (this.#bytes > bytesMax) {
      const batch = this.#kept.peek()
      if (batch === undefined || isUnderWay(batch)) return
      this.#kept.shift()
      this.#bytes -= batch.bytes.length + BATCH_OVERHEAD_BYTES
      this.#forget(batch)
    }
  }

  #forget(batch: StoredBatch): void {
    const { log } = batch
    if (batch.isRefused || log.batches.peek() !== batch) return
    log.batches.shift()
    log.flushedCount--
    this.#arena.release(batch.slab)
  }
}

const isUnderWay = (batch: StoredBatch): boolean =>
  !batch.isRefused && batch.nextOffset > batch.log.highWatermark
