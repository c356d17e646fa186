/**
 * Keeps a connection to the quotas of its principal: after too many bytes received it is not read
 * for a while, after too many sent the next records wait. Nothing is refused, and answers without
 * records never wait.
 */
import type { TimerHandle, Timers } from '../environment/environment.ts'
import type { QuotaUse } from './guards.ts'

export interface QuotaGatePeer {
  /** Stop reading, or go on. */
  onInput(isHeld: boolean): void
  /** Records may be sent again. */
  onOutputReleased(): void
}

export class QuotaGate {
  readonly #use: QuotaUse
  readonly #timers: Pick<Timers, 'after'>
  readonly #peer: QuotaGatePeer
  #inputTimer: TimerHandle | undefined
  #outputTimer: TimerHandle | undefined

  constructor(use: QuotaUse, timers: Pick<Timers, 'after'>, peer: QuotaGatePeer) {
    this.#use = use
    this.#timers = timers
    this.#peer = peer
    this.#inputTimer = undefined
    this.#outputTimer = undefined
  }

  /** No records may be sent at the moment. */
  get isOutputHeld(): boolean {
    return this.#outputTimer !== undefined
  }

  received(bytes: number): void {
    const waitMs = this.#use.takeIn(bytes)
    if (waitMs === 0 || this.#inputTimer !== undefined) return
    this.#peer.onInput(true)
    this.#holdInput(waitMs)
  }

  /** Whether the next records have to wait. */
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
      this.#inputTimer = undefined
      const moreMs = this.#use.takeIn(0)
      if (moreMs > 0) this.#holdInput(moreMs)
      else this.#peer.onInput(false)
    })
  }

  #holdOutput(waitMs: number): void {
    this.#outputTimer = this.#timers.after(waitMs, () => {
      this.#outputTimer = undefined
      const moreMs = this.#use.takeOut(0)
      if (moreMs > 0) this.#holdOutput(moreMs)
      else this.#peer.onOutputReleased()
    })
  }
}
