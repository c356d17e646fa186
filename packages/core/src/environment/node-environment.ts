/** The real world for the engine: system clock, timers, random numbers and disk. */
import { randomBytes } from 'node:crypto'
import { createNodeDisk } from './node-disk.ts'
import type { Clock, EngineLog, Environment, Random, TimerHandle, Timers } from './environment.ts'

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** The longest delay that `setTimeout` takes: it runs longer ones at once. */
const TIMER_MS_MAX = 2_147_483_647

const timers: Timers = {
  after(delayMs: number, callback: () => void): TimerHandle {
    let timer: NodeJS.Timeout | undefined
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, TIMER_MS_MAX)
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs)
      timer.unref()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
  defer(callback: () => void): void {
    setImmediate(callback)
  },
}

const random: Random = {
  uint32: () => randomBytes(4).readUInt32LE(0),
}

const silent: EngineLog = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

export const createNodeEnvironment = (options: { log?: EngineLog } = {}): Environment => ({
  clock,
  timers,
  random,
  disk: createNodeDisk(),
  log: options.log ?? silent,
})
