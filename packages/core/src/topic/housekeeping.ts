/**
 * Looks every so often for records that their topics let go, and removes them.
 *
 * The clock may lie: it jumps when it is set, and at a start it may be years off. So nothing is
 * judged by age in the first round after a start, and time counts as passed only when both the wall
 * clock and the time since the start, counted monotonically, say so.
 */
import { isBrokerError } from '@millrace/codec'
import { Pacer } from '../care/pacer.ts'
import { Compactor, isGone, type CompactionOutcome } from '../compaction/compactor.ts'
import type { Clock, Environment, TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { isCompacting, retainedFrom, type RetentionView } from './retention.ts'
import type { TopicRegistry } from './topic-registry.ts'
import type { Topic } from './topic.ts'

export interface HousekeepingOptions {
  readonly retentionCheckMs: number
  readonly compactionBytesPerSecond: number
  readonly compactionKeyBytesMax: number
}

/** The earlier of the wall clock and the time since the start. */
export class CautiousClock {
  readonly #clock: Clock
  readonly #startedAtMs: number
  readonly #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAtMs = clock.now()
    this.#startedAt = clock.monotonic()
  }

  now(): number {
    const elapsed = this.#clock.monotonic() - this.#startedAt
    return Math.min(this.#clock.now(), this.#startedAtMs + elapsed)
  }
}

export class Housekeeping {
  readonly #environment: Environment
  readonly #store: LogStore
  readonly #registry: TopicRegistry
  readonly #intervalMs: number
  readonly #clock: CautiousClock
  readonly #pacer: Pacer
  readonly compactor: Compactor
  #timer: TimerHandle | undefined
  #compactionTimer: TimerHandle | undefined
  #running: Promise<void> = Promise.resolve()
  #compacting: Promise<void> = Promise.resolve()
  #isClosed = false
  rounds = 0
  /** Others whose logs want room back. */
  readonly #others: ((compactor: Compactor) => Promise<boolean>)[] = []

  constructor(
    environment: Environment,
    store: LogStore,
    registry: TopicRegistry,
    options: HousekeepingOptions,
  ) {
    this.#environment = environment
    this.#store = store
    this.#registry = registry
    this.#intervalMs = options.retentionCheckMs
    this.#clock = new CautiousClock(environment.clock)
    this.#pacer = new Pacer(environment)
    this.compactor = new Compactor({
      ...store.compactionParts,
      environment,
      keyBytesMax: options.compactionKeyBytesMax,
      latestTimestampOf: (segment) => store.latestTimestampOf(segment),
      pace: (bytes) => this.#pacer.spend(bytes, options.compactionBytesPerSecond),
    })
  }

  start(): void {
    this.#armRetention()
    this.#armCompaction()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#compactionTimer?.cancel()
    this.#pacer.stop()
    // Work under way when the storage fails is never done.
    await Promise.race([Promise.all([this.#running, this.#compacting]), this.#store.failed])
  }

  /** Does this with every compaction. It answers whether it waits for a checkpoint. */
  alsoCompact(work: (compactor: Compactor) => Promise<boolean>): void {
    this.#others.push(work)
  }

  /** One round over every partition. */
  async run(): Promise<void> {
    const view: RetentionView = {
      nowMs: this.rounds === 0 ? 0 : this.#clock.now(),
      latestTimestampOf: (segment) => this.#store.latestTimestampOf(segment),
      flush: (log) => this.#store.flush(log),
    }
    for (const topic of [...this.#registry.all()])
      for (const log of topic.logs) if (log !== undefined) await this.#keep(topic, log, view)
    this.rounds++
  }

  /** One pass over every compacted partition that is worth one. */
  async compact(): Promise<void> {
    let isWaiting = false
    for (const topic of [...this.#registry.all()])
      for (const log of topic.logs)
        if (log !== undefined && (await this.#compactOne(topic, log)) === 'waiting')
          isWaiting = true
    for (const work of this.#others)
      if (!this.#isOver && (await work(this.compactor))) isWaiting = true
    if (!isWaiting || this.#isOver) return
    // Only what two checkpoints have behind them is touched, and an idle broker takes none.
    await this.#store.checkpoint().catch((error: unknown) => this.#store.noteBackgroundError(error))
  }

  async #compactOne(topic: Topic, log: Log): Promise<CompactionOutcome> {
    const { settings } = topic.definition
    if (this.#isOver || topic.isDeleted || !isCompacting(settings)) return 'nothing'
    const { compactionLagMs, tombstoneMs } = settings
    const nowMs = this.rounds === 0 ? 0 : this.#clock.now()
    try {
      const outcome = await this.compactor.compact(log, { compactionLagMs, tombstoneMs, nowMs })
      if (outcome === 'damaged') this.#warn(log, 'a damaged segment is not compacted')
      return outcome
    } catch (error) {
      if (this.#isOver || isGone(log, error)) return 'nothing'
      this.#warn(log, error)
      this.#store.noteBackgroundError(error)
      return 'nothing'
    }
  }

  get #isOver(): boolean {
    return this.#isClosed || this.#store.failure !== undefined
  }

  #armRetention(): void {
    if (this.#isClosed) return
    this.#timer = this.#environment.timers.after(this.#intervalMs, () => {
      this.#running = this.run().then(() => this.#armRetention())
    })
  }

  /** On its own: a long compaction must not hold up retention. */
  #armCompaction(): void {
    if (this.#isClosed) return
    this.#compactionTimer = this.#environment.timers.after(this.#intervalMs, () => {
      this.#compacting = this.compact().then(() => this.#armCompaction())
    })
  }

  async #keep(topic: Topic, log: Log, view: RetentionView): Promise<void> {
    if (this.#isOver || topic.isDeleted) return
    const from = await this.#retainedFrom(topic, log, view)
    try {
      if (from > log.earliestOffset) await this.#store.trimmer.trim(log, from)
      else await this.#store.trimmer.sweep(log)
    } catch (error) {
      this.#warn(log, error)
      // The store has judged its own refusals already; a sync that failed it has not seen.
      if (!isBrokerError(error) || error.code === 'ERR_STORAGE_FAILED')
        this.#store.noteBackgroundError(error)
    }
  }

  /** What cannot be read now may be another time: nothing is removed on a guess. */
  async #retainedFrom(topic: Topic, log: Log, view: RetentionView): Promise<number> {
    try {
      return await retainedFrom(log, topic.definition.settings, view)
    } catch (error) {
      this.#warn(log, error)
      return log.earliestOffset
    }
  }

  #warn(log: Log, error: unknown): void {
    const fields = { log: log.label, error: describeError(error) }
    this.#environment.log.warn('retention or compaction is tried again', fields)
  }
}
