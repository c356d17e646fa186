/**
 * A whole simulated world from one seed: time, disk and chance. Processes come and go in it: `boot`
 * begins one and gives its environment, `kill` and `losePower` end it.
 */
import type { EngineLog, Environment } from '@millrace/core'
import { Scheduler } from './scheduler.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClock, SimulatedTimers } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { DiskLatency } from './mounted-disk.ts'
import { Trace } from './trace.ts'

export interface SimulatedWorldOptions {
  readonly seed: number
  readonly latency?: Partial<DiskLatency>
  /** Trace lines that are kept for a report. */
  readonly traceLinesMax?: number
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Record<string, unknown> | undefined
}

const LOG_LINES_MAX = 200

export class SimulatedWorld {
  readonly random: SeededRandom
  readonly scheduler = new Scheduler()
  readonly clock = new SimulatedClock(this.scheduler)
  readonly trace: Trace
  readonly disk: SimulatedDisk
  /** What engines have logged, the last lines only. */
  readonly logLines: LogLine[] = []
  /** How often each event was logged. */
  readonly eventCounts = new Map<string, number>()
  #lifeCount = 0
  #life = { isAlive: false }

  constructor(options: SimulatedWorldOptions) {
    this.random = new SeededRandom(options.seed)
    this.trace = new Trace(options.traceLinesMax)
    this.disk = new SimulatedDisk({
      scheduler: this.scheduler,
      random: this.random.fork('disk'),
      trace: this.trace,
      ...(options.latency === undefined ? {} : { latency: options.latency }),
    })
  }

  /** Processes begun so far. */
  get lifeCount(): number {
    return this.#lifeCount
  }

  /** Begins a process; one that still runs is killed. */
  boot(): Environment {
    if (this.#life.isAlive) this.kill()
    const life = { isAlive: true }
    this.#life = life
    this.#lifeCount++
    this.note(`world: process ${this.#lifeCount} starts`)
    return {
      clock: this.clock,
      timers: new SimulatedTimers(this.scheduler, () => life.isAlive),
      random: this.random.fork(`process ${this.#lifeCount}`),
      disk: this.disk.boot(),
      log: this.#engineLog(),
    }
  }

  /** The process dies, the machine goes on. */
  kill(): void {
    this.note(`world: process ${this.#lifeCount} is killed`)
    this.#life.isAlive = false
    this.disk.kill()
  }

  /** The machine loses its power. */
  losePower(): void {
    this.note('world: power loss')
    this.#life.isAlive = false
    this.disk.crash()
  }

  note(text: string): void {
    this.trace.note(this.scheduler.nowUs, text)
  }

  #engineLog(): EngineLog {
    const add =
      (level: LogLine['level']) =>
      (event: string, fields?: Record<string, unknown>): void => {
        this.eventCounts.set(event, (this.eventCounts.get(event) ?? 0) + 1)
        if (this.logLines.length >= LOG_LINES_MAX) this.logLines.shift()
        this.logLines.push({ level, event, fields })
        this.note(`log: ${level} ${event} ${JSON.stringify(fields ?? {}, plain)}`)
      }
    return { info: add('info'), warn: add('warn'), error: add('error') }
  }
}

/** Errors are objects without own fields: their text says more. */
const plain = (_key: string, value: unknown): unknown =>
  value instanceof Error || typeof value === 'bigint' ? String(value) : value
