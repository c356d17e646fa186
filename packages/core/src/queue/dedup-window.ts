/** Message ids that came within a window of time. Bounded: the oldest go when there are too many. */
import { DEDUP_IDS_MAX } from './limits.ts'

export class DedupWindow {
  /** In the order of their times, because each is entered once and at its end. */
  readonly #seenAt = new Map<string, number>()

  /** Whether it came before within the window; if not it is remembered. */
  isRepeat(id: string, nowMs: number, windowMs: number): boolean {
    this.#sweep(nowMs - windowMs)
    if (this.#seenAt.has(id)) return true
    this.#seenAt.set(id, nowMs)
    return false
  }

  /** It was refused in the end: it may come again. */
  forget(id: string): void {
    this.#seenAt.delete(id)
  }

  #sweep(beforeMs: number): void {
    for (const [id, at] of this.#seenAt) {
      if (at > beforeMs && this.#seenAt.size < DEDUP_IDS_MAX) return
      this.#seenAt.delete(id)
    }
  }
}
