/** The last offset of each key, exactly, within a budget of memory. */

/** What an entry of a Map with a short string costs, roughly. */
const ENTRY_BYTES = 80

export class KeyMap {
  readonly #bytesMax: number
  readonly #offsets = new Map<string, number>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get size(): number {
    return this.#offsets.size
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax
  }

  /** Offsets come in rising order. */
  set(key: Uint8Array, offset: number): void {
    const text = textOf(key)
    const before = this.#offsets.size
    this.#offsets.set(text, offset)
    if (this.#offsets.size > before) this.#bytes += ENTRY_BYTES + text.length
  }

  get(key: Uint8Array): number | undefined {
    return this.#offsets.get(textOf(key))
  }
}

/** One character a byte: different bytes are different texts. */
const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
