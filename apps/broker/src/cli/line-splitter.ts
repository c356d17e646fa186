/**
 * Chunks in, lines out. One LF ends a line and is not part of it; CR stays; an empty line is a line;
 * what follows the last LF is a line unless it is empty.
 *
 * A line that lies whole in a chunk is a view of it: borrowed for the call.
 */
import { INPUT_RECORD_BYTES_MAX } from '../limits.ts'
import { CommandError } from './failure.ts'

const LF = 0x0a

export class LineSplitter {
  readonly #onLine: (line: Uint8Array) => void
  readonly #lineBytesMax: number
  #carried: Uint8Array[] = []
  #carriedBytes = 0

  constructor(onLine: (line: Uint8Array) => void, lineBytesMax: number = INPUT_RECORD_BYTES_MAX) {
    this.#onLine = onLine
    this.#lineBytesMax = lineBytesMax
  }

  push(chunk: Uint8Array): void {
    let from = 0
    for (let to = chunk.indexOf(LF); to >= 0; to = chunk.indexOf(LF, from)) {
      this.#emit(chunk.subarray(from, to))
      from = to + 1
    }
    if (from < chunk.length) this.#carry(chunk.subarray(from))
  }

  end(): void {
    if (this.#carriedBytes > 0) this.#emit(new Uint8Array(0))
  }

  #emit(rest: Uint8Array): void {
    this.#check(this.#carriedBytes + rest.length)
    if (this.#carriedBytes === 0) {
      this.#onLine(rest)
      return
    }
    const line = Buffer.concat([...this.#carried, rest])
    this.#carried = []
    this.#carriedBytes = 0
    this.#onLine(line)
  }

  #carry(part: Uint8Array): void {
    this.#check(this.#carriedBytes + part.length)
    this.#carried.push(new Uint8Array(part))
    this.#carriedBytes += part.length
  }

  #check(bytes: number): void {
    if (bytes <= this.#lineBytesMax) return
    throw new CommandError(
      `a line is longer than ${this.#lineBytesMax} bytes`,
      'check that the input is lines, or publish it as one record without --lines',
    )
  }
}
