/**
 * Signs of life, both ways. Flags instead of clock readings, because a busy connection sets them
 * thousands of times a second; one timer looks at them twice per heartbeat.
 *
 * Invariant: while it runs, this side is never silent for longer than `heartbeatMs`, and a peer that
 * is silent for `HEARTBEAT_SILENCE_FACTOR` times that is reported once.
 */
import { BrokerError } from '@millrace/codec'
import { HEARTBEAT_SILENCE_FACTOR } from '@millrace/protocol'
import type { Platform } from '../platform.ts'

const TICKS_PER_HEARTBEAT = 2

export interface HeartbeatActions {
  ping(): void
  fail(error: BrokerError): void
}

export class Heartbeat {
  readonly #platform: Platform
  readonly #heartbeatMs: number
  readonly #tickMs: number
  readonly #actions: HeartbeatActions
  #hasSent = false
  #hasReceived = false
  #silentTicks = 0
  #lastTickAt = 0
  #cancelTimer: (() => void) | undefined

  /** `heartbeatMs` 0 means none: `start` does nothing. */
  constructor(platform: Platform, heartbeatMs: number, actions: HeartbeatActions) {
    this.#platform = platform
    this.#heartbeatMs = heartbeatMs
    this.#tickMs = heartbeatMs / TICKS_PER_HEARTBEAT
    this.#actions = actions
  }

  noteSent(): void {
    this.#hasSent = true
  }

  noteReceived(): void {
    this.#hasReceived = true
  }

  start(): void {
    if (this.#heartbeatMs === 0) return
    this.#lastTickAt = this.#platform.monotonicMs()
    this.#schedule()
  }

  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #schedule(): void {
    this.#cancelTimer = this.#platform.setTimer(() => this.#tick(), this.#tickMs)
  }

  #tick(): void {
    this.#schedule()
    if (!this.#hasSent) this.#actions.ping()
    this.#hasSent = false
    this.#countSilence()
    if (this.#silentTicks < TICKS_PER_HEARTBEAT * HEARTBEAT_SILENCE_FACTOR) return
    this.stop()
    const silentMs = this.#heartbeatMs * HEARTBEAT_SILENCE_FACTOR
    this.#actions.fail(new BrokerError('ERR_HEARTBEAT_TIMEOUT', [silentMs]))
  }

  /** A tick that comes late means that this process stood still: what arrived was not read yet. */
  #countSilence(): void {
    const now = this.#platform.monotonicMs()
    const isLate = now - this.#lastTickAt > this.#tickMs * TICKS_PER_HEARTBEAT
    this.#lastTickAt = now
    if (this.#hasReceived) this.#silentTicks = 0
    else if (!isLate) this.#silentTicks += 1
    this.#hasReceived = false
  }
}
