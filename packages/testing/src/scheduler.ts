/**
 * The event queue of a simulated world: every timer, every completion of the disk and every step of
 * a workload is an event in it, ordered by simulated microseconds and, within one, by arrival.
 *
 * Between two events every promise continuation that can run has run. Counting turns of
 * `await Promise.resolve()` cannot guarantee that, a chain may be longer than the count. So the pump
 * asks the platform: `process.nextTick` called from within a microtask runs only when the microtask
 * queue has been drained to its end, continuations of continuations included. This costs a fraction
 * of a `setImmediate`, which goes through the operating system's poll each time; one is made every
 * few thousand events only, so that a long run still answers signals and messages. No real event
 * may change the simulated world, therefore the breath changes nothing in it.
 */
export interface ScheduledEvent {
  readonly timeUs: number
  readonly cancel: () => void
}

interface Entry {
  readonly timeUs: number
  readonly order: number
  callback: (() => void) | undefined
}

const EVENTS_PER_BREATH = 4096

const isBefore = (left: Entry, right: Entry): boolean =>
  left.timeUs < right.timeUs || (left.timeUs === right.timeUs && left.order < right.order)

/** A binary heap: the earliest entry first. */
class EntryHeap {
  readonly #entries: Entry[] = []

  get first(): Entry | undefined {
    return this.#entries[0]
  }

  push(entry: Entry): void {
    const entries = this.#entries
    let at = entries.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = entries[parent] as Entry
      if (!isBefore(entry, above)) break
      entries[at] = above
      at = parent
    }
    entries[at] = entry
  }

  pop(): Entry | undefined {
    const entries = this.#entries
    const first = entries[0]
    const moved = entries.pop()
    if (moved !== undefined && entries.length > 0) this.#sink(moved)
    return first
  }

  #sink(moved: Entry): void {
    const entries = this.#entries
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      if (
        child + 1 < entries.length &&
        isBefore(entries[child + 1] as Entry, entries[child] as Entry)
      )
        child++
      if (!isBefore(entries[child] as Entry, moved)) break
      entries[at] = entries[child] as Entry
      at = child
    }
    entries[at] = moved
  }
}

/** One call of `runUntil` or `runFor`. */
interface Run {
  readonly isDone: () => boolean
  readonly deadlineUs: number
  /** Whether reaching the deadline is the goal rather than a failure. */
  readonly isTimed: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Scheduler {
  readonly #heap = new EntryHeap()
  #nowUs = 0
  #order = 0
  #eventCount = 0
  #run: Run | undefined

  /** Simulated microseconds since the world began. */
  get nowUs(): number {
    return this.#nowUs
  }

  /** Events that have happened. */
  get eventCount(): number {
    return this.#eventCount
  }

  at(timeUs: number, callback: () => void): ScheduledEvent {
    const entry: Entry = {
      timeUs: Math.max(this.#nowUs, Math.ceil(timeUs)),
      order: this.#order++,
      callback,
    }
    this.#heap.push(entry)
    const cancel = (): void => {
      entry.callback = undefined
    }
    return { timeUs: entry.timeUs, cancel }
  }

  after(delayUs: number, callback: () => void): ScheduledEvent {
    return this.at(this.#nowUs + Math.max(0, delayUs), callback)
  }

  /** Lets events happen for so many simulated milliseconds. */
  runFor(ms: number): Promise<void> {
    return this.#start(() => false, this.#nowUs + Math.round(ms * 1000), true)
  }

  /**
   * Lets events happen until the promise settles, whose outcome it takes, or the predicate holds.
   * Fails when nothing is left to happen or when so many simulated milliseconds were not enough.
   */
  async runUntil<T>(goal: Promise<T> | (() => boolean), withinMs = 600_000): Promise<T> {
    const deadlineUs = this.#nowUs + withinMs * 1000
    if (typeof goal === 'function') {
      await this.#start(goal, deadlineUs, false)
      return undefined as T
    }
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    goal.then(settle, settle)
    await this.#start(() => isSettled, deadlineUs, false)
    return goal
  }

  #start(isDone: () => boolean, deadlineUs: number, isTimed: boolean): Promise<void> {
    if (this.#run !== undefined) throw new Error('the scheduler is running already')
    return new Promise<void>((resolve, reject) => {
      this.#run = { isDone, deadlineUs, isTimed, resolve, reject }
      queueMicrotask(this.#settleMicrotasks)
    })
  }

  readonly #settleMicrotasks = (): void => {
    process.nextTick(this.#step)
  }

  readonly #step = (): void => {
    const run = this.#run as Run
    try {
      if (run.isDone() || !this.#next(run)) {
        this.#run = undefined
        run.resolve()
        return
      }
    } catch (error) {
      this.#run = undefined
      run.reject(error)
      return
    }
    if (this.#eventCount % EVENTS_PER_BREATH === 0) setImmediate(this.#step)
    else queueMicrotask(this.#settleMicrotasks)
  }

  /** Makes the next event happen. False when a timed run has come to its end. */
  #next(run: Run): boolean {
    while (this.#heap.first !== undefined && this.#heap.first.callback === undefined) {
      this.#heap.pop()
    }
    const entry = this.#heap.first
    if (entry === undefined || entry.timeUs > run.deadlineUs) return this.#reachDeadline(run, entry)
    this.#heap.pop()
    this.#nowUs = entry.timeUs
    this.#eventCount++
    entry.callback?.()
    return true
  }

  #reachDeadline(run: Run, entry: Entry | undefined): boolean {
    if (run.isTimed) {
      this.#nowUs = run.deadlineUs
      return false
    }
    throw new Error(
      entry === undefined
        ? 'nothing is left to happen and the goal is not reached: something waits for ever'
        : `the goal was not reached within the simulated time (now ${this.#nowUs / 1000} ms)`,
    )
  }
}
