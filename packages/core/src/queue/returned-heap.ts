/** Entries that came back, lowest position first: a binary heap, and which of them is where. */
import type { QueueEntry } from './queue-entry.ts'

export class ReturnedHeap {
  #entries: QueueEntry[] = []
  /** Made with the first that comes back: most never do. */
  #byPosition: Map<number, QueueEntry> | undefined

  get length(): number {
    return this.#entries.length
  }

  peek(): QueueEntry | undefined {
    return this.#entries[0]
  }

  all(): readonly QueueEntry[] {
    return this.#entries
  }

  /** The entry at a position of the log, if it came back. */
  at(position: number): QueueEntry | undefined {
    return this.#byPosition?.get(position)
  }

  push(entry: QueueEntry): void {
    this.#byPosition ??= new Map()
    this.#byPosition.set(entry.position, entry)
    const entries = this.#entries
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (entries[parent]!.position <= entry.position) break
      entries[at] = entries[parent]!
      at = parent
    }
    entries[at] = entry
  }

  pop(): QueueEntry | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first !== undefined) this.#byPosition?.delete(first.position)
    if (last === undefined || first === last) return first
    this.#sink(last)
    return first
  }

  /** Takes those from `from` up to and without `to` for which `isMeant` holds. */
  takeBetween(
    from: number,
    to: number,
    isMeant: (entry: QueueEntry) => boolean = () => true,
  ): QueueEntry[] {
    const taken: QueueEntry[] = []
    const kept: QueueEntry[] = []
    for (const entry of this.#entries) {
      const isTaken = entry.position >= from && entry.position < to && isMeant(entry)
      if (isTaken) taken.push(entry)
      else kept.push(entry)
    }
    if (taken.length === 0) return taken
    this.clear()
    for (const entry of kept) this.push(entry)
    return taken
  }

  clear(): void {
    this.#entries = []
    this.#byPosition = undefined
  }

  #sink(entry: QueueEntry): void {
    const entries = this.#entries
    const { length } = entries
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= length) break
      if (child + 1 < length && entries[child + 1]!.position < entries[child]!.position) child++
      if (entries[child]!.position >= entry.position) break
      entries[at] = entries[child]!
      at = child
    }
    entries[at] = entry
  }
}
