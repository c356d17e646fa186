/**
 * Message ids that came within a window of time. Bounded: the oldest go when there are too many.
 *
 * A repeat is confirmed with its original, not before it; and when the original is refused in the end,
 * the id may come again. Otherwise a producer that sends again what it has no answer for would be told
 * that a message is safe that is nowhere.
 */
import type { OpenBatch, StoredWaiter } from './open-batch.ts'
import { DEDUP_IDS_MAX } from './limits.ts'

export class DedupWindow {
  /** In the order of their times, because each is entered once and at its end. */
  readonly #seenAt = new Map<string, number>()
  /** What originals that are not stored yet are in. */
  readonly #underWay = new Map<string, OpenBatch>()

  /** Whether it came before within the window; if not it is remembered. */
  isRepeat(id: string, nowMs: number, windowMs: number): boolean {
    this.#sweep(nowMs - windowMs)
    if (this.#seenAt.has(id)) return true
    this.#seenAt.set(id, nowMs)
    return false
  }

  /** The batch that a repeat waits for with its original. */
  batchOf(id: string): OpenBatch | undefined {
    return this.#underWay.get(id)
  }

  /** The message is in this batch. */
  stores(id: string, batch: OpenBatch): void {
    this.#underWay.set(id, batch)
    const waiter: StoredWaiter = {
      stored: () => void this.#underWay.delete(id),
      refused: () => this.forget(id),
    }
    batch.waiters.push(waiter)
  }

  /** It was refused in the end: it may come again. */
  forget(id: string): void {
    this.#underWay.delete(id)
    this.#seenAt.delete(id)
  }

  #sweep(beforeMs: number): void {
    for (const [id, at] of this.#seenAt) {
      if (at > beforeMs && this.#seenAt.size < DEDUP_IDS_MAX) return
      this.#seenAt.delete(id)
    }
  }
}
