/**
 * The wall clock of the start, moved on by the monotonic one: messages live as long as they were
 * given, however the system's clock is set meanwhile.
 *
 * The crash story: a broker starts on a machine whose clock is a day ahead, and is set right a moment
 * later. What was there at the start does not expire in the first seconds.
 */
import type { Clock } from '../environment/environment.ts'
import { EXPIRY_GRACE_MS } from './limits.ts'

export class SteadyClock {
  readonly #clock: Clock
  readonly #startedAtMs: number
  readonly #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.now()
    this.#startedAt = clock.monotonic()
  }

  now(): number {
    return Math.floor(this.#startedAtMs + this.#clock.monotonic() - this.#startedAt)
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  /** When a message that was there at the start may expire at the earliest. */
  get graceEndsAtMs(): number {
    return this.#startedAtMs + EXPIRY_GRACE_MS
  }

  /** How far the wall clock was set ahead since the start; behind when it is below zero. */
  get aheadMs(): number {
    return this.#clock.now() - this.now()
  }

  get startedAtMs(): number {
    return this.#startedAtMs
  }
}
