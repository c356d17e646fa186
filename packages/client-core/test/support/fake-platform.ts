/** A platform whose clock only moves when a test says so. The end of a turn is a real one. */
import type { Platform } from '../../src/platform.ts'

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

export class FakePlatform implements Platform {
  nowMs = 1_700_000_000_000
  elapsedMs = 0
  randomValue = 0
  readonly #timers = new Set<Timer>()

  now = (): number => this.nowMs + this.elapsedMs
  monotonicMs = (): number => this.elapsedMs
  random = (): number => this.randomValue
  defer = (run: () => void): void => void setImmediate(run)

  setTimer = (run: () => void, delayMs: number): (() => void) => {
    const timer = { atMs: this.elapsedMs + delayMs, run }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get timerCount(): number {
    return this.#timers.size
  }

  /** Runs what is due on the way, in the order of time. */
  advance(ms: number): void {
    const untilMs = this.elapsedMs + ms
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((first, second) => first.atMs - second.atMs)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.elapsedMs = Math.max(this.elapsedMs, due.atMs)
      due.run()
    }
    this.elapsedMs = untilMs
  }

  /** The process stood still: the clock jumped and only then the timers run. */
  stall(ms: number): void {
    this.elapsedMs += ms
    this.advance(0)
  }
}

/** Lets everything that is on its way arrive: bytes, promises, ends of turns. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
}
