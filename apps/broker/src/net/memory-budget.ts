/**
 * Bytes that all connections together hold: what waits for peers that do not read, and what came of
 * frames that are not complete. Each connection has limits of its own; ten thousand connections at
 * their limits would still be too much for a process.
 *
 * Nothing is refused here. Whoever adds when it is exceeded, and holds much, is cut off by its owner.
 */
export class MemoryBudget {
  readonly bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get isExceeded(): boolean {
    return this.#bytes > this.bytesMax
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }

  remove(bytes: number): void {
    this.#bytes -= bytes
  }
}
