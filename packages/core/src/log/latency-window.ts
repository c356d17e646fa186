/** The last 1,024 latencies, for percentiles that are asked for seldom. */
const CAPACITY = 1_024

export class LatencyWindow {
  readonly #samples = new Float64Array(CAPACITY)
  #count = 0

  add(milliseconds: number): void {
    this.#samples[this.#count % CAPACITY] = milliseconds
    this.#count++
  }

  /** The `share` quantile (0 to 1) in milliseconds, 0 without samples. */
  quantile(share: number): number {
    const length = Math.min(this.#count, CAPACITY)
    if (length === 0) return 0
    const sorted = this.#samples.slice(0, length).sort()
    return sorted[Math.min(length - 1, Math.floor(length * share))] ?? 0
  }
}
