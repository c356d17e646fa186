/**
 * Signs of life, both ways: something leaves at least every `heartbeatMs`, and a peer that sent
 * nothing for twice that is taken for dead. Looks four times per interval, so that an idle broker
 * pings at half of it and has the rest to be late in; costs nothing per frame but a flag.
 */
import { HEARTBEAT_SILENCE_FACTOR } from '@millrace/protocol'
import { TIMER_TICK_MS } from '../limits.ts'
import type { CoarseTimer, CoarseTimers } from '../net/coarse-timers.ts'

const LOOKS_PER_INTERVAL = 4

export interface HeartbeatPeer {
  /** Whether anything was sent since the last look. */
  takeHasSent(): boolean
  /** Whether anything was received since the last look, or we are the ones who do not read. */
  takeHasReceived(): boolean
  sendPing(): void
  onSilence(silentMs: number): void
}

export class Heartbeat {
  readonly #timers: CoarseTimers
  readonly #silenceMsMax: number
  readonly #lookMs: number
  readonly #peer: HeartbeatPeer
  #timer: CoarseTimer | undefined
  #lastLookMs: number
  #silentMs: number

  /** `heartbeatMs` 0 means none: `start` does nothing. */
  constructor(timers: CoarseTimers, heartbeatMs: number, peer: HeartbeatPeer) {
    this.#timers = timers
    this.#silenceMsMax = heartbeatMs * HEARTBEAT_SILENCE_FACTOR
    this.#lookMs = heartbeatMs / LOOKS_PER_INTERVAL
    this.#peer = peer
    this.#timer = undefined
    this.#lastLookMs = 0
    this.#silentMs = 0
  }

  start(): void {
    if (this.#lookMs === 0) return
    this.#lastLookMs = this.#timers.nowMs
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #schedule(): void {
    const delayMs = Math.min(this.#lookMs, this.#silenceMsMax - this.#silentMs)
    this.#timer = this.#timers.after(delayMs, () => this.#look())
  }

  #look(): void {
    this.#countSilence()
    if (this.#silentMs >= this.#silenceMsMax) {
      this.#peer.onSilence(this.#silenceMsMax)
      return
    }
    if (!this.#peer.takeHasSent()) this.#peer.sendPing()
    this.#schedule()
  }

  /** A look that comes late means that this process stood still: what arrived was not read yet. */
  #countSilence(): void {
    const nowMs = this.#timers.nowMs
    const passedMs = Math.min(nowMs - this.#lastLookMs, this.#lookMs + 2 * TIMER_TICK_MS)
    this.#lastLookMs = nowMs
    this.#silentMs = this.#peer.takeHasReceived() ? 0 : this.#silentMs + passedMs
  }
}
