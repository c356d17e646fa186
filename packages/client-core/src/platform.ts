/**
 * What the SDK needs from the machine it runs on, and gets passed in: nothing in this package reads
 * a clock, sets a timer or throws a die by itself, so that a test decides what time it is.
 */
import type { BatchCompression } from '@millrace/codec'

export type HashName = 'SHA-256' | 'SHA-512'

/** For logins by SCRAM. Promises, because a browser has no other. */
export interface PlatformCrypto {
  randomBytes(count: number): Uint8Array
  hash(name: HashName, bytes: Uint8Array): Promise<Uint8Array>
  hmac(name: HashName, key: Uint8Array, bytes: Uint8Array): Promise<Uint8Array>
  pbkdf2(
    name: HashName,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    byteLength: number,
  ): Promise<Uint8Array>
}

export interface Platform {
  /** Without it batches are neither compressed nor inflated; the broker sends them readable. */
  readonly compression?: BatchCompression
  /** Without it there is no login by SCRAM. */
  readonly crypto?: PlatformCrypto
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
