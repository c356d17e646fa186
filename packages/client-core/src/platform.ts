/**
 * What the SDK needs from the machine it runs on, and gets passed in: nothing in this package reads
 * a clock, sets a timer or throws a die by itself, so that a test decides what time it is.
 */
import type { BatchCompression } from '@millrace/codec'

export interface Platform {
  /** Without it batches are neither compressed nor inflated; the broker sends them readable. */
  readonly compression?: BatchCompression
  /** The wall clock, ms since 1970: the timestamp of a message that brings none. */
  now(): number
  /** A clock that never steps back, in ms: deadlines and heartbeats. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs`; the returned function cancels it. */
  setTimer(run: () => void, delayMs: number): () => void
  /** Runs `run` once, at the end of the current turn of the event loop. */
  defer(run: () => void): void
  /** At least 0, below 1. */
  random(): number
}
