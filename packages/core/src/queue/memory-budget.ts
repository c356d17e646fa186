/** What the messages of non-durable queues take in memory, all queues together. */
import type { QueuedMessage } from '../engine/messaging.ts'

/** Objects that a message is made of, beside its bytes: a million tiny ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 512

export const memoryBytesOf = ({ payload, properties }: QueuedMessage): number =>
  payload.length + properties.length + MESSAGE_OVERHEAD_BYTES

export class MemoryBudget {
  readonly #bytesMax: number
  bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isSpent(): boolean {
    return this.bytes >= this.#bytesMax
  }

  add(bytes: number): void {
    this.bytes += bytes
  }
}
