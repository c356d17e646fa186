/** Runs a range of seeds in worker threads and hands out the reports as they come. */
import { Worker } from 'node:worker_threads'
import { Coverage } from './coverage.ts'
import { type SeedReport, runSeed } from './seed-report.ts'

/** Real time after which a seed is stuck in a loop that no simulated clock can end. */
const SEED_MS_MAX = 20_000

export interface SeedRange {
  readonly from: number
  readonly count: number
  readonly jobs: number
  /** Told of each report; false stops the run. */
  onReport(report: SeedReport): boolean
}

/** In this thread, for a trace. */
export const runTraced = async (range: SeedRange): Promise<void> => {
  for (let seed = range.from; seed < range.from + range.count; seed++) {
    const report = await runSeed(seed, (line) => console.log(line))
    if (!range.onReport(report)) return
  }
}

export const runInWorkers = async (range: SeedRange): Promise<void> => {
  const queue = { next: range.from, end: range.from + range.count }
  const jobs = Math.min(range.jobs, range.count)
  await Promise.all(Array.from({ length: jobs }, () => runThread(range, queue)))
}

/** One thread after the other, should one hang, until the queue is empty. */
const runThread = async (range: SeedRange, queue: { next: number; end: number }): Promise<void> => {
  while (queue.next < queue.end) {
    const worker = new Worker(new URL('./worker.js', import.meta.url))
    try {
      let isWell = true
      while (isWell && queue.next < queue.end) {
        const seed = queue.next++
        const report = await runOne(worker, seed)
        if (!range.onReport(report ?? hung(seed))) queue.next = queue.end
        isWell = report !== undefined
      }
    } finally {
      await worker.terminate()
    }
  }
}

/** `undefined` when the thread does not come back. */
const runOne = (worker: Worker, seed: number): Promise<SeedReport | undefined> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      worker.off('message', onMessage)
      worker.off('error', onError)
    }
    const onMessage = (report: SeedReport): void => {
      settle()
      resolve(report)
    }
    const onError = (error: unknown): void => {
      settle()
      reject(error as Error)
    }
    const timer = setTimeout(() => {
      settle()
      resolve(undefined)
    }, SEED_MS_MAX)
    worker.on('message', onMessage)
    worker.on('error', onError)
    worker.postMessage(seed)
  })

const hung = (seed: number): SeedReport => ({
  seed,
  operationCount: 0,
  crashCount: 0,
  eventCount: 0,
  traceHash: 0,
  coverage: new Coverage().counts,
  failure: { text: `I11: the seed runs in a loop for ${SEED_MS_MAX / 1000} s`, lastEvents: [] },
})
