/**
 * When ledgers are written: with the next group of the journal, at most every few milliseconds, and
 * no later than `LEDGER_FLUSH_MS` after the first change.
 */
import type { Environment, TimerHandle } from '../environment/environment.ts'
import type { LedgerLog } from './ledger-log.ts'
import { LEDGER_FLUSH_MS } from './limits.ts'

/** Riding along costs bytes and work for each ledger: not with every group. */
const RIDE_INTERVAL_MS = 10
/** More than so many would each say little, and wait until there is more of it. */
const RIDING_LEDGERS_MAX = 64

export class LedgerSchedule {
  readonly #environment: Environment
  #changed: LedgerLog[] = []
  #timer: TimerHandle | undefined
  #flushedAtMs = 0
  #isClosed = false

  constructor(environment: Environment) {
    this.#environment = environment
  }

  changed(ledger: LedgerLog): void {
    if (ledger.isScheduled || this.#isClosed) return
    ledger.isScheduled = true
    this.#changed.push(ledger)
    this.#timer ??= this.#environment.timers.after(LEDGER_FLUSH_MS, () => {
      this.#timer = undefined
      this.flushAll()
    })
  }

  /** A group is about to be written: what has changed goes along, if it is time. */
  ride(): void {
    if (this.#changed.length === 0 || this.#changed.length > RIDING_LEDGERS_MAX) return
    if (this.#environment.clock.monotonic() - this.#flushedAtMs >= RIDE_INTERVAL_MS) this.flushAll()
  }

  flushAll(): void {
    this.#flushedAtMs = this.#environment.clock.monotonic()
    const changed = this.#changed
    this.#changed = []
    for (const ledger of changed) {
      ledger.isScheduled = false
      ledger.flush()
    }
  }

  /** Everything settled so far is submitted; nothing is written after it. */
  close(): void {
    this.flushAll()
    this.#isClosed = true
    this.#timer?.cancel()
  }
}
