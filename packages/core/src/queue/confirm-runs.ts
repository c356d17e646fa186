/**
 * The confirms of a session, in the order of its publications: runs of consecutive messages that share
 * a batch, and so their outcome.
 *
 * ```
 *   1–57 stored | 58–61 waiting for a batch | 62 refused | 63–70 nothing to wait for
 *   ^ told next
 * ```
 */
import { BrokerError, RingQueue } from '@millrace/codec'
import type { Timers } from '../environment/environment.ts'
import type { OpenBatch, StoredWaiter } from './open-batch.ts'
import type { Queue } from './queue.ts'
import type { Reached } from './publisher.ts'

class ConfirmRun implements StoredWaiter {
  readonly from: number
  to: number
  bytes: number
  /** The one batch that all of its messages are in. */
  batch: OpenBatch | undefined
  waits = 0
  error: BrokerError | undefined
  readonly #owner: ConfirmRuns

  constructor(owner: ConfirmRuns, at: number, bytes: number) {
    this.#owner = owner
    this.from = at
    this.to = at
    this.bytes = bytes
  }

  stored(): void {
    this.waits--
    if (this.waits === 0) this.#owner.settled()
  }

  refused(error: BrokerError): void {
    this.error ??= error
    this.stored()
  }
}

export class ConfirmRuns implements Reached {
  readonly #timers: Timers
  readonly #tell: (from: number, to: number, error: BrokerError | undefined) => void
  readonly #runs = new RingQueue<ConfirmRun>()
  readonly #deliver = (): void => this.#deliverAll()
  #last: ConfirmRun | undefined
  #next = 1
  #isScheduled = false
  #isClosed = false
  #bytes = 0
  #count = 0
  /** Of the message being published. */
  #batch: OpenBatch | undefined
  #more: OpenBatch[] | undefined
  #error: BrokerError | undefined

  constructor(
    timers: Timers,
    tell: (from: number, to: number, error: BrokerError | undefined) => void,
  ) {
    this.#timers = timers
    this.#tell = tell
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Before a message is published that wants a confirm. */
  begin(): void {
    this.#batch = undefined
    this.#more = undefined
    this.#error = undefined
  }

  batch(batch: OpenBatch): void {
    if (this.#batch === undefined) this.#batch = batch
    else (this.#more ??= []).push(batch)
  }

  refused(queue: Queue): void {
    this.#error ??= new BrokerError('ERR_MESSAGE_REFUSED', [queue.name])
  }

  /** It was published. */
  end(bytes: number): void {
    const at = this.#next++
    this.#count++
    this.#bytes += bytes
    const batch = this.#batch
    const last = this.#last
    if (last !== undefined && this.#more === undefined && this.#error === last.error) {
      const isSame = batch === undefined ? last.waits === 0 : last.batch === batch
      if (isSame) {
        last.to = at
        last.bytes += bytes
        return
      }
    }
    this.#begin(at, bytes, batch)
  }

  /** A refusal of the storage: the message went nowhere. */
  fail(bytes: number, error: BrokerError): void {
    this.begin()
    this.#error = error
    this.end(bytes)
  }

  settled(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#timers.defer(this.#deliver)
  }

  close(): void {
    this.#isClosed = true
  }

  #begin(at: number, bytes: number, batch: OpenBatch | undefined): void {
    const run = new ConfirmRun(this, at, bytes)
    run.error = this.#error
    if (batch !== undefined) {
      run.waits++
      batch.awaitedBy(run)
      if (this.#more === undefined) run.batch = batch
    }
    if (this.#more !== undefined)
      for (const other of this.#more) {
        run.waits++
        other.awaitedBy(run)
      }
    this.#runs.push(run)
    this.#last = run
    if (run.waits === 0) this.settled()
  }

  #deliverAll(): void {
    this.#isScheduled = false
    let from = 0
    let to = 0
    for (;;) {
      const run = this.#runs.peek()
      if (run === undefined || run.waits > 0) break
      this.#runs.shift()
      if (run === this.#last) this.#last = undefined
      this.#count -= run.to - run.from + 1
      this.#bytes -= run.bytes
      if (run.error === undefined) {
        from = from === 0 ? run.from : from
        to = run.to
        continue
      }
      if (from > 0) this.#told(from, to, undefined)
      from = 0
      this.#told(run.from, run.to, run.error)
    }
    if (from > 0) this.#told(from, to, undefined)
  }

  #told(from: number, to: number, error: BrokerError | undefined): void {
    if (!this.#isClosed) this.#tell(from, to, error)
  }
}
