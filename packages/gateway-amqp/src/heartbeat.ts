/**
 * Signs of life, both ways: something leaves at least every interval, and a peer that sent nothing for
 * two of them is taken for dead. Looks four times an interval; costs a flag per frame.
 */
import type { Clock, TimerHandle, Timers } from '@millrace/core'

const LOOKS_PER_INTERVAL = 4
const SILENT_INTERVALS_MAX = 2

export interface HeartbeatPeer {
  /** Whether anything was sent since the last look. */
  takeHasSent(): boolean
  /** Whether anything was received since the last look, or we are the ones who do not read. */
  takeHasReceived(): boolean
  sendHeartbeat(): void
  onSilence(silentMs: number): void
}

export class Heartbeat {
  readonly #timers: Timers
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #peer: HeartbeatPeer
  #timer: TimerHandle | undefined
  #lastLookMs: number
  #silentMs: number

  constructor(
    { timers, clock }: { readonly timers: Timers; readonly clock: Clock },
    intervalMs: number,
    peer: HeartbeatPeer,
  ) {
    this.#timers = timers
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#peer = peer
    this.#timer = undefined
    this.#lastLookMs = clock.monotonic()
    this.#silentMs = 0
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #schedule(): void {
    this.#timer = this.#timers.after(this.#intervalMs / LOOKS_PER_INTERVAL, () => this.#look())
  }

  #look(): void {
    this.#countSilence()
    if (this.#silentMs >= this.#intervalMs * SILENT_INTERVALS_MAX) {
      this.#peer.onSilence(this.#intervalMs * SILENT_INTERVALS_MAX)
      return
    }
    if (!this.#peer.takeHasSent()) this.#peer.sendHeartbeat()
    this.#schedule()
  }

  /** A look that comes late means that this process stood still: what arrived was not read yet. */
  #countSilence(): void {
    const nowMs = this.#clock.monotonic()
    const lookMs = this.#intervalMs / LOOKS_PER_INTERVAL
    const passedMs = Math.min(nowMs - this.#lastLookMs, lookMs * 2)
    this.#lastLookMs = nowMs
    this.#silentMs = this.#peer.takeHasReceived() ? 0 : this.#silentMs + passedMs
  }
}
