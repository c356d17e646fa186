/**
 * Signs of life, both ways: something leaves at least every `heartbeatMs`, and a peer that sent
 * nothing for twice that is taken for dead. Looks twice per interval; costs nothing per frame but a
 * flag.
 */
import { HEARTBEAT_SILENCE_FACTOR } from '@millrace/protocol'
import type { CoarseTimer, CoarseTimers } from '../net/coarse-timers.ts'

const LOOKS_PER_INTERVAL = 2

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
  readonly #heartbeatMs: number
  readonly #peer: HeartbeatPeer
  #timer: CoarseTimer | undefined
  #silentLooks: number

  constructor(timers: CoarseTimers, heartbeatMs: number, peer: HeartbeatPeer) {
    this.#timers = timers
    this.#heartbeatMs = heartbeatMs
    this.#peer = peer
    this.#timer = undefined
    this.#silentLooks = 0
  }

  start(): void {
    if (this.#heartbeatMs === 0) return
    const delayMs = this.#heartbeatMs / LOOKS_PER_INTERVAL
    this.#timer = this.#timers.after(delayMs, () => this.#look())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    this.#silentLooks = this.#peer.takeHasReceived() ? 0 : this.#silentLooks + 1
    if (this.#silentLooks >= HEARTBEAT_SILENCE_FACTOR * LOOKS_PER_INTERVAL) {
      this.#peer.onSilence(HEARTBEAT_SILENCE_FACTOR * this.#heartbeatMs)
      return
    }
    if (!this.#peer.takeHasSent()) this.#peer.sendPing()
    this.start()
  }
}
