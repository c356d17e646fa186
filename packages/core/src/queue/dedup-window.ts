/**
 * Message ids that came into a queue within a window of time. Bounded by count and by bytes: the
 * oldest go when there are too many.
 *
 * A repeat is confirmed with its original, not before it; and when the original is refused in the end,
 * the id may come again. Otherwise a producer that sends again what it has no answer for would be told
 * that a message is safe that is nowhere.
 *
 * Times are those of the records: the steady clock's, so that what `dedup-recovery.ts` reads after a
 * restart stands beside what comes from then on.
 */
import { utf8Length } from '@millrace/codec'
import type { MessageSource } from '../engine/messaging.ts'
import type { OpenBatch, StoredWaiter } from './open-batch.ts'
import { DEDUP_BYTES_MAX, DEDUP_IDS_MAX } from './limits.ts'
import type { Queue } from './queue.ts'

/**
 * As UTF-8. Looking at each character also makes the text one flat piece: as it was decoded it may be
 * a tree of them, which takes thirty times the room for as long as it is a key.
 */
export const idBytes = (id: string): number => utf8Length(id)

/** Whether the queue has to remember the message's id when it has the message. */
export const remembersId = (
  { settings }: Queue,
  message: MessageSource,
): message is MessageSource & { readonly messageId: string } =>
  settings.dedupWindowMs !== undefined && message.messageId !== undefined

export class DedupWindow {
  /** In the order of their times, because each is entered at its end. */
  readonly #seenAt = new Map<string, number>()
  /** What originals that are not stored yet are in. */
  readonly #underWay = new Map<string, OpenBatch>()
  #bytes = 0

  get count(): number {
    return this.#seenAt.size
  }

  /** Whether it came before, less than the window ago. */
  isRepeat(id: string, nowMs: number, windowMs: number): boolean {
    const beforeMs = nowMs - windowMs
    this.#sweep(beforeMs)
    return (this.#seenAt.get(id) ?? -Infinity) > beforeMs
  }

  /** The queue has it since then. */
  enter(id: string, atMs: number): void {
    const bytes = idBytes(id)
    this.#remove(id)
    this.#bytes += bytes
    this.#seenAt.set(id, atMs)
    if (this.#seenAt.size > DEDUP_IDS_MAX || this.#bytes > DEDUP_BYTES_MAX) this.#giveUpOldest()
  }

  /** The batch that a repeat waits for with its original. */
  batchOf(id: string): OpenBatch | undefined {
    return this.#underWay.get(id)
  }

  /** The message is in this batch: known from now on, and not any more when it is refused. */
  stores(id: string, batch: OpenBatch, atMs: number): void {
    this.enter(id, atMs)
    this.#underWay.set(id, batch)
    const landed = (): boolean => this.#underWay.get(id) === batch && this.#underWay.delete(id)
    const waiter: StoredWaiter = {
      stored: () => void landed(),
      refused: () => {
        if (landed()) this.#remove(id)
      },
    }
    batch.awaitedBy(waiter)
  }

  /** One that nobody asked the window about is in this batch: known when it is stored. */
  notes(id: string, batch: OpenBatch, atMs: number): void {
    batch.awaitedBy({ stored: () => this.enter(id, atMs), refused: () => undefined })
  }

  #sweep(beforeMs: number): void {
    for (const [id, at] of this.#seenAt) {
      if (at > beforeMs) return
      this.#remove(id)
    }
  }

  #giveUpOldest(): void {
    for (const id of this.#seenAt.keys()) {
      if (this.#seenAt.size <= DEDUP_IDS_MAX && this.#bytes <= DEDUP_BYTES_MAX) return
      this.#remove(id)
    }
  }

  #remove(id: string): void {
    if (this.#seenAt.delete(id)) this.#bytes -= idBytes(id)
  }
}
