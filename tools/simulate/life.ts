/** One process with a broker in it, from its start to its end by whatever cause. */
import { type BrokerError, isBrokerError } from '@millrace/codec'
import { type Broker, type BrokerOptions, openBroker } from '@millrace/core'
import type { PlannedFault, SeededRandom } from '@millrace/testing'
import { DATA_DIRECTORY } from './names.ts'
import type { Simulation } from './simulation.ts'

export class Life {
  readonly simulation: Simulation
  readonly random: SeededRandom
  /** Calls that were told to fail; any that did excuses errors. */
  readonly faults: PlannedFault[] = []
  operationCount = 0
  /** Actors finish what they do and begin nothing new. */
  isEnding = false
  /** The process is gone: nothing of it is heard any more. */
  isOver = false
  fatal: BrokerError | undefined
  /** The disk was made small in this life. */
  wasFull = false
  /** It still is, or the broker has not seen yet that there is room again: nobody hurries. */
  isFull = false
  /** What goes wrong comes to its end before the process does. */
  isHeld = false
  /** Calls of the broker that have not returned: when they were made and what they were. */
  readonly waiting = new Map<number, { readonly sinceMs: number; readonly what: string }>()
  #broker: Broker | undefined
  #waitCount = 0

  constructor(simulation: Simulation, random: SeededRandom) {
    this.simulation = simulation
    this.random = random
  }

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('the broker is not open yet')
    return this.#broker
  }

  get isOpen(): boolean {
    return this.#broker !== undefined
  }

  /** A planned fault has struck: the broker may fail calls, and may have to stop. */
  get hasFaulted(): boolean {
    return this.faults.some((fault) => fault.firedCount > 0)
  }

  async open(): Promise<void> {
    const { simulation } = this
    const environment = simulation.world.boot()
    const options: BrokerOptions = {
      directory: DATA_DIRECTORY,
      autoCreateTopics: false,
      storage: simulation.scenario.storage,
      poisonFreedBuffers: true,
      onFatal: (error) => this.#onFatal(error),
    }
    this.#broker = await openBroker(options, environment)
    if (this.hasFaulted) simulation.queues.forgetIds()
  }

  #onFatal(error: BrokerError): void {
    if (this.isOver) return
    this.simulation.note(`life: fatal ${error.code} ${String((error as Error).cause ?? '')}`)
    if (this.fatal !== undefined) this.simulation.fail(new Error('onFatal was called twice'))
    this.fatal = error
    if (!this.hasFaulted && !this.wasFull) {
      this.simulation.fail(
        new Error(`the broker stopped without a cause: ${error.message}`, { cause: error }),
      )
    }
  }

  /** Resolves after so many simulated microseconds, never once the process is gone. */
  pause(us: number): Promise<void> {
    return new Promise((resolve) => {
      this.simulation.world.scheduler.after(us, () => {
        if (!this.isOver) resolve()
      })
    })
  }

  /** A random pause between two operations of an actor. */
  idle(): Promise<void> {
    const mean = (this.isFull ? 20 : 1) * this.simulation.scenario.pauseUs
    return this.pause(this.random.chance(0.3) ? this.random.below(20) : this.random.below(2 * mean))
  }

  /** Waits for a call of the broker, and lets it be known while it has not returned. */
  async call<T>(what: string, promise: Promise<T>): Promise<T> {
    const done = this.beginWait(what)
    try {
      return await promise
    } finally {
      done()
    }
  }

  beginWait(what: string): () => void {
    const number = ++this.#waitCount
    this.waiting.set(number, { sinceMs: this.simulation.world.clock.monotonic(), what })
    return () => void this.waiting.delete(number)
  }

  count(): void {
    this.operationCount++
    this.simulation.operationCount++
  }

  /** Runs an actor; a rule that it finds broken, or an error without a cause, ends the seed. */
  start(actor: () => Promise<void>): void {
    actor().catch((error: unknown) => {
      if (this.isOver) return
      const isExcused = this.hasFaulted || this.fatal !== undefined || this.isEnding
      if (isBrokerError(error) && isExcused) this.simulation.note(`an actor ends: ${error.code}`)
      else this.simulation.fail(error)
    })
  }

  /** Adds what the engine has counted, before it is gone. */
  takeCounters(): void {
    if (this.isOpen) this.simulation.addStatus(this.broker.status())
  }
}
