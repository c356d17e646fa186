/**
 * When ledgers are written. Those of few queues: with the next group of the journal, at most every few
 * milliseconds, and no later than `LEDGER_FLUSH_MS` after the first change. Those of many: each when it
 * has gathered for `LEDGER_GATHER_MS`, because writing one is a batch, whatever it says.
 */
import { RingQueue } from '@millrace/codec'
import type { Environment, TimerHandle } from '../environment/environment.ts'
import type { LedgerLog } from './ledger-log.ts'
import { LEDGER_FLUSH_MS, LEDGER_GATHER_MS, RIDING_LEDGERS_MAX } from './limits.ts'

/** Riding along costs bytes and work for each ledger: not with every group. */
const RIDE_INTERVAL_MS = 10

/** What the schedule needs of a ledger. */
export type ScheduledLedger = Pick<LedgerLog, 'isScheduled' | 'changedAtMs' | 'flush'>

export class LedgerSchedule {
  readonly #environment: Environment
  /** In the order of their first changes. */
  readonly #changed = new RingQueue<ScheduledLedger>()
  #timer: TimerHandle | undefined
  #flushedAtMs = 0
  #isClosed = false
  readonly #step = (): void => {
    this.#timer = undefined
    this.#flushDue()
    if (this.#changed.length > 0) this.#arm()
  }

  constructor(environment: Environment) {
    this.#environment = environment
  }

  changed(ledger: ScheduledLedger): void {
    if (ledger.isScheduled || this.#isClosed) return
    ledger.isScheduled = true
    ledger.changedAtMs = this.#environment.clock.monotonic()
    this.#changed.push(ledger)
    if (this.#timer === undefined) this.#arm()
  }

  /** A group is about to be written: what has changed goes along, if it is time. */
  ride(): void {
    if (this.#changed.length === 0 || this.#changed.length > RIDING_LEDGERS_MAX) return
    if (this.#environment.clock.monotonic() - this.#flushedAtMs >= RIDE_INTERVAL_MS) this.flushAll()
  }

  flushAll(): void {
    this.#flushedAtMs = this.#environment.clock.monotonic()
    this.#flushThrough(Infinity)
  }

  /** Everything settled so far is submitted; nothing is written after it. */
  close(): void {
    this.flushAll()
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#environment.timers.after(LEDGER_FLUSH_MS, this.#step)
  }

  #flushDue(): void {
    if (this.#changed.length <= RIDING_LEDGERS_MAX) return this.flushAll()
    this.#flushThrough(this.#environment.clock.monotonic() - LEDGER_GATHER_MS)
  }

  /** Those that changed first by then. What changes meanwhile waits for its own time. */
  #flushThrough(atMs: number): void {
    for (let left = this.#changed.length; left > 0; left--) {
      const ledger = this.#changed.peek()
      if (ledger === undefined || ledger.changedAtMs > atMs) return
      this.#changed.shift()
      ledger.isScheduled = false
      ledger.flush()
    }
  }
}
