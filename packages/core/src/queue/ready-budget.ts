/** Bytes that all queues together keep of what was just published. */
export class ReadyBudget {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get hasRoom(): boolean {
    return this.#bytes < this.#bytesMax
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }
}
