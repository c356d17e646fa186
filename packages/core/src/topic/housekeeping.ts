/**
 * Looks every so often for records that their topics let go, and removes them.
 *
 * The clock may lie: it jumps when it is set, and at a start it may be years off. So nothing is
 * judged by age in the first round after a start, and time counts as passed only when both the wall
 * clock and the time since the start, counted monotonically, say so.
 */
import { isBrokerError } from '@millrace/codec'
import type { Clock, Environment, TimerHandle } from '../environment/environment.ts'
import { describeError } from '../log/disk-errors.ts'
import type { Log } from '../log/log.ts'
import type { LogStore } from '../log/store.ts'
import { retainedFrom, type RetentionView } from './retention.ts'
import type { TopicRegistry } from './topic-registry.ts'
import type { Topic } from './topic.ts'

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
  #timer: TimerHandle | undefined
  #running: Promise<void> = Promise.resolve()
  #isClosed = false
  rounds = 0

  constructor(
    environment: Environment,
    store: LogStore,
    registry: TopicRegistry,
    intervalMs: number,
  ) {
    this.#environment = environment
    this.#store = store
    this.#registry = registry
    this.#intervalMs = intervalMs
    this.#clock = new CautiousClock(environment.clock)
  }

  start(): void {
    if (this.#isClosed) return
    this.#timer = this.#environment.timers.after(this.#intervalMs, () => {
      this.#running = this.run().then(() => this.start())
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    // Work under way when the storage fails is never done.
    await Promise.race([this.#running, this.#store.failed])
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

  async #keep(topic: Topic, log: Log, view: RetentionView): Promise<void> {
    if (this.#isClosed || topic.isDeleted || this.#store.failure !== undefined) return
    const from = await this.#retainedFrom(topic, log, view)
    try {
      if (from > log.earliestOffset) await this.#store.trimmer.trim(log, from)
      else await this.#store.trimmer.sweep(log)
    } catch (error) {
      this.#warn(log, error)
      // The store has judged its own errors already.
      if (!isBrokerError(error)) this.#store.noteBackgroundError(error)
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
    this.#environment.log.warn('retention is tried again', fields)
  }
}
