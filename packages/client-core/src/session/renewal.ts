/**
 * Shows newer credentials before those of the connection expire. What fails is tried again while they
 * are good; afterwards the broker ends the session, and the next connection brings new ones.
 */
import type { Credentials } from '../auth/exchange.ts'
import type { ResolvedOptions } from '../options.ts'
import type { Platform } from '../platform.ts'
import { renewCredentials } from './authenticate.ts'
import type { LiveConnection } from './dial.ts'

/** Renewed after this much of their time. */
const RENEW_AFTER = 0.8
const RETRY_MS_MIN = 1_000
/** Timers do not wait longer than 2^31 - 1 ms. */
const TIMER_MS_MAX = 0x7fff_ffff

export class Renewal {
  readonly #platform: Platform
  readonly #options: ResolvedOptions
  #cancelTimer: (() => void) | undefined

  constructor(platform: Platform, options: ResolvedOptions) {
    this.#platform = platform
    this.#options = options
  }

  watch(live: LiveConnection): void {
    this.stop()
    this.#expect(live, live.expiresInMs)
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #expect(live: LiveConnection, expiresInMs: number | undefined): void {
    const { credentials } = this.#options
    if (expiresInMs === undefined || credentials === undefined) return
    const expiresAtMs = this.#platform.monotonicMs() + expiresInMs
    this.#schedule(live, credentials, expiresAtMs, expiresInMs * RENEW_AFTER)
  }

  #schedule(
    live: LiveConnection,
    credentials: Credentials,
    expiresAtMs: number,
    delayMs: number,
  ): void {
    const run = (): void => void this.#renew(live, credentials, expiresAtMs)
    this.#cancelTimer = this.#platform.setTimer(run, Math.min(delayMs, TIMER_MS_MAX))
  }

  /** Never rejects. */
  async #renew(live: LiveConnection, credentials: Credentials, expiresAtMs: number): Promise<void> {
    const { address, connection } = live
    try {
      const login = await credentials.begin(address, this.#platform)
      const timeoutMs = this.#options.connectTimeoutMs
      const expiresInMs = await renewCredentials({ connection, login, timeoutMs })
      if (connection.isOpen) this.#expect(live, expiresInMs)
    } catch {
      const restMs = expiresAtMs - this.#platform.monotonicMs()
      if (!connection.isOpen || restMs <= RETRY_MS_MIN) return
      this.#schedule(live, credentials, expiresAtMs, Math.max(RETRY_MS_MIN, restMs / 2))
    }
  }
}
