/**
 * The lane of what a delayed exchange keeps: a stored lane that hands over nothing. Messages leave it
 * by their due time, wherever they stand: who takes them knows the positions from the index.
 *
 * Invariant: a position is in the index, or on its way there, from when its message is visible until
 * it is taken to be released.
 */
import { RingQueue } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import { DelayIndex } from './delay-index.ts'
import type { QueueEntry } from './queue-entry.ts'
import { StoredLane } from './stored-lane.ts'

/** A batch that is not visible yet. */
interface Arrival {
  readonly baseOffset: number
  readonly dues: readonly number[]
}

export class DelayedLane extends StoredLane {
  readonly kept = new DelayIndex()
  readonly #arrivals = new RingQueue<Arrival>()
  /** Something is kept that was not. */
  onArrived: () => void = () => undefined

  override willAppend(): void {
    return undefined
  }

  override appended(
    baseOffset: number,
    count: number,
    bytes: number,
    messages: readonly QueuedMessage[] | undefined,
    dues?: readonly number[],
  ): void {
    super.appended(baseOffset, count, bytes, messages)
    // Without one it is due: nothing but a delay leads here.
    this.#arrivals.push({ baseOffset, dues: dues ?? Array.from({ length: count }, () => 0) })
  }

  override arrived(count: number, bytes: number): void {
    super.arrived(count, bytes)
    const { highWatermark } = this.log
    for (let next = this.#arrivals.peek(); next !== undefined; next = this.#arrivals.peek()) {
      const { baseOffset, dues } = next
      if (baseOffset + dues.length > highWatermark) break
      this.#arrivals.shift()
      for (let at = 0; at < dues.length; at++) this.kept.push(dues[at]!, baseOffset + at)
    }
    this.onArrived()
  }

  override refused(baseOffset: number, count: number, bytes: number): void {
    super.refused(baseOffset, count, bytes)
    for (;;) {
      const last = this.#arrivals.peekAt(this.#arrivals.length - 1)
      if (last === undefined || last.baseOffset < baseOffset) return
      this.#arrivals.pop()
    }
  }

  /** Nobody gets anything from here but by its due time. */
  override wake(): void {
    return undefined
  }

  override head(): QueueEntry | undefined {
    return undefined
  }

  /** Of a message that was taken from the index. */
  override settle(entry: QueueEntry): void {
    super.settle(entry)
    this.#uncount(1, entry.payloadBytes)
  }

  /** What is not settled from `from` up to and without `to` cannot be had any more. */
  lose(from: number, to: number): void {
    if (from >= to) return
    const { ledger } = this
    const start = Math.max(from, ledger.floor)
    const count = Math.max(0, to - start - ledger.settled.countBetween(start, Math.max(start, to)))
    if (count === 0) return
    ledger.settleRange(from, to)
    this.#uncount(count, (this.readyBytes * count) / Math.max(count, this.readyCount))
    this.home.floorMoved()
    this.home.lost(count)
  }

  override close(): void {
    super.close()
    this.kept.clear()
    while (this.#arrivals.shift() !== undefined);
  }

  #uncount(count: number, bytes: number): void {
    this.readyCount = Math.max(0, this.readyCount - count)
    // Estimated after a restart: none are kept, so none have bytes.
    this.readyBytes = this.readyCount === 0 ? 0 : Math.max(0, this.readyBytes - bytes)
  }
}
