/**
 * What peers can cause to be logged, they can cause a million times: of each event a few lines a
 * second are written, and the next one after that says how many were not.
 */
import type { Clock, EngineLog } from '@millrace/core'

export const LINES_PER_SECOND_MAX = 10

class EventWindow {
  startedMs: number
  count = 0
  suppressed = 0

  constructor(startedMs: number) {
    this.startedMs = startedMs
  }
}

type Write = (event: string, fields?: Record<string, unknown>) => void

export const throttleLog = (log: EngineLog, clock: Clock): EngineLog => {
  // Events are constants of ours, so this does not grow.
  const windows = new Map<string, EventWindow>()
  const throttle =
    (write: Write): Write =>
    (event, fields) => {
      const now = clock.monotonic()
      const window = windows.get(event) ?? new EventWindow(now)
      windows.set(event, window)
      if (now - window.startedMs >= 1_000) {
        window.startedMs = now
        window.count = 0
      }
      window.count += 1
      if (window.count > LINES_PER_SECOND_MAX) {
        window.suppressed += 1
        return
      }
      const { suppressed } = window
      window.suppressed = 0
      write(event, suppressed === 0 ? fields : { ...fields, suppressed })
    }
  return {
    info: throttle((event, fields) => log.info(event, fields)),
    warn: throttle((event, fields) => log.warn(event, fields)),
    error: throttle((event, fields) => log.error(event, fields)),
  }
}
