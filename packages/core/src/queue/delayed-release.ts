/**
 * Releases what a delayed exchange keeps: when it is due it is routed by the bindings of that moment.
 *
 * ```
 *   arrived ─▶ index (due, position) ─▶ slice: due, read, routed ─▶ one unit of the journal:
 *              one timer for the first                                stored at its targets, settled here
 * ```
 *
 * The crash story: the broker dies while messages are released. Each slice is one unit, so a message is
 * kept still, or it is where it was routed to, and never both or neither.
 *
 * The other crash story: between two processes there is only the wall clock, and it may be wrong at a
 * start and set right a moment later. What was kept before the start waits out the same grace as what
 * may expire; then the clock that is there is believed, and by it the index is made from the records.
 * A message that by that clock was kept in the future waits for its whole delay once more, no longer.
 *
 * Invariants: nothing is released before it is due by the steady clock; what leaves leaves by due time,
 * then by arrival, but for what its targets had no room for; one slice is under way at a time, so what
 * is read is bounded.
 */
import { type BrokerError, RecordCursor } from '@millrace/codec'
import type { EngineLog, TimerHandle, Timers } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { LogStore } from '../log/store.ts'
import { StoredSource } from './dead-letters.ts'
import type { DelayedLane } from './delayed-lane.ts'
import { type Due, readDue } from './due-reader.ts'
import { READ_RETRY_MS, RELEASE_COUNT_MAX, RELEASE_PAUSE_MS, RELEASE_RETRY_MS } from './limits.ts'
import type { MessageHeaders } from './message-headers.ts'
import { readDueMs } from './message-record.ts'
import type { PreparedMessage, Publisher, Routes } from './publisher.ts'
import { QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'
import { readOn } from './read-on.ts'
import { ReleaseRoom } from './release-room.ts'
import type { SteadyClock } from './steady-clock.ts'
import type { Transactions } from './transactions.ts'
import { WakeTimer } from './wake-timer.ts'

export interface ReleaseParts {
  readonly store: LogStore
  readonly routes: Routes
  readonly publisher: Publisher
  readonly transactions: Transactions
  readonly headers: MessageHeaders
  readonly clock: SteadyClock
  readonly timers: Timers
  readonly log: EngineLog
}

/** Less than this is no setting of a clock. */
const CLOCK_SET_MS = 1_000

/** What becomes of a slice: what goes now, and what is put back for later. */
interface Sorted {
  readonly going: PreparedMessage[]
  readonly settled: QueueEntry[]
  /** One of its targets has no room. */
  readonly refused: Due[]
  /** The next slice begins with them. */
  readonly left: readonly Due[]
}

export class DelayedRelease {
  readonly #parts: ReleaseParts
  readonly #queue: Queue
  readonly #lane: DelayedLane
  readonly #due: WakeTimer
  #pause: TimerHandle | undefined
  /** The index has what was kept before the start. */
  #isRecovered: boolean
  #isBusy = false
  #isClosed = false
  readonly #run = (): void => this.run()

  constructor(queue: Queue, lane: DelayedLane, parts: ReleaseParts) {
    this.#queue = queue
    this.#lane = lane
    this.#parts = parts
    this.#due = new WakeTimer(parts.timers, this.#run)
    this.#isRecovered = lane.readyCount === 0
    lane.onArrived = this.#run
  }

  /** Once routes are there. */
  start(): void {
    if (this.#isRecovered) return
    const { clock, timers, log } = this.#parts
    const graceMs = Math.max(0, clock.graceEndsAtMs - clock.now())
    const end = this.#lane.log.highWatermark
    this.#pause = timers.after(graceMs, () => {
      const { aheadMs, startedAtMs } = clock
      const fields = { exchange: this.#queue.name, aheadMs }
      if (Math.abs(aheadMs) >= CLOCK_SET_MS) log.warn('the clock was set since the start', fields)
      void this.#recover(new KeptRecovery(this.#lane, end, startedAtMs, aheadMs))
    })
  }

  close(): void {
    this.#isClosed = true
    this.#due.cancel()
    this.#pause?.cancel()
  }

  /** Releases what is due, or waits until something is. */
  run(): void {
    if (this.#isBusy || !this.#isRecovered || this.#isOver) return
    const { clock, store } = this.#parts
    const nowMs = clock.now()
    const { dueMs } = this.#lane.kept
    if (dueMs === Infinity) return
    if (dueMs > nowMs) return this.#due.wakeAt(dueMs, nowMs)
    this.#isBusy = true
    if (store.isCongested || store.refusal() !== undefined) return this.#goOnIn(RELEASE_PAUSE_MS)
    void this.#releaseSome(nowMs).then((pauseMs) => this.#goOnIn(pauseMs))
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#queue.isDeleted || this.#parts.store.failure !== undefined
  }

  #goOnIn(pauseMs: number): void {
    if (this.#isOver) return
    const goOn = (): void => {
      this.#isBusy = false
      this.run()
    }
    // Others get their turn between two slices.
    if (pauseMs === 0) this.#parts.timers.defer(goOn)
    else this.#pause = this.#parts.timers.after(pauseMs, goOn)
  }

  /** Answers how long to wait before the next slice. */
  async #releaseSome(nowMs: number): Promise<number> {
    const { kept } = this.#lane
    let slice: readonly Due[] = []
    try {
      slice = await readDue(this.#take(nowMs), this.#lane, this.#parts.store)
      if (this.#isOver) return 0
      const sorted = this.#sort(slice)
      await this.#move(sorted)
      const againMs = this.#parts.clock.now() + RELEASE_RETRY_MS
      for (const { position } of sorted.refused) kept.push(againMs, position)
      for (const { dueMs, position } of sorted.left) kept.push(dueMs, position)
      return sorted.settled.length === 0 && slice.length > 0 ? RELEASE_PAUSE_MS : 0
    } catch (error) {
      if (this.#isOver) return 0
      for (const { dueMs, position } of slice) kept.push(dueMs, position)
      this.#warn('what is due is tried again', error)
      return RELEASE_RETRY_MS
    }
  }

  #take(nowMs: number): Due[] {
    const { kept, ledger } = this.#lane
    const slice: Due[] = []
    while (slice.length < RELEASE_COUNT_MAX && kept.dueMs <= nowMs) {
      const { dueMs, position } = kept
      kept.shift()
      if (!ledger.settled.has(position)) slice.push({ dueMs, position, message: undefined })
    }
    return slice
  }

  /** Routes them, and holds them against the room that their targets have together. */
  #sort(slice: readonly Due[]): Sorted {
    const { routes, publisher, headers, clock } = this.#parts
    const { namespace, name } = this.#queue
    const [going, settled, refused]: [PreparedMessage[], QueueEntry[], Due[]] = [[], [], []]
    const exchange = routes.find(namespace, name)
    const room = new ReleaseRoom(clock.now())
    let at = 0
    for (; exchange !== undefined && at < slice.length && !room.isSpent; at++) {
      const due = slice[at]!
      const message = due.message!
      const properties = headers.withoutDelay(message)
      const source = new StoredSource({ ...message, properties }, headers, true)
      try {
        const prepared = room.admit(publisher.prepare(namespace, exchange, source))
        if (prepared === undefined) {
          refused.push(due)
          continue
        }
        if (prepared.targets.length > 0) going.push(prepared)
      } catch (error) {
        // Nothing will ever take it: it must not hold up the others.
        this.#warn('a delayed message is dropped', error)
      }
      settled.push(new QueueEntry(this.#lane, due.position, message))
    }
    return { going, settled, refused, left: slice.slice(at) }
  }

  async #move({ going, settled }: Sorted): Promise<void> {
    if (settled.length === 0) return
    const outcome = 'ack' as const
    const settlements = settled.map((entry) => ({ entry, outcome }))
    await this.#parts.transactions.move(going, settlements, () => {
      if (this.#queue.isDeleted) return
      for (const entry of settled) this.#lane.settle(entry)
      this.#queue.counts.settled += settled.length
    })
  }

  async #recover(recovery: KeptRecovery): Promise<void> {
    if (this.#isOver) return
    try {
      while (!recovery.isDone && !this.#isOver) await recovery.step(this.#parts.store)
    } catch (error) {
      if (this.#isOver) return
      this.#warn('what an exchange keeps cannot be read for now', error)
      const goOn = (): void => void this.#recover(recovery)
      this.#pause = this.#parts.timers.after(READ_RETRY_MS, goOn)
      return
    }
    this.#isRecovered = true
    this.run()
  }

  #warn(event: string, error: unknown): void {
    const fields = { exchange: this.#queue.name, error: describeError(error as BrokerError) }
    this.#parts.log.warn(event, fields)
  }
}

/** Puts what is not settled into the index, by reading the lane's own log. */
class KeptRecovery {
  readonly #lane: DelayedLane
  readonly #end: number
  readonly #startedAtMs: number
  readonly #aheadMs: number
  /** Where to go on. */
  offset: number

  constructor(lane: DelayedLane, end: number, startedAtMs: number, aheadMs: number) {
    this.#lane = lane
    this.#end = end
    this.#startedAtMs = startedAtMs
    this.#aheadMs = aheadMs
    this.offset = Math.max(lane.ledger.floor, lane.log.earliestOffset)
  }

  get isDone(): boolean {
    return this.offset >= this.#end
  }

  async step(store: LogStore): Promise<void> {
    let known = this.offset
    const next = await readOn(store, this.#lane.log, this.offset, {
      batch: (bytes, at) => {
        const cursor = new RecordCursor(bytes, at)
        while (cursor.next()) {
          const { offset } = cursor
          if (offset < known || offset >= this.#end) continue
          this.#lane.lose(known, offset)
          known = this.offset = offset + 1
          this.#add(cursor)
        }
      },
      damaged: ({ to }) => {
        this.#lane.lose(known, Math.min(to, this.#end))
        known = to
      },
    })
    // Whatever is missing, and was not settled, is lost.
    this.#lane.lose(known, Math.min(next, this.#end))
    this.offset = next
  }

  #add(cursor: RecordCursor): void {
    if (this.#lane.ledger.settled.has(cursor.offset)) return
    const dueMs = readDueMs(cursor) ?? 0
    // By the steady clock, which counts from what the wall clock said at the start.
    const keptAtMs = cursor.timestamp - this.#aheadMs
    const isFromTheFuture = keptAtMs > this.#startedAtMs
    const from = isFromTheFuture ? this.#startedAtMs : keptAtMs
    this.#lane.kept.push(from + Math.max(0, dueMs - cursor.timestamp), cursor.offset)
  }
}
