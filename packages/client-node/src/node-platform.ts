/** Clock, timers and dice of Node. */
import type { Platform } from '@millrace/client-core'

export const nodePlatform: Platform = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (run, delayMs) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  // After the callbacks of this turn, before the loop waits for the network again.
  defer: (run) => void setImmediate(run),
  random: () => Math.random(),
}
