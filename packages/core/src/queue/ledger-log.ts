/**
 * Writes the ledgers of one queue to a log of their own, and reads them back.
 *
 * The crash story: a broker that dies has settled more than its ledger says. Those messages are
 * delivered again, which at least once allows; so settlements wait for the next group that is written
 * anyway, and cost no sync of their own. What must not happen is the reverse, and cannot: messages are
 * delivered when they are durable, and both logs share one journal.
 *
 * When much was added, the log says everything anew in one batch, and begins there.
 */
import { batchRecordCount, type BrokerError } from '@millrace/codec'
import type { StorageOptions } from '../engine/operations.ts'
import type { Environment } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import type { AppendTicket, AtomicUnit, StoredBatch } from '../log/stored-batch.ts'
import { Ledger, nothingChanged, type LedgerHooks } from './ledger.ts'
import type { LedgerSchedule } from './ledger-schedule.ts'
import { applyLedgerBatch, type LedgerWriter } from './ledger-record.ts'
import { readOn } from './read-on.ts'

export interface LedgerLogHooks {
  /** Deliveries may go further. */
  wake(): void
}

export type LedgerSizes = Pick<StorageOptions, 'ledgerBytesMin' | 'deliveryCeilingStep'>

/** One flush under way. */
class LedgerTicket implements AppendTicket {
  readonly #owner: LedgerLog
  readonly #ceilings: readonly (readonly [Ledger, number])[]
  readonly #isWhole: boolean

  constructor(
    owner: LedgerLog,
    ceilings: readonly (readonly [Ledger, number])[],
    isWhole: boolean,
  ) {
    this.#owner = owner
    this.#ceilings = ceilings
    this.#isWhole = isWhole
  }

  stored(batch: StoredBatch): void {
    for (const [ledger, ceiling] of this.#ceilings) ledger.ceilingDurable(ceiling)
    this.#owner.written(batch, this.#isWhole, this.#ceilings.length > 0)
  }

  refused(): void {
    this.#owner.refused()
  }
}

/** Where a ledger is written: its log, or how to make it with its first use. */
export interface LedgerPlace {
  readonly log: Log | undefined
  begin(): Log
}

export class LedgerLog implements LedgerHooks {
  #log: Log | undefined
  readonly #place: LedgerPlace
  readonly ledgers: Ledger[]
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #schedule: LedgerSchedule
  readonly #hooks: LedgerLogHooks
  readonly #writer: LedgerWriter
  readonly #sizes: LedgerSizes
  readonly #waiters: (() => void)[] = []
  #underWay = 0
  #bytesSinceWhole = 0
  #wholeBytes = 0
  #isWholeDue = false
  /** Something that was to be written was refused, and is not written anew yet. */
  #isBehind = false
  #holds = 0
  #isClosed = false
  /** In the schedule's list. */
  isScheduled = false
  /** When it was scheduled, monotonic milliseconds. */
  changedAtMs = 0

  constructor(
    parts: {
      environment: Environment
      store: LogStore
      schedule: LedgerSchedule
      writer: LedgerWriter
      sizes: LedgerSizes
    },
    place: LedgerPlace,
    floors: readonly number[],
    hooks: LedgerLogHooks,
  ) {
    this.#environment = parts.environment
    this.#store = parts.store
    this.#schedule = parts.schedule
    this.#writer = parts.writer
    this.#sizes = parts.sizes
    this.#log = place.log
    this.#place = place
    if (place.log !== undefined) place.log.isUrgent = true
    this.#hooks = hooks
    this.ledgers = []
    for (const floor of floors) this.addLane(floor)
  }

  get log(): Log | undefined {
    return this.#log
  }

  addLane(floor: number): Ledger {
    const ledger = new Ledger(this.ledgers.length, floor, this.#sizes.deliveryCeilingStep, this)
    this.ledgers.push(ledger)
    return ledger
  }

  /** A ledger of it has something to write, soon. */
  changed(): void {
    this.#schedule.changed(this)
  }

  /** And one has something that a delivery waits for. */
  urgent(): void {
    this.flush()
  }

  /** Writes everything that is known, now: where a new queue begins. */
  writeWhole(): void {
    this.#isWholeDue = true
    this.flush()
  }

  /** Reads what was written before a restart. Payloads are never read. */
  async recover(): Promise<void> {
    const log = this.#log
    if (log === undefined) return
    let offset = log.earliestOffset
    while (offset < log.highWatermark) offset = await this.#recoverFrom(log, offset)
    this.#bytesSinceWhole = log.sizeBytes
  }

  /** Writes what has changed, now. */
  flush(): void {
    if (this.#isClosed || this.#store.failure !== undefined) return
    const isWhole = this.#holds === 0 && (this.#isWholeDue || this.#isGrown)
    const ceilings: (readonly [Ledger, number])[] = []
    this.#writer.begin(this.#environment.clock.now())
    for (const ledger of this.ledgers) {
      if (!isWhole && !ledger.hasPending) continue
      const changes = ledger.takePending()
      const { ceiling } = changes
      if (ceiling !== undefined) ceilings.push([ledger, ceiling])
      if (isWhole) this.#writer.whole(ledger, ledger.ceilingWritten)
      else this.#writer.changes(ledger.lane, changes)
    }
    if (this.#writer.count > 0) this.#append(ceilings, isWhole)
  }

  /** Something changed that is not durable yet. */
  get isBusy(): boolean {
    return this.#underWay > 0 || this.#isBehind || this.ledgers.some((ledger) => ledger.hasPending)
  }

  /** Resolves when all that has changed by now is durable; rejects when it never will be. */
  flushed(): Promise<void> {
    const { failure } = this.#store
    if (failure !== undefined) return Promise.reject(failure)
    this.flush()
    if (this.#isClosed || (this.#underWay === 0 && !this.#isBehind)) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /**
   * Writes that these offsets of lanes are settled, together with the other batches of a unit. In
   * memory they are settled by whoever waits, once it is durable.
   */
  settleTogether(
    lanes: ReadonlyMap<number, readonly number[]>,
    unit: AtomicUnit,
    waiter: { stored(): void; refused(error: BrokerError): void },
  ): void {
    this.#writer.begin(this.#environment.clock.now())
    for (const [lane, offsets] of lanes) {
      const settled = [...offsets].sort((left, right) => left - right)
      this.#writer.changes(lane, { ...nothingChanged, settled })
    }
    const bytes = this.#writer.build()
    this.#bytesSinceWhole += bytes.length
    const accepted = {
      bytes,
      recordCount: batchRecordCount(bytes),
      maxTimestamp: this.#environment.clock.now(),
    }
    this.#store.append(this.#logToWrite(), accepted, true, waiter, { unit, isRepeat: false })
  }

  written(batch: StoredBatch, isWhole: boolean, hasCeiling: boolean): void {
    if (isWhole) this.#isBehind = false
    this.#settleOne()
    if (isWhole && !this.#isClosed) this.#trim(batch.baseOffset)
    if (hasCeiling) this.#hooks.wake()
  }

  /** The disk was full: what was to be written is said again, with everything else. */
  refused(): void {
    this.#isWholeDue = true
    this.#isBehind = true
    for (const ledger of this.ledgers) ledger.forgetWritten()
    this.#underWay--
    this.#schedule.changed(this)
  }

  /**
   * The crash story: a transaction has written what it settles, and memory does not know of it yet.
   * A ledger written whole behind it would take that back. So none is, between these two calls.
   */
  hold(): void {
    // Made now, not in the middle of a unit.
    this.#logToWrite()
    this.#holds++
  }

  release(): void {
    this.#holds--
    if (this.#isWholeDue) this.#schedule.changed(this)
  }

  /** The queue is gone: what was settled of it is of no interest any more. */
  close(): void {
    this.#isClosed = true
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  get #isGrown(): boolean {
    return this.#bytesSinceWhole > Math.max(this.#sizes.ledgerBytesMin, this.#wholeBytes)
  }

  #append(ceilings: readonly (readonly [Ledger, number])[], isWhole: boolean): void {
    const bytes = this.#writer.build()
    const ticket = new LedgerTicket(this, ceilings, isWhole)
    const accepted = {
      bytes,
      recordCount: batchRecordCount(bytes),
      maxTimestamp: this.#environment.clock.now(),
    }
    this.#underWay++
    if (isWhole) {
      this.#isWholeDue = false
      this.#wholeBytes = bytes.length
      this.#bytesSinceWhole = 0
    }
    this.#bytesSinceWhole += bytes.length
    this.#store.append(this.#logToWrite(), accepted, true, ticket)
  }

  #settleOne(): void {
    this.#underWay--
    if (this.#underWay > 0 || this.#isBehind) return
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  #trim(offset: number): void {
    this.#store.trimmer
      .trim(this.#logToWrite(), offset)
      .catch((error: unknown) =>
        this.#environment.log.warn('a ledger keeps its old part', { error: describeError(error) }),
      )
  }

  #logToWrite(): Log {
    if (this.#log !== undefined) return this.#log
    const log = this.#place.begin()
    log.isUrgent = true
    this.#log = log
    return log
  }

  #recoverFrom(log: Log, offset: number): Promise<number> {
    return readOn(this.#store, log, offset, {
      batch: (bytes, at) => applyLedgerBatch(bytes, at, offset, (lane) => this.ledgers[lane]),
      damaged: (gap) => {
        // What was settled in there comes again.
        this.#environment.log.error('settlements are damaged', { log: log.label, ...gap })
        this.#isWholeDue = true
      },
    })
  }
}
