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

  /** The clock that the timers go by. */
  get nowMs(): number {
    return this.#clock.monotonic()
  }

  after(delayMs: number, callback: () => void): CoarseTimer {
    if (this.#count === 0) this.#tick = this.#currentTick()
    const deadline = Math.ceil((this.#elapsedMs() + delayMs) / TIMER_TICK_MS)
    const timer = new WheelTimer(Math.max(deadline, this.#currentTick() + 1), callback)
    this.#slotOf(timer.deadlineTick).push(timer)
    this.#count += 1
    this.#startTicking()
    return timer
  }

  #currentTick(): number {
    return Math.floor(this.#elapsedMs() / TIMER_TICK_MS)
  }

  #elapsedMs(): number {
    return this.#clock.monotonic() - this.#originMs
  }

  #slotOf(tick: number): WheelTimer[] {
    return this.#slots[tick % TIMER_SLOTS_COUNT] as WheelTimer[]
  }

  #startTicking(): void {
    if (this.#isTicking || this.#count === 0) return
    this.#isTicking = true
    // To the beginning of the next tick, or being late would add up.
    const nextMs = (this.#currentTick() + 1) * TIMER_TICK_MS
    this.#timers.after(Math.max(1, nextMs - this.#elapsedMs()), this.#onTick)
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
