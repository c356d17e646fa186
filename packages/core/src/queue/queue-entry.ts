/**
 * A message of a lane from the moment it is read or published until it is settled: one object, which
 * is also the delivery that a session hands out. What waits in a log and was not read yet has none.
 */
import { BrokerError } from '@millrace/codec'
import type { DeadLetterEntry, Delivery, QueuedMessage } from '../engine/messaging.ts'
import type { Lane } from './lane.ts'

export type EntryState =
  /** In its lane: ahead of the cursor, or returned. */
  | 'ready'
  /** With a session, or with the dead-lettering. */
  | 'in-flight'
  /** Back, and not to be delivered before its time. */
  | 'delayed'
  /** Settled by a transaction whose outcome is not known yet. */
  | 'locked'
  | 'settled'

/** Who has an entry in flight. */
export interface EntryHolder {
  /** It is settled or returned: its credit is free. */
  released(entry: QueueEntry): void
}

export class QueueEntry implements Delivery {
  readonly lane: Lane
  /** In the lane's log. */
  readonly position: number
  readonly payloadBytes: number
  content: QueuedMessage | undefined
  state: EntryState = 'ready'
  isRedelivered = false
  deliveryCount = 0
  holder: EntryHolder | undefined = undefined
  /** Monotonic milliseconds. */
  deliveredAt = 0
  /** Of the list of its session. */
  previous: QueueEntry | undefined = undefined
  next: QueueEntry | undefined = undefined
  owner: object | undefined = undefined
  /** It is to be dead-lettered for this, once its content is there. */
  verdict: DeadLetterEntry['reason'] | undefined = undefined

  constructor(lane: Lane, position: number, content: QueuedMessage) {
    this.lane = lane
    this.position = position
    this.content = content
    this.payloadBytes = content.payload.length
  }

  get queue(): string {
    return this.lane.queueName
  }

  /** Readable until the sink that it is delivered to returns. */
  get message(): QueuedMessage {
    if (this.content === undefined) throw new BrokerError('ERR_INTERNAL')
    return this.content
  }

  get offset(): number {
    return this.position * this.lane.stride + this.lane.index
  }
}

/** What is condemned waits for its way to the dead letters, and is nobody's to have or to purge. */
export const isReady = (entry: QueueEntry): boolean => entry.verdict === undefined

/** Entries in a doubly linked list, so that any of them leaves it at once. */
export class EntryList {
  #first: QueueEntry | undefined
  #last: QueueEntry | undefined
  length = 0

  get first(): QueueEntry | undefined {
    return this.#first
  }

  push(entry: QueueEntry): void {
    entry.owner = this
    entry.previous = this.#last
    entry.next = undefined
    if (this.#last === undefined) this.#first = entry
    else this.#last.next = entry
    this.#last = entry
    this.length++
  }

  has(entry: QueueEntry): boolean {
    return entry.owner === this
  }

  remove(entry: QueueEntry): void {
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    entry.previous = undefined
    entry.next = undefined
    entry.owner = undefined
    this.length--
  }
}
