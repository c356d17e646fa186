/** One read of a lane's log at a time. After one that the disk has failed the next one waits. */
import type { Timers } from '../environment/environment.ts'
import { READ_RETRY_MS } from './limits.ts'

export class ReadTurn {
  readonly #timers: Timers
  readonly #home: { wake(): void }
  #isTaken = false
  #isWaiting = false

  /** Woken when a read is over, or waits. */
  constructor(timers: Timers, home: { wake(): void }) {
    this.#timers = timers
    this.#home = home
  }

  /** Nothing may be read now. */
  get isTaken(): boolean {
    return this.#isTaken
  }

  /** Something is being read. */
  get isReading(): boolean {
    return this.#isTaken && !this.#isWaiting
  }

  /** `read` answers whether the disk did its part, and never rejects. */
  async take(read: () => Promise<boolean>): Promise<void> {
    this.#isTaken = true
    this.#isWaiting = !(await read())
    if (this.#isWaiting) this.#timers.after(READ_RETRY_MS, () => this.#end())
    else this.#isTaken = false
    this.#home.wake()
  }

  #end(): void {
    this.#isTaken = this.#isWaiting = false
    this.#home.wake()
  }
}
