/** Counts and numbers the connections of all listeners of a process. */
export class ConnectionCounter {
  readonly countMax: number
  #count = 0
  #nextId = 1

  constructor(countMax: number) {
    this.countMax = countMax
  }

  get count(): number {
    return this.#count
  }

  /** The id of a new connection, or `undefined` when there are enough. */
  enter(): number | undefined {
    if (this.#count >= this.countMax) return undefined
    this.#count += 1
    return this.#nextId++
  }

  leave(): void {
    this.#count -= 1
  }
}
