/**
 * A thread that wakes its parent at short, even intervals. Timers of Node are no shorter than a
 * millisecond, and a loop that spins takes a core from what is measured.
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

const NEVER_NOTIFIED = 0
const IS_TICK_PENDING = 1
const IS_STOPPED = 2
const FLAG_COUNT = 3

interface TickerData {
  readonly flags: Int32Array
  readonly intervalMs: number
}

export interface Ticker {
  stop(): void
}

/** A tick that comes while the one before is not heard yet is left out. */
export const startTicker = (intervalMs: number, onTick: () => void): Ticker => {
  const flags = new Int32Array(new SharedArrayBuffer(FLAG_COUNT * Int32Array.BYTES_PER_ELEMENT))
  const thread = new Worker(new URL(import.meta.url), { workerData: { flags, intervalMs } })
  thread.on('message', () => {
    Atomics.store(flags, IS_TICK_PENDING, 0)
    onTick()
  })
  return { stop: () => void Atomics.store(flags, IS_STOPPED, 1) }
}

const tick = ({ flags, intervalMs }: TickerData): void => {
  while (Atomics.load(flags, IS_STOPPED) === 0) {
    Atomics.wait(flags, NEVER_NOTIFIED, 0, intervalMs)
    if (Atomics.exchange(flags, IS_TICK_PENDING, 1) === 0) parentPort?.postMessage(0)
  }
}

if (!isMainThread) tick(workerData as TickerData)
