/**
 * One wheel for every deadline of every connection: handshake, heartbeat, linger, stall. Ticks of
 * 100 ms; a deadline is met up to a tick late, never early. Ticks only while something waits.
 *
 * ```
 *   slot 0   slot 1   slot 2  …  slot 511       a timer stands in slot (deadline tick mod 512)
 *     |                 |                       and is looked at once per revolution (51 s)
 *   timer→timer       timer
 * ```
 */
import type { Clock, Timers } from '@millrace/core'
import { TIMER_SLOTS_COUNT, TIMER_TICK_MS } from '../limits.ts'

export interface CoarseTimer {
  cancel(): void
}

class WheelTimer implements CoarseTimer {
  readonly deadlineTick: number
  callback: (() => void) | undefined

  constructor(deadlineTick: number, callback: () => void) {
    this.deadlineTick = deadlineTick
    this.callback = callback
  }

  cancel(): void {
    this.callback = undefined
  }
}

export class CoarseTimers {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #slots: WheelTimer[][]
  readonly #onTick: () => void
  readonly #originMs: number
  #tick = 0
  #count = 0
  #isTicking = false

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
    this.#slots = Array.from({ length: TIMER_SLOTS_COUNT }, () => [])
    this.#onTick = () => this.#advance()
    this.#originMs = clock.monotonic()
  }

  /** Timers that were neither run nor swept yet, cancelled ones included. */
  get count(): number {
    return this.#count
  }

  after(delayMs: number, callback: () => void): CoarseTimer {
    if (this.#count === 0) this.#tick = this.#currentTick()
    // One tick more: part of the present one has passed already.
    const ticks = Math.max(1, Math.ceil(delayMs / TIMER_TICK_MS)) + 1
    const timer = new WheelTimer(this.#currentTick() + ticks, callback)
    this.#slotOf(timer.deadlineTick).push(timer)
    this.#count += 1
    this.#startTicking()
    return timer
  }

  #currentTick(): number {
    return Math.floor((this.#clock.monotonic() - this.#originMs) / TIMER_TICK_MS)
  }

  #slotOf(tick: number): WheelTimer[] {
    return this.#slots[tick % TIMER_SLOTS_COUNT] as WheelTimer[]
  }

  #startTicking(): void {
    if (this.#isTicking || this.#count === 0) return
    this.#isTicking = true
    this.#timers.after(TIMER_TICK_MS, this.#onTick)
  }

  #advance(): void {
    this.#isTicking = false
    const now = this.#currentTick()
    // After a long pause of the process one revolution sees every slot.
    const first = Math.max(this.#tick + 1, now - TIMER_SLOTS_COUNT + 1)
    for (let tick = first; tick <= now; tick++) this.#runSlot(this.#slotOf(tick), now)
    this.#tick = now
    this.#startTicking()
  }

  #runSlot(slot: WheelTimer[], now: number): void {
    if (slot.length === 0) return
    const timers = slot.splice(0, slot.length)
    for (const timer of timers) {
      if (timer.callback !== undefined && timer.deadlineTick > now) {
        slot.push(timer)
        continue
      }
      this.#count -= 1
      timer.callback?.()
    }
  }
}
