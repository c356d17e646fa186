/**
 * Deliveries that wait to be read, taken in turns from the partitions that have some, so that a
 * partition with a long backlog does not hold up the others.
 */
import { RingQueue } from '@millrace/codec'

export interface Delivery {
  readonly partition: number
  readonly bytes: Uint8Array
  /** Where the partition goes on after it. */
  nextOffset: number
  /** It stands for messages that cannot be delivered. */
  readonly isGap: boolean
}

export class DeliveryQueue {
  readonly #byPartition = new Map<number, RingQueue<Delivery>>()
  /** Each partition that has deliveries, once. */
  readonly #turns = new RingQueue<RingQueue<Delivery>>()

  get isEmpty(): boolean {
    return this.#turns.length === 0
  }

  push(delivery: Delivery): void {
    let queue = this.#byPartition.get(delivery.partition)
    if (queue === undefined) {
      queue = new RingQueue()
      this.#byPartition.set(delivery.partition, queue)
    }
    queue.push(delivery)
    if (queue.length === 1) this.#turns.push(queue)
  }

  /** The delivery of this partition that was pushed last. */
  lastOf(partition: number): Delivery | undefined {
    const queue = this.#byPartition.get(partition)
    return queue?.peekAt(queue.length - 1)
  }

  take(): Delivery | undefined {
    const queue = this.#turns.shift()
    const delivery = queue?.shift()
    if (queue !== undefined && queue.length > 0) this.#turns.push(queue)
    return delivery
  }

  clear(): void {
    this.#byPartition.clear()
    this.#turns.clear()
  }
}
