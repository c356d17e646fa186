/**
 * Everything the engine may know of the outside world. The engine never touches `Date.now`, timers,
 * `Math.random`, `fs` or `net`: it is handed an environment, real (`node-environment.ts`) or
 * simulated (`@millrace/testing`), and lint forbids the globals.
 */
import type { Disk } from './disk.ts'

export interface Clock {
  /** Wall-clock milliseconds since 1970. May jump in either direction. */
  now(): number
  /** Milliseconds from an arbitrary origin; never goes back. */
  monotonic(): number
}

export interface TimerHandle {
  readonly cancel: () => void
}

export interface Timers {
  /** Runs `callback` once, no sooner than `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): TimerHandle
  /** Runs `callback` at the end of this turn of the event loop, after the input at hand was read. */
  defer(callback: () => void): void
}

export interface Random {
  /** A uniform unsigned 32-bit integer. */
  uint32(): number
}

/** Structured, rare events. Never called per message. */
export interface EngineLog {
  info(event: string, fields?: Record<string, unknown>): void
  warn(event: string, fields?: Record<string, unknown>): void
  error(event: string, fields?: Record<string, unknown>): void
}

export interface Environment {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly disk: Disk
  readonly log: EngineLog
}
