/**
 * How long to wait before the next attempt: exponential with full jitter, so that a thousand clients
 * that lost the same broker do not return in the same millisecond.
 */
export interface BackoffOptions {
  /** The first wait is at most this long, in ms. */
  readonly initialMs: number
  /** No wait is longer, in ms. */
  readonly ceilingMs: number
}

/** 2^30 times anything is beyond every ceiling, and 2^1024 is not a number to multiply with. */
const EXPONENT_MAX = 30

/** `attempt` counts from 0; `random` is at least 0 and below 1. */
export const backoffMs = (options: BackoffOptions, attempt: number, random: number): number => {
  const grown = options.initialMs * 2 ** Math.min(attempt, EXPONENT_MAX)
  // Never 0: a retry in the same millisecond is a busy loop.
  return 1 + Math.floor(random * Math.min(grown, options.ceilingMs))
}
