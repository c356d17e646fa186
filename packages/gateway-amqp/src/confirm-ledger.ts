/**
 * From the engine's numbers of publications to a channel's delivery tags, in order.
 *
 * Both count from 1, and differ by the publications that the engine never had: refused before they
 * came so far, or answered by the gateway itself. Those have their outcome at once, but tell it only
 * when everything before them has told its own, so that cumulative acks are never ahead of the truth.
 *
 * ```
 *   tags     1   2   3*  4   5*  6        * never reached the engine
 *   engine   1   2       3       4
 * ```
 */
import { RingQueue } from '@millrace/codec'

/** Publications `from` to `to` have their outcome. */
export type ConfirmSink = (from: number, to: number, isTaken: boolean) => void

interface OwnOutcome {
  /** The engine's last number before it. */
  readonly after: number
  readonly isTaken: boolean
}

export class ConfirmLedger {
  readonly #sink: ConfirmSink
  readonly #own: RingQueue<OwnOutcome>
  /** The engine's numbers: given out, and with an outcome. */
  #published: number
  #settled: number
  /** Own outcomes that were told: what a tag is ahead of the engine's number. */
  #ahead: number

  constructor(sink: ConfirmSink) {
    this.#sink = sink
    this.#own = new RingQueue<OwnOutcome>()
    this.#published = 0
    this.#settled = 0
    this.#ahead = 0
  }

  /** All publications so far. */
  get total(): number {
    return this.#published + this.#ahead + this.#own.length
  }

  /** Publications without an outcome. */
  get outstanding(): number {
    return this.#published - this.#settled + this.#own.length
  }

  /** The engine took one. */
  published(): void {
    this.#published++
  }

  /** The engine never had this one. */
  settledHere(isTaken: boolean): void {
    this.#own.push({ after: this.#published, isTaken })
    this.#tellOwn(this.#settled)
  }

  /** The engine's numbers `from` to `to` have their outcome. */
  settled(from: number, to: number, isTaken: boolean): void {
    let next = from
    for (let own = this.#own.peek(); own !== undefined && own.after < to; own = this.#own.peek()) {
      if (own.after >= next) this.#tell(next, own.after, isTaken)
      next = Math.max(next, own.after + 1)
      this.#tellOwn(own.after)
    }
    this.#tell(next, to, isTaken)
    this.#settled = to
    this.#tellOwn(to)
  }

  #tell(from: number, to: number, isTaken: boolean): void {
    this.#sink(from + this.#ahead, to + this.#ahead, isTaken)
  }

  #tellOwn(settled: number): void {
    for (let own = this.#own.peek(); own !== undefined && own.after <= settled;) {
      this.#own.shift()
      this.#ahead++
      const tag = own.after + this.#ahead
      this.#sink(tag, tag, own.isTaken)
      own = this.#own.peek()
    }
  }
}
