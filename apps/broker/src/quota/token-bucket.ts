/**
 * So many tokens a second, and a second's worth at once for who was quiet. What is taken was used
 * already, so the bucket may go below empty; it answers how long its owner has to stay quiet.
 *
 * ```
 *   capacity ──┐ full: rest for a while          taken: down at once
 *          0 ──┼───────────────────────────      filled: rate per second, up to capacity
 *      -debt ──┘ below: wait (-tokens / rate)
 * ```
 * A debt is cut to half a minute's worth: one large batch must not stop a peer for hours.
 */
import { QUOTA_BURST_MS, QUOTA_DEBT_MS_MAX } from '../limits.ts'

export class TokenBucket {
  readonly #perMs: number
  #tokens: number
  #filledAtMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / 1_000
    this.#tokens = this.#perMs * QUOTA_BURST_MS
    this.#filledAtMs = nowMs
  }

  /** How many milliseconds to wait after these tokens; 0 when there were enough. */
  take(tokens: number, nowMs: number): number {
    this.#fill(nowMs)
    this.#tokens = Math.max(this.#tokens - tokens, -this.#perMs * QUOTA_DEBT_MS_MAX)
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs)
  }

  /** Nothing would be different if it were made anew. */
  isFull(nowMs: number): boolean {
    this.#fill(nowMs)
    return this.#tokens === this.#perMs * QUOTA_BURST_MS
  }

  #fill(nowMs: number): void {
    const filled = this.#tokens + (nowMs - this.#filledAtMs) * this.#perMs
    this.#tokens = Math.min(this.#perMs * QUOTA_BURST_MS, filled)
    this.#filledAtMs = nowMs
  }
}
