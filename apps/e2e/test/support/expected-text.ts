/**
 * Compares a stream of chunks with a text that is known, repeated as often as needed, without holding
 * the stream: byte for byte, to the end, and not a byte more.
 */
export class ExpectedText {
  readonly #text: Buffer
  readonly #bytesMax: number
  #at: number
  #mismatch: string | undefined

  /** `times` copies of the text, from byte `from` of the first one on. */
  constructor(text: Buffer, times: number, from = 0) {
    this.#text = text
    this.#bytesMax = text.length * times
    this.#at = from
  }

  push(chunk: Uint8Array): void {
    if (this.#mismatch !== undefined) return
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    if (this.#at + bytes.length > this.#bytesMax) {
      this.#mismatch = `more than the ${this.#bytesMax} bytes that were sent`
      return
    }
    for (let done = 0; done < bytes.length;) {
      const start = this.#at % this.#text.length
      const count = Math.min(bytes.length - done, this.#text.length - start)
      if (this.#text.compare(bytes, done, done + count, start, start + count) !== 0) {
        this.#mismatch = `another byte after byte ${this.#at}`
        return
      }
      this.#at += count
      done += count
    }
  }

  /** What is wrong, or `undefined` when everything was there. */
  problem(): string | undefined {
    if (this.#mismatch !== undefined) return this.#mismatch
    if (this.#at === this.#bytesMax) return undefined
    return `ends after ${this.#at} of ${this.#bytesMax} bytes`
  }
}
