/** What is ready in a log after a restart, from offsets and sizes alone: payloads are not read. */
import type { Log } from '../log/log.ts'
import type { Ledger } from './ledger.ts'

export const countUnsettled = (log: Log, { floor, settled }: Ledger): number => {
  const count = log.highWatermark - Math.max(floor, log.earliestOffset)
  return Math.max(0, count - settled.countAbove)
}

/** A share of what the log holds. */
export const estimateBytes = (log: Log, readyCount: number): number => {
  const total = log.nextOffset - log.earliestOffset
  return total <= 0 ? 0 : Math.round((log.sizeBytes * readyCount) / total)
}
