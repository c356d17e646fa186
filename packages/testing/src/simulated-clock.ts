/** Wall and monotonic time of a simulated world, and the timers of one process life in it. */
import type { Clock, TimerHandle, Timers } from '@millrace/core'
import type { Scheduler } from './scheduler.ts'

/** 2026-01-01T00:00:00Z: some day; the same in every run. */
const WALL_START_MS = 1_767_225_600_000

export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler
  #wallOffsetMs = WALL_START_MS

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  now(): number {
    return this.#wallOffsetMs + Math.floor(this.#scheduler.nowUs / 1000)
  }

  monotonic(): number {
    return this.#scheduler.nowUs / 1000
  }

  /** Moves the wall clock, in either direction; monotonic time does not notice. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms
  }
}

export class SimulatedTimers implements Timers {
  readonly #scheduler: Scheduler
  readonly #isAlive: () => boolean

  /** Callbacks run only while `isAlive`: a dead process has no timers. */
  constructor(scheduler: Scheduler, isAlive: () => boolean = () => true) {
    this.#scheduler = scheduler
    this.#isAlive = isAlive
  }

  after(delayMs: number, callback: () => void): TimerHandle {
    return this.#schedule(delayMs * 1000, callback)
  }

  defer(callback: () => void): void {
    this.#schedule(0, callback)
  }

  #schedule(delayUs: number, callback: () => void): TimerHandle {
    return this.#scheduler.after(delayUs, () => {
      if (this.#isAlive()) callback()
    })
  }
}
