/** What the runtime and the operating system say of this process. */
import { readdir } from 'node:fs/promises'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { readOpenFilesMax } from '../net/file-budget.ts'

const LOOP_RESOLUTION_MS = 20
/** Scrapes that come closer together see the same quantiles. */
const WINDOW_MS_MIN = 5_000

export interface LoopDelay {
  /** Of the time since the last look, at least five seconds. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Since the start. */
  readonly count: number
  readonly totalMs: number
}

/** Timers that are late by how much the event loop was busy: how long everybody waits for a turn. */
export class LoopDelayMonitor {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  #since = performance.now()
  #last: LoopDelay = { p50Ms: 0, p99Ms: 0, maxMs: 0, count: 0, totalMs: 0 }

  constructor() {
    this.#histogram.enable()
  }

  read(nowMs = performance.now()): LoopDelay {
    const histogram = this.#histogram
    if (nowMs - this.#since < WINDOW_MS_MIN && this.#last.count > 0) return this.#last
    if (histogram.count === 0) return this.#last
    const { count, totalMs } = this.#last
    this.#last = {
      p50Ms: lateness(histogram.percentile(50)),
      p99Ms: lateness(histogram.percentile(99)),
      maxMs: lateness(histogram.max),
      count: count + histogram.count,
      totalMs: totalMs + lateness(histogram.mean) * histogram.count,
    }
    histogram.reset()
    this.#since = nowMs
    return this.#last
  }

  stop(): void {
    this.#histogram.disable()
  }
}

/** The histogram holds the time between two ticks of its timer: the interval and the delay. */
const lateness = (nanoseconds: number): number =>
  Math.max(0, nanoseconds / 1e6 - LOOP_RESOLUTION_MS)

export interface ProcessFigures {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly externalBytes: number
  readonly startedAtSeconds: number
  /** `undefined` where the operating system does not say. */
  readonly openFiles: number | undefined
  readonly openFilesMax: number | undefined
}

export const readProcessFigures = async (): Promise<ProcessFigures> => {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, external } = process.memoryUsage()
  const openFilesMax = readOpenFilesMax()
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    startedAtSeconds: performance.timeOrigin / 1_000,
    openFiles: await countOpenFiles(),
    openFilesMax: Number.isFinite(openFilesMax) ? openFilesMax : undefined,
  }
}

const countOpenFiles = async (): Promise<number | undefined> => {
  try {
    // The listing itself has one open.
    return (await readdir('/proc/self/fd')).length - 1
  } catch {
    return undefined
  }
}
