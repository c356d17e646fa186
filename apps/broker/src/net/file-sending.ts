/**
 * What all connections of a process share for sending files: the system calls, the turns, the count.
 *
 * Invariant: in one turn of the event loop all of them together move so many bytes at most; who is not
 * done stands in line again, behind the others.
 */
import { RingQueue } from '@millrace/codec'
import { FILE_BYTES_PER_TURN_MAX } from '../limits.ts'
import type { SystemCalls } from './system-calls.ts'

export interface FileTask {
  /** Moves some bytes, without waiting. Returns how many. */
  step(): number
}

export class FileSending {
  readonly calls: SystemCalls
  readonly #defer: (callback: () => void) => void
  readonly #run: () => void
  readonly #tasks = new RingQueue<FileTask>()
  #isDeferred = false
  /** Bytes that went from a file to a socket without passing through here. */
  sentBytes = 0

  constructor(calls: SystemCalls, defer: (callback: () => void) => void) {
    this.calls = calls
    this.#defer = defer
    this.#run = () => this.#takeTurn()
  }

  /** A task stands here at most once. */
  enter(task: FileTask): void {
    this.#tasks.push(task)
    this.#arm()
  }

  #arm(): void {
    if (this.#isDeferred || this.#tasks.length === 0) return
    this.#isDeferred = true
    this.#defer(this.#run)
  }

  #takeTurn(): void {
    this.#isDeferred = false
    let left = FILE_BYTES_PER_TURN_MAX
    // Those that come back meanwhile have their next turn when the loop has been round.
    for (let waiting = this.#tasks.length; waiting > 0 && left > 0; waiting--) {
      left -= this.#tasks.shift()?.step() ?? 0
    }
    this.#arm()
  }
}
