/**
 * One resource that may run short: raised at its limit, cleared only well away from it, so that it
 * does not flutter.
 *
 * ```
 *   memory:  ……used…… clear at 90% ─────── raise at 100% of the limit
 *   disk:    raise below the limit ─────── clear from 110% of it ……free……
 * ```
 */
const MARGIN = 0.1

export class ResourceAlarm {
  readonly #raisesAt: (value: number) => boolean
  readonly #clearsAt: (value: number) => boolean
  #isRaised = false
  #raisedCount = 0

  private constructor(raisesAt: (value: number) => boolean, clearsAt: (value: number) => boolean) {
    this.#raisesAt = raisesAt
    this.#clearsAt = clearsAt
  }

  /** For what is used. */
  static above(limit: number): ResourceAlarm {
    return new ResourceAlarm(
      (value) => value >= limit,
      (value) => value < limit * (1 - MARGIN),
    )
  }

  /** For what is left. 0 never raises. */
  static below(limit: number): ResourceAlarm {
    return new ResourceAlarm(
      (value) => value < limit,
      (value) => value >= limit * (1 + MARGIN),
    )
  }

  get isRaised(): boolean {
    return this.#isRaised
  }

  get raisedCount(): number {
    return this.#raisedCount
  }

  /** Returns whether that changed it. */
  look(value: number): boolean {
    const isRaised = this.#isRaised ? !this.#clearsAt(value) : this.#raisesAt(value)
    if (isRaised === this.#isRaised) return false
    this.#isRaised = isRaised
    if (isRaised) this.#raisedCount += 1
    return true
  }
}
