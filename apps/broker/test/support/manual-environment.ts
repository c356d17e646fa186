/** An environment whose clock moves when the test says so; the rest of the loop is real. */
import type { Clock, Disk, EngineLog, Environment, TimerHandle, Timers } from '@millrace/core'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Record<string, unknown>
}

export class ManualEnvironment implements Environment {
  readonly lines: LogLine[] = []
  readonly disk = undefined as unknown as Disk
  readonly random = { uint32: () => 4 }
  readonly #waiting = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  #nowMs = 0

  readonly clock: Clock = {
    now: () => 1_700_000_000_000 + this.#nowMs,
    monotonic: () => this.#nowMs,
  }

  readonly timers: Timers = {
    after: (delayMs: number, callback: () => void): TimerHandle => {
      const timer = { atMs: this.#nowMs + delayMs, callback }
      this.#waiting.add(timer)
      return { cancel: () => this.#waiting.delete(timer) }
    },
    defer: (callback: () => void): void => {
      setImmediate(callback)
    },
  }

  readonly log: EngineLog = {
    info: (event, fields) => void this.lines.push({ level: 'info', event, fields: fields ?? {} }),
    warn: (event, fields) => void this.lines.push({ level: 'warn', event, fields: fields ?? {} }),
    error: (event, fields) => void this.lines.push({ level: 'error', event, fields: fields ?? {} }),
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Time passes at once, as when a laptop was closed; then what is due runs. */
  sleep(ms: number): void {
    this.#nowMs += ms
    this.advance(1_000)
  }

  /** Runs everything that falls due on the way, in order. */
  advance(ms: number): void {
    const end = this.#nowMs + ms
    for (;;) {
      const due = [...this.#waiting].filter(({ atMs }) => atMs <= end)
      const first = due.sort((left, right) => left.atMs - right.atMs)[0]
      if (first === undefined) break
      this.#waiting.delete(first)
      this.#nowMs = Math.max(this.#nowMs, first.atMs)
      first.callback()
    }
    this.#nowMs = end
  }
}
