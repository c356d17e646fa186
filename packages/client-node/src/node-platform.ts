/** Clock, timers, dice, cryptography and compression of Node. */
import type { Platform } from '@millrace/client-core'
import { createCompression } from '@millrace/compression'
import { nodeCrypto } from './node-crypto.ts'

const base: Platform = {
  crypto: nodeCrypto,
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

/** The codecs are loaded with the first connection. */
export const loadNodePlatform = async (): Promise<Platform> => ({
  ...base,
  compression: await createCompression(),
})
