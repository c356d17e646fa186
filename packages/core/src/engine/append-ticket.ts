/** An append under way, in its session's order. Objects are reused by their session. */
import type { BrokerError } from '@millrace/codec'
import type { ProducerBatch } from '../log/producer-states.ts'
import type { AppendTicket, StoredBatch } from '../log/stored-batch.ts'
import type { AppendCompletion, Durability } from './operations.ts'

export interface TicketOwner {
  /** A ticket has its outcome; the owner tells the caller later, in order. */
  settled(): void
}

export class PendingAppend implements AppendTicket, AppendCompletion {
  readonly #owner: TicketOwner
  sequence = 0
  bytes = 0
  isSettled = false
  error: BrokerError | undefined = undefined
  baseOffset = 0
  nextOffset = 0
  appendTimestamp = -1
  epoch = 0
  durability: Durability = 'memory'
  isDuplicate = false

  constructor(owner: TicketOwner) {
    this.#owner = owner
  }

  begin(sequence: number, bytes: number): void {
    this.sequence = sequence
    this.bytes = bytes
    this.isSettled = false
    this.error = undefined
    this.baseOffset = 0
    this.nextOffset = 0
    this.appendTimestamp = -1
    this.epoch = 0
    this.durability = 'memory'
    this.isDuplicate = false
  }

  stored(batch: StoredBatch): void {
    this.accepted(batch, batch.log.isVolatile ? 'memory' : 'persisted')
  }

  accepted(batch: StoredBatch, durability: Durability): void {
    this.baseOffset = batch.baseOffset
    this.nextOffset = batch.nextOffset
    this.epoch = batch.epoch
    this.durability = durability
    this.isSettled = true
    this.#owner.settled()
  }

  /** Stored before, and visible: the answer of then is given again. */
  repeated(original: ProducerBatch, durability: Durability): void {
    this.isDuplicate = true
    this.baseOffset = original.baseOffset
    this.nextOffset = original.nextOffset
    this.epoch = original.leaderEpoch
    this.durability = durability
    this.isSettled = true
    this.#owner.settled()
  }

  refused(error: BrokerError): void {
    this.error = error
    this.isSettled = true
    this.#owner.settled()
  }
}
