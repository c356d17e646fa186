/**
 * What became of the messages of one lane (one log) of a queue: which are settled, how often those
 * that came back were returned, and how far deliveries may go.
 *
 * Everything here is what a restart needs; who has what in flight at the moment is not. Changes are
 * gathered and written by the queue's `LedgerLog`.
 *
 * Invariants:
 * - a message is settled here only after it was visible, so its settlement is never durable before
 *   the message is;
 * - nothing is delivered at or above `ceiling`, which is durable: what is unsettled below it after a
 *   restart may have been delivered before, and is redelivered as such;
 * - what was settled stays so, but for a replay.
 */
import { SettledSet } from './settled-set.ts'

/** Told that there is something to write. */
export interface LedgerHooks {
  /** Soon, with the next group. */
  changed(): void
  /** Now: a delivery waits for it. */
  urgent(): void
}

/** Never written to: most messages never come back. */
const nothingCounted = new Map<number, number>()

export class Ledger {
  readonly lane: number
  readonly settled: SettledSet
  readonly #ceilingStep: number
  readonly #hooks: LedgerHooks
  /** How often messages that are not settled were returned, by offset. */
  #counts = nothingCounted
  #pendingSettled: number[] = []
  #isPendingSorted = true
  #pendingCounts = nothingCounted
  #ceiling: number
  #ceilingRequested: number
  #ceilingWritten: number
  #pendingReset: number | undefined
  #pendingRuns: LedgerRun[] = []
  /** Some message has a time to live of its own. */
  hasExpiry = false
  #isExpiryPending = false

  constructor(lane: number, floor: number, ceilingStep: number, hooks: LedgerHooks) {
    this.lane = lane
    this.#ceilingStep = ceilingStep
    this.settled = new SettledSet(floor)
    this.#hooks = hooks
    this.#ceiling = floor
    this.#ceilingRequested = floor
    this.#ceilingWritten = floor
  }

  get floor(): number {
    return this.settled.floor
  }

  /** Durable: what lies below may have been delivered. */
  get ceiling(): number {
    return this.#ceiling
  }

  /** Said, and durable soon: a ledger that is written whole says no less. */
  get ceilingWritten(): number {
    return this.#ceilingWritten
  }

  get counts(): ReadonlyMap<number, number> {
    return this.#counts
  }

  get hasPending(): boolean {
    return (
      this.#pendingSettled.length > 0 ||
      this.#pendingCounts.size > 0 ||
      this.#ceilingWritten < this.#ceilingRequested ||
      this.#pendingReset !== undefined ||
      this.#pendingRuns.length > 0 ||
      this.#isExpiryPending
    )
  }

  countOf(offset: number): number {
    return this.#counts.get(offset) ?? 0
  }

  settle(offset: number): void {
    if (!this.settled.add(offset)) return
    if (this.#counts.size > 0) this.#counts.delete(offset)
    const pending = this.#pendingSettled
    if (pending.length === 0) this.#hooks.changed()
    else if (offset < pending[pending.length - 1]!) this.#isPendingSorted = false
    pending.push(offset)
  }

  /** All from `from` up to and without `to`, settled or not. */
  settleRange(from: number, to: number): void {
    if (from >= to) return
    this.settled.addRange(from, to)
    this.#forgetCounts()
    this.#pendingRuns.push({ from, to })
    this.#hooks.changed()
  }

  /** What was settled while somebody had it has no count: nothing would ever remove it. */
  returned(offset: number, count: number): void {
    if (this.settled.has(offset)) return
    this.#count(offset, count)
    if (this.#pendingCounts === nothingCounted) this.#pendingCounts = new Map()
    this.#pendingCounts.set(offset, count)
    this.#hooks.changed()
  }

  /** Before the message is stored: after a restart somebody has to know that it may expire. */
  noteExpiry(): void {
    if (this.hasExpiry) return
    this.hasExpiry = true
    this.#isExpiryPending = true
    this.#hooks.urgent()
  }

  /** Deliveries are about to reach `offset`. True when they may go beyond it already. */
  allow(offset: number): boolean {
    if (offset + this.#ceilingStep / 2 >= this.#ceilingRequested) {
      this.#ceilingRequested = offset + this.#ceilingStep
      this.#hooks.urgent()
    }
    return offset < this.#ceiling
  }

  /** Settled messages from `offset` on are ready again. */
  reset(offset: number): void {
    this.settled.reset(offset)
    this.#pendingReset = offset
    this.#pendingSettled = []
    this.#pendingRuns = []
    this.#hooks.changed()
  }

  /** Deliveries wait until the ceiling that was asked for is durable. */
  get isRaising(): boolean {
    return this.#ceiling < this.#ceilingRequested
  }

  /**
   * The log has nothing below `earliest` any more, and nothing from `next` on yet. The crash story of
   * the latter: damage took the end of the log and left the ledger, and what is stored there from now
   * on would count as settled.
   */
  fitTo(earliest: number, next: number): void {
    const { settled } = this
    const isBeyond = settled.countAbove > settled.countBetween(settled.floor, next)
    if (settled.floor > next || isBeyond) this.reset(Math.min(settled.floor, next))
    settled.raiseFloor(earliest)
    this.#forgetCounts()
  }

  /** What has changed since the last call. The caller tells `written` when it is durable. */
  takePending(): LedgerChanges {
    const settled = this.#pendingSettled
    if (!this.#isPendingSorted) settled.sort((left, right) => left - right)
    const counts = [...this.#pendingCounts]
    const changes: LedgerChanges = {
      reset: this.#pendingReset,
      settled,
      runs: this.#pendingRuns,
      counts,
      ceiling: this.#ceilingWritten < this.#ceilingRequested ? this.#ceilingRequested : undefined,
      hasExpiry: this.#isExpiryPending,
    }
    this.#pendingSettled = []
    this.#isPendingSorted = true
    this.#pendingCounts = nothingCounted
    this.#pendingReset = undefined
    this.#pendingRuns = []
    this.#isExpiryPending = false
    this.#ceilingWritten = this.#ceilingRequested
    return changes
  }

  /** Everything written so far was refused: it is written again, whole. */
  forgetWritten(): void {
    this.#ceilingWritten = this.#ceiling
  }

  ceilingDurable(ceiling: number): void {
    this.#ceiling = Math.max(this.#ceiling, ceiling)
  }

  /** What a snapshot says, and what recovery reads. */
  restore(state: {
    readonly floor?: number
    readonly ceiling?: number
    readonly isWhole: boolean
  }): void {
    if (state.isWhole) {
      this.settled.reset(state.floor ?? 0)
      this.#counts = nothingCounted
    } else if (state.floor !== undefined) this.settled.raiseFloor(state.floor)
    if (state.ceiling === undefined) return
    this.#ceiling = Math.max(this.#ceiling, state.ceiling)
    this.#ceilingRequested = this.#ceiling
    this.#ceilingWritten = this.#ceiling
  }

  restoreReset(offset: number): void {
    this.settled.reset(offset)
  }

  restoreSettled(from: number, to: number): void {
    this.settled.addRange(from, to)
  }

  restoreCount(offset: number, count: number): void {
    if (!this.settled.has(offset)) this.#count(offset, count)
  }

  #forgetCounts(): void {
    if (this.#counts.size === 0) return
    for (const offset of [...this.#counts.keys()])
      if (this.settled.has(offset)) this.#counts.delete(offset)
  }

  #count(offset: number, count: number): void {
    if (this.#counts === nothingCounted) this.#counts = new Map()
    this.#counts.set(offset, count)
  }
}

export interface LedgerRun {
  readonly from: number
  readonly to: number
}

export interface LedgerChanges {
  readonly reset: number | undefined
  /** Offsets in order. */
  readonly settled: readonly number[]
  readonly runs: readonly LedgerRun[]
  readonly counts: readonly (readonly [offset: number, count: number])[]
  readonly ceiling: number | undefined
  readonly hasExpiry: boolean
}

export const nothingChanged: LedgerChanges = {
  reset: undefined,
  settled: [],
  runs: [],
  counts: [],
  ceiling: undefined,
  hasExpiry: false,
}
