/** Counts and numbers the connections of all listeners of a process. */
export class ConnectionCounter {
  readonly countMax: number
  #count = 0
  #nextId = 1
  #refusedCount = 0

  constructor(countMax: number) {
    this.countMax = countMax
  }

  get count(): number {
    return this.#count
  }

  get acceptedCount(): number {
    return this.#nextId - 1
  }

  get refusedCount(): number {
    return this.#refusedCount
  }

  /** The id of a new connection, or `undefined` when there are enough. */
  enter(): number | undefined {
    if (this.#count >= this.countMax) {
      this.#refusedCount += 1
      return undefined
    }
    this.#count += 1
    return this.#nextId++
  }

  leave(): void {
    this.#count -= 1
  }
}
