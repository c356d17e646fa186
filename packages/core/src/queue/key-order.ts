/**
 * Messages of one key are in flight one at a time. One whose key is taken waits aside, behind those of
 * its key that wait already, and comes first when the key is free. So many may wait, and no more:
 * then the queue stands until one of them is settled.
 */
import { RingQueue } from '@millrace/codec'
import type { QueueEntry } from './queue-entry.ts'
import { HELD_MESSAGES_MAX } from './limits.ts'

/** A key as text: bytes one to one. */
export const keyTextOf = (entry: QueueEntry): string => {
  const { key, routingKey } = entry.message
  return key === undefined ? `r${routingKey}` : `k${String.fromCharCode(...key.subarray(0, 1_024))}`
}

export class KeyOrder {
  readonly #held = new Map<string, RingQueue<QueueEntry>>()
  readonly #taken = new Map<QueueEntry, string>()
  readonly #takenKeys = new Set<string>()
  readonly #free: QueueEntry[] = []
  heldCount = 0

  get isFull(): boolean {
    return this.heldCount >= HELD_MESSAGES_MAX
  }

  /** Held messages whose key is free, in the order in which they came. */
  nextFree(): QueueEntry | undefined {
    return this.#free[0]
  }

  takeFree(): void {
    this.#free.shift()
    this.heldCount--
  }

  /** Whether its key is free; if not it is held. */
  admit(entry: QueueEntry): boolean {
    const key = keyTextOf(entry)
    if (!this.#takenKeys.has(key)) return true
    const line = this.#held.get(key) ?? new RingQueue<QueueEntry>()
    line.push(entry)
    this.#held.set(key, line)
    this.heldCount++
    return false
  }

  took(entry: QueueEntry): void {
    const key = keyTextOf(entry)
    this.#taken.set(entry, key)
    this.#takenKeys.add(key)
  }

  /** It is settled: the next of its key may go. */
  released(entry: QueueEntry): void {
    const key = this.#freeKeyOf(entry)
    if (key === undefined) return
    const line = this.#held.get(key)
    const next = line?.shift()
    if (line === undefined || next === undefined) return void this.#held.delete(key)
    if (line.length === 0) this.#held.delete(key)
    // It holds its key already, so that nothing of the key overtakes it.
    this.#takenKeys.add(key)
    this.#taken.set(next, key)
    this.#free.push(next)
  }

  /** It came back: who waited behind it goes back to the lane too, or would overtake it. */
  returned(entry: QueueEntry): QueueEntry[] {
    const key = this.#freeKeyOf(entry)
    const waiting: QueueEntry[] = []
    const line = key === undefined ? undefined : this.#held.get(key)
    if (key === undefined || line === undefined) return waiting
    for (let next = line.shift(); next !== undefined; next = line.shift()) waiting.push(next)
    this.#held.delete(key)
    this.heldCount -= waiting.length
    return waiting
  }

  /** Takes all that wait. */
  drain(): QueueEntry[] {
    const entries = [...this.#free]
    for (const next of this.#free) {
      this.#takenKeys.delete(this.#taken.get(next) ?? '')
      this.#taken.delete(next)
    }
    for (const line of this.#held.values())
      for (let entry = line.shift(); entry !== undefined; entry = line.shift()) entries.push(entry)
    this.#held.clear()
    this.#free.length = 0
    this.heldCount = 0
    return entries
  }

  #freeKeyOf(entry: QueueEntry): string | undefined {
    const key = this.#taken.get(entry)
    if (key === undefined) return undefined
    this.#taken.delete(entry)
    this.#takenKeys.delete(key)
    return key
  }
}
