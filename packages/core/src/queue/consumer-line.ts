/**
 * Who is next: consumers that can take a message, in lines by priority, each line round robin. A
 * consumer without credit is in no line; it comes back to the end of its own when it has some.
 */
import { RingQueue } from '@millrace/codec'
import type { QueueConsumer } from './queue-consumer.ts'

export class ConsumerLine {
  /** By priority, highest first. */
  readonly #lines: { readonly priority: number; readonly line: RingQueue<QueueConsumer> }[] = []

  add(consumer: QueueConsumer): void {
    if (consumer.isInLine) return
    consumer.isInLine = true
    this.#lineOf(consumer.options.priority).push(consumer)
  }

  /**
   * Takes it out of the line: add it again when it can take more. With `only`, it is this one or
   * nobody.
   */
  next(only: QueueConsumer | undefined): QueueConsumer | undefined {
    for (const { line } of this.#lines) {
      for (let left = line.length; left > 0; left--) {
        const consumer = line.shift()
        if (consumer === undefined) break
        consumer.isInLine = false
        if (consumer.canTake && (only === undefined || consumer === only)) return consumer
      }
    }
    return undefined
  }

  #lineOf(priority: number): RingQueue<QueueConsumer> {
    const known = this.#lines.find((each) => each.priority === priority)
    if (known !== undefined) return known.line
    const line = new RingQueue<QueueConsumer>()
    this.#lines.push({ priority, line })
    this.#lines.sort((left, right) => right.priority - left.priority)
    return line
  }
}
