/**
 * The sequences of one idempotent producer in one partition: stamps batches as they are sealed, and
 * decides what a batch is stamped with when it is sent.
 *
 * A stamp given when a batch is sealed is a guess that nothing goes wrong before it is sent; it costs
 * no second checksum where it holds. `assign` has the last word.
 *
 * Invariant: under one producer id and epoch every sequence is given to one batch, in order, without
 * a gap but for batches that were given up; those make a new epoch begin.
 */
import { type ProducerStamp, sequenceAfter } from '@millrace/codec'
import { INT16_MAX } from '@millrace/protocol'
import type { OutgoingBatch } from './outgoing-batch.ts'
import type { ProducerIdentity } from './producer-identity.ts'

export class Sequencer {
  #identity: ProducerIdentity | undefined
  #epoch = 0
  #nextSequence = 0
  #sealSequence = 0
  /** A batch that had a sequence was given up: those behind it would be out of sequence. */
  hasGap = false
  /** A batch of the present number and epoch was acknowledged. */
  hasAcknowledged = false

  /** Whether it has a number to stamp with. */
  get isReady(): boolean {
    return this.#identity !== undefined
  }

  use(identity: ProducerIdentity): void {
    this.#identity = identity
    this.#begin(identity.epoch)
  }

  /** `hasWaiting`: sealed batches are to be sent before the one that is stamped now. */
  sealStamp(count: number, hasWaiting: boolean): ProducerStamp | undefined {
    if (this.#identity === undefined) return undefined
    if (!hasWaiting) this.#sealSequence = this.#nextSequence
    const stamp = this.#stamp(this.#sealSequence)
    this.#sealSequence = sequenceAfter(this.#sealSequence, count)
    return stamp
  }

  /** Before it is sent. A batch keeps the sequence that it has. */
  assign(batch: OutgoingBatch): void {
    if (batch.isAssigned) return
    batch.restamp(this.#stamp(this.#nextSequence))
    batch.isAssigned = true
    this.#nextSequence = sequenceAfter(this.#nextSequence, batch.count)
  }

  /** Sequences begin at 0 again: in the next epoch, or after the last one under another number. */
  restart(): void {
    if (this.#epoch < INT16_MAX) this.#begin(this.#epoch + 1)
    else this.#identity = undefined
    this.hasGap = false
  }

  /** The number is good for nothing any more. */
  forget(): void {
    this.#identity = undefined
  }

  #begin(epoch: number): void {
    this.#epoch = epoch
    this.#nextSequence = 0
    this.#sealSequence = 0
    this.hasGap = false
    this.hasAcknowledged = false
  }

  #stamp(baseSequence: number): ProducerStamp {
    const { producerId } = this.#identity as ProducerIdentity
    return { producerId, producerEpoch: this.#epoch, baseSequence }
  }
}
