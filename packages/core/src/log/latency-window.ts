/** The last 1,024 latencies for percentiles that are asked for seldom, and all of them in buckets. */
const CAPACITY = 1_024

/** Upper bounds, inclusive. What is longer counts in one more bucket. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
]

/** How many durations fell into each bucket; not cumulative, one count more than bounds. */
export interface DurationBuckets {
  readonly boundsMs: readonly number[]
  readonly counts: readonly number[]
  readonly totalMs: number
}

export class LatencyWindow {
  readonly #samples = new Float64Array(CAPACITY)
  readonly #buckets = new Float64Array(DURATION_BOUNDS_MS.length + 1)
  #count = 0
  #totalMs = 0

  add(milliseconds: number): void {
    this.#samples[this.#count % CAPACITY] = milliseconds
    this.#count++
    this.#totalMs += milliseconds
    let bucket = 0
    while (milliseconds > (DURATION_BOUNDS_MS[bucket] ?? Infinity)) bucket++
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
  }

  get buckets(): DurationBuckets {
    return { boundsMs: DURATION_BOUNDS_MS, counts: [...this.#buckets], totalMs: this.#totalMs }
  }

  /** The `share` quantile (0 to 1) in milliseconds, 0 without samples. */
  quantile(share: number): number {
    const length = Math.min(this.#count, CAPACITY)
    if (length === 0) return 0
    const sorted = this.#samples.slice(0, length).sort()
    return sorted[Math.min(length - 1, Math.floor(length * share))] ?? 0
  }
}
