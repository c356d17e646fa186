/** Entries that came back, lowest position first: a binary heap. */
import type { QueueEntry } from './queue-entry.ts'

export class ReturnedHeap {
  readonly #entries: QueueEntry[] = []

  get length(): number {
    return this.#entries.length
  }

  peek(): QueueEntry | undefined {
    return this.#entries[0]
  }

  all(): readonly QueueEntry[] {
    return this.#entries
  }

  push(entry: QueueEntry): void {
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
    if (last === undefined || first === last) return first
    this.#sink(last)
    return first
  }

  clear(): void {
    this.#entries.length = 0
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
