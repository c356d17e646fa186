/**
 * What a delayed exchange keeps: when each message is due and where it stands in the log, and nothing
 * else of it. A binary heap in one typed array, 16 bytes a message:
 *
 * ```
 *   | due ms f64 | position f64 | due ms f64 | position f64 | …
 * ```
 *
 * Order: by due time, then by position, which is the order of arrival.
 */
const CAPACITY_MIN = 64

export class DelayIndex {
  #values = new Float64Array(CAPACITY_MIN * 2)
  #length = 0

  get length(): number {
    return this.#length
  }

  get capacity(): number {
    return this.#values.length / 2
  }

  /** Of the first; `Infinity` when there is none. */
  get dueMs(): number {
    return this.#length === 0 ? Infinity : this.#values[0]!
  }

  /** Of the first; -1 when there is none. */
  get position(): number {
    return this.#length === 0 ? -1 : this.#values[1]!
  }

  push(dueMs: number, position: number): void {
    if (this.#length === this.capacity) this.#resize(this.#length * 2)
    const values = this.#values
    let at = this.#length++
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!this.#isBefore(dueMs, position, parent)) break
      values[at * 2] = values[parent * 2]!
      values[at * 2 + 1] = values[parent * 2 + 1]!
      at = parent
    }
    values[at * 2] = dueMs
    values[at * 2 + 1] = position
  }

  /** Takes the first. */
  shift(): void {
    if (this.#length === 0) return
    const last = --this.#length
    this.#sink(this.#values[last * 2]!, this.#values[last * 2 + 1]!)
    if (this.capacity > CAPACITY_MIN && this.#length < this.capacity / 4)
      this.#resize(this.capacity / 2)
  }

  clear(): void {
    this.#values = new Float64Array(CAPACITY_MIN * 2)
    this.#length = 0
  }

  #isBefore(dueMs: number, position: number, other: number): boolean {
    const otherMs = this.#values[other * 2]!
    return dueMs < otherMs || (dueMs === otherMs && position < this.#values[other * 2 + 1]!)
  }

  #sink(dueMs: number, position: number): void {
    const values = this.#values
    const length = this.#length
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= length) break
      const right = child + 1
      if (right < length && this.#isBefore(values[right * 2]!, values[right * 2 + 1]!, child))
        child = right
      if (this.#isBefore(dueMs, position, child)) break
      values[at * 2] = values[child * 2]!
      values[at * 2 + 1] = values[child * 2 + 1]!
      at = child
    }
    values[at * 2] = dueMs
    values[at * 2 + 1] = position
  }

  #resize(capacity: number): void {
    const values = new Float64Array(Math.max(CAPACITY_MIN, capacity) * 2)
    values.set(this.#values.subarray(0, this.#length * 2))
    this.#values = values
  }
}
