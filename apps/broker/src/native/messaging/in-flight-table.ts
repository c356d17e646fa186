/**
 * The deliveries of a connection that are not settled, by tag. Tags count from 1 through all
 * consumers, so that a range of them is a stretch of time.
 */
import { BrokerError } from '@millrace/codec'
import type { Delivery } from '@millrace/core'
import type { TagRange } from '@millrace/protocol'

export interface TaggedDelivery {
  readonly tag: number
  readonly delivery: Delivery
}

export class InFlightTable {
  readonly #byTag = new Map<number, Delivery>()
  #lastTag = 0

  get count(): number {
    return this.#byTag.size
  }

  add(delivery: Delivery): number {
    this.#lastTag += 1
    this.#byTag.set(this.#lastTag, delivery)
    return this.#lastTag
  }

  /** It was never sent. */
  remove(tag: number): void {
    this.#byTag.delete(tag)
  }

  /**
   * Everything unsettled in the ranges, which is settled with it. Throws ERR_UNKNOWN_DELIVERY when
   * there is nothing in one of them; then nothing is taken.
   */
  take(ranges: readonly TagRange[]): TaggedDelivery[] {
    const taken: TaggedDelivery[] = []
    for (const range of ranges) {
      const before = taken.length
      this.#takeRange(range, taken)
      if (taken.length > before) continue
      this.restore(taken)
      throw new BrokerError('ERR_UNKNOWN_DELIVERY', [range.from])
    }
    return taken
  }

  /** Nothing was done about them. */
  restore(taken: readonly TaggedDelivery[]): void {
    for (const { tag, delivery } of taken) this.#byTag.set(tag, delivery)
  }

  clear(): void {
    this.#byTag.clear()
  }

  #takeRange({ from, to }: TagRange, taken: TaggedDelivery[]): void {
    const last = Math.min(to, this.#lastTag)
    // A range may be far wider than what is in flight.
    if (last - from > this.#byTag.size) return this.#takeBetween(from, last, taken)
    for (let tag = from; tag <= last; tag++) this.#take(tag, taken)
  }

  #takeBetween(from: number, to: number, taken: TaggedDelivery[]): void {
    for (const tag of this.#byTag.keys()) if (tag >= from && tag <= to) this.#take(tag, taken)
  }

  #take(tag: number, taken: TaggedDelivery[]): void {
    const delivery = this.#byTag.get(tag)
    if (delivery === undefined) return
    this.#byTag.delete(tag)
    taken.push({ tag, delivery })
  }
}
