/**
 * Keeps a session to the quotas of its principal: after too many bytes received it is not read for a
 * while, after too many sent the next records wait. Nothing is refused, and small answers never wait.
 */
import type { QuotaUse } from '@millrace/core'
import type { CoarseTimer, CoarseTimers } from '../net/coarse-timers.ts'

export interface QuotaGatePeer {
  /** Stop reading, or go on. */
  onInput(isHeld: boolean): void
  /** Records may be sent again. */
  onOutputReleased(): void
}

export class QuotaGate {
  readonly #use: QuotaUse
  readonly #timers: CoarseTimers
  readonly #peer: QuotaGatePeer
  #inputTimer: CoarseTimer | undefined
  #outputTimer: CoarseTimer | undefined

  constructor(use: QuotaUse, timers: CoarseTimers, peer: QuotaGatePeer) {
    this.#use = use
    this.#timers = timers
    this.#peer = peer
    this.#inputTimer = undefined
    this.#outputTimer = undefined
  }

  received(bytes: number): void {
    const waitMs = this.#use.takeIn(bytes)
    if (waitMs === 0 || this.#inputTimer !== undefined) return
    this.#peer.onInput(true)
    this.#holdInput(waitMs)
  }

  /** Returns whether the next records have to wait. */
  sent(bytes: number): boolean {
    const waitMs = this.#use.takeOut(bytes)
    if (waitMs === 0) return false
    if (this.#outputTimer === undefined) this.#holdOutput(waitMs)
    return true
  }

  close(): void {
    this.#inputTimer?.cancel()
    this.#outputTimer?.cancel()
    this.#use.release()
  }

  /** Others of the same principal may have spent meanwhile what this one waited for. */
  #holdInput(waitMs: number): void {
    this.#inputTimer = this.#timers.after(waitMs, () => {
      const moreMs = this.#use.takeIn(0)
      if (moreMs > 0) {
        this.#holdInput(moreMs)
        return
      }
      this.#inputTimer = undefined
      this.#peer.onInput(false)
    })
  }

  #holdOutput(waitMs: number): void {
    this.#outputTimer = this.#timers.after(waitMs, () => {
      const moreMs = this.#use.takeOut(0)
      if (moreMs > 0) {
        this.#holdOutput(moreMs)
        return
      }
      this.#outputTimer = undefined
      this.#peer.onOutputReleased()
    })
  }
}
