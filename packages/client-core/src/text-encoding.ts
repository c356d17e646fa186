/**
 * Text to UTF-8 without a buffer per call: the producer copies the bytes into its batch at once, so
 * one scratch buffer serves every message. What `encode` returns is valid until the next call.
 */
const SCRATCH_BYTES = 4096
/** The most that UTF-8 takes for one UTF-16 code unit. */
const BYTES_PER_UNIT_MAX = 3
/** A text beyond this does not leave a buffer behind that nobody needs again. */
const SCRATCH_BYTES_MAX = 1024 * 1024
/** Up to this length a loop beats the call into the platform's encoder. */
const LOOP_UNITS_MAX = 32

const encoder = new TextEncoder()

export class TextEncoding {
  #scratch = new Uint8Array(SCRATCH_BYTES)

  encode(text: string): Uint8Array {
    if (text.length * BYTES_PER_UNIT_MAX > SCRATCH_BYTES_MAX) return encoder.encode(text)
    if (text.length * BYTES_PER_UNIT_MAX > this.#scratch.length) this.#grow(text.length)
    const scratch = this.#scratch
    if (text.length <= LOOP_UNITS_MAX && this.#writeAscii(text)) {
      return scratch.subarray(0, text.length)
    }
    return scratch.subarray(0, encoder.encodeInto(text, scratch).written)
  }

  /** False at the first character that is not ASCII. */
  #writeAscii(text: string): boolean {
    const scratch = this.#scratch
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) return false
      scratch[index] = unit
    }
    return true
  }

  #grow(units: number): void {
    this.#scratch = new Uint8Array(Math.max(units * BYTES_PER_UNIT_MAX, this.#scratch.length * 2))
  }
}
