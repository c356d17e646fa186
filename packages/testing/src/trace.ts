/**
 * What happened in a simulated world: a running hash of everything, and the last lines in words.
 * Two runs of one seed must end with the same hash; this is how determinism is tested.
 */
import { hashText } from './seeded-random.ts'

export class Trace {
  readonly #kept: string[] = []
  readonly #keptCountMax: number
  #hash = 0x811c9dc5
  #count = 0
  /** Called with each line, for a replay that prints everything. */
  onLine: ((line: string) => void) | undefined

  constructor(keptCountMax = 200) {
    this.#keptCountMax = keptCountMax
  }

  note(timeUs: number, text: string): void {
    this.#hash = hashText(text, (this.#hash ^ timeUs) >>> 0)
    const line = `${(timeUs / 1000).toFixed(3).padStart(11)} ms  ${text}`
    this.#kept[this.#count % this.#keptCountMax] = line
    this.#count++
    this.onLine?.(line)
  }

  get hash(): number {
    return this.#hash
  }

  get lineCount(): number {
    return this.#count
  }

  /** The last lines, oldest first. */
  last(count: number): string[] {
    const size = Math.min(count, this.#kept.length)
    return Array.from(
      { length: size },
      (_, index) => this.#kept[(this.#count - size + index) % this.#keptCountMax] as string,
    )
  }
}
