/** What the messages of non-durable queues take in memory, all queues together. */
export class MemoryBudget {
  readonly #bytesMax: number
  bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isSpent(): boolean {
    return this.bytes >= this.#bytesMax
  }

  add(bytes: number): void {
    this.bytes += bytes
  }
}
