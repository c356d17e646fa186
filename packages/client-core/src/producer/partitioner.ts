/**
 * Which partition a message without an explicit one goes to, as Kafka's clients choose: by the hash
 * of the key; without a key the same partition until its batch is full, then the next.
 */
import { partitionForKey } from '@millrace/codec'
import { invalidArgument } from '../errors.ts'
import type { MessageEnvelope } from './producer-message.ts'

/** Your own choice: a whole number from 0 below `partitionCount`. */
export type Partitioner<T> = (message: MessageEnvelope<T>, partitionCount: number) => number

export const checkPartition = (partition: number, partitionCount: number): number => {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitionCount) return partition
  const text = `${String(partition)} is not a whole number from 0 to ${partitionCount - 1}`
  throw invalidArgument('partition', text)
}

export const keyedPartition = (key: Uint8Array, partitionCount: number): number =>
  partitionForKey(key, partitionCount)

/** Sticky round robin: filling one batch at a time makes fewer and fuller batches. */
export class StickyPartition {
  #partition: number

  /** `random` spreads the first choice: a thousand short programs must not all fill partition 0. */
  constructor(random: number, partitionCount: number) {
    this.#partition = Math.floor(random * partitionCount)
  }

  get current(): number {
    return this.#partition
  }

  advance(partitionCount: number): void {
    this.#partition = (this.#partition + 1) % partitionCount
  }
}
