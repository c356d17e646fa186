/** The real world for the engine: system clock, timers, random numbers and disk. */
import { randomBytes } from 'node:crypto'
import { createNodeDisk } from './node-disk.ts'
import type { Clock, EngineLog, Environment, Random, TimerHandle, Timers } from './environment.ts'

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

const timers: Timers = {
  after(delayMs: number, callback: () => void): TimerHandle {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
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
