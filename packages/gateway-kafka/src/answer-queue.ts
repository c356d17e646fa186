/**
 * Kafka's rule for a connection: answers leave in the order of the requests, whatever they wait for.
 *
 * ```
 *   first                                            last
 *   | produce ✓ | produce … | fetch (not begun) | metadata |
 *     ^ leaves    ^ stops the others
 * ```
 * A request whose `start` does something begins when everything before it was answered. Produce
 * requests begin before they stand here: the engine keeps their order.
 */
import { RingQueue } from '@millrace/codec'
import type { MessageWriter } from './message-writer.ts'

export interface Answer {
  /** Its turn has come; called once. May make it ready at once. */
  start(): void
  readonly isReady: boolean
  /** It waits while the quota of bytes sent is used up. */
  readonly bringsRecords: boolean
  /** Called once, when it is ready. */
  write(writer: MessageWriter): void
  /** The connection is gone: gives back what it holds. */
  discard(): void
  /** Answers with what there is, if it can. */
  hurry(): void
}

export class AnswerQueue {
  readonly #answers = new RingQueue<Answer>()
  #isFirstStarted = false

  get length(): number {
    return this.#answers.length
  }

  push(answer: Answer): void {
    this.#answers.push(answer)
  }

  /** Writes the next answer; false when there is none yet. */
  writeNext(writer: MessageWriter, mayBringRecords: boolean): boolean {
    const answer = this.#answers.peek()
    if (answer === undefined) return false
    if (!this.#isFirstStarted) {
      if (answer.bringsRecords && !mayBringRecords) return false
      this.#isFirstStarted = true
      answer.start()
    }
    if (!answer.isReady) return false
    this.#answers.shift()
    this.#isFirstStarted = false
    answer.write(writer)
    return true
  }

  /** The one that others wait for answers with what there is. */
  hurry(): void {
    if (this.#isFirstStarted) this.#answers.peek()?.hurry()
  }

  discardAll(): void {
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) {
      answer.discard()
    }
  }
}
