/** A batch the log has accepted: where it belongs, and its bytes while they are in memory. */
import type { BrokerError } from '@millrace/codec'
import type { Slab } from './arena.ts'
import type { Log } from './log.ts'
import type { Segment } from './segment.ts'

/** Who waits for a batch. One object per append, reused by its owner. */
export interface AppendTicket {
  /** The batch's promise is kept: `log.highWatermark` is past it. */
  stored(batch: StoredBatch): void
  refused(error: BrokerError): void
}

/**
 * Batches of several logs that are stored all or none: they stand one behind the other in one group
 * of the journal, and are refused together.
 */
export class AtomicUnit {
  /** One of them was taken back: none of them may be written. */
  isBroken = false
}

export class StoredBatch {
  readonly kind = 'batch'
  readonly log: Log
  readonly bytes: Uint8Array
  readonly slab: Slab | undefined
  readonly baseOffset: number
  readonly nextOffset: number
  readonly segment: Segment
  readonly position: number
  readonly maxTimestamp: number
  readonly epoch: number
  ticket: AppendTicket | undefined
  /** The log took it back before it was durable: it must not be written any more. */
  isRefused = false
  unit: AtomicUnit | undefined = undefined
  /** From byte 21 on it is the batch submitted before it, of the same unit: stored once. */
  isRepeat = false

  constructor(
    place: {
      log: Log
      segment: Segment
      position: number
      baseOffset: number
      nextOffset: number
      epoch: number
      maxTimestamp: number
    },
    bytes: Uint8Array,
    slab: Slab | undefined,
    ticket: AppendTicket | undefined,
  ) {
    this.log = place.log
    this.bytes = bytes
    this.slab = slab
    this.baseOffset = place.baseOffset
    this.nextOffset = place.nextOffset
    this.segment = place.segment
    this.position = place.position
    this.maxTimestamp = place.maxTimestamp
    this.epoch = place.epoch
    this.ticket = ticket
  }
}

/** Two who wait for the same batch: its producer sent it again before it was durable. */
export class TicketPair implements AppendTicket {
  readonly #first: AppendTicket
  readonly #second: AppendTicket

  constructor(first: AppendTicket, second: AppendTicket) {
    this.#first = first
    this.#second = second
  }

  stored(batch: StoredBatch): void {
    this.#first.stored(batch)
    this.#second.stored(batch)
  }

  refused(error: BrokerError): void {
    this.#first.refused(error)
    this.#second.refused(error)
  }
}

/** Once: the ticket is its owner's again. */
export const tellStored = (batch: StoredBatch): void => {
  const { ticket } = batch
  batch.ticket = undefined
  ticket?.stored(batch)
}
