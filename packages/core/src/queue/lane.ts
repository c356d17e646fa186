/**
 * One ordered line of messages of a queue: all of it, those of one priority, or a partition of the
 * topic that the queue is a view of. It knows the order and what is ready; who gets what is the
 * queue's.
 */
import type { RecordCursor } from '@millrace/codec'
import type { QueuedMessage } from '../engine/messaging.ts'
import type { QueueEntry } from './queue-entry.ts'
import type { Queue } from './queue.ts'

export interface Lane {
  readonly queueName: string
  readonly home: Queue
  /** Its number in the queue, and how many the queue has: positions are told apart by them. */
  readonly index: number
  readonly stride: number
  /** Messages that a consumer could have, and the bytes of their payloads. */
  readonly readyCount: number
  readonly readyBytes: number
  /** Accepted and not visible yet. */
  readonly pendingCount: number
  readonly pendingBytes: number
  /** Something is read or written that lets `head` or `mayDeliver` answer otherwise: it wakes the queue. */
  readonly isBusy: boolean
  /** The next message, if it is there and in memory. What has to be read first wakes the queue. */
  head(): QueueEntry | undefined
  /** Whether what `head` gave may go to a consumer by now; if not, the queue is woken when it may. */
  mayDeliver(entry: QueueEntry): boolean
  /** Takes what `head` gave: it is in flight. */
  shift(): void
  /** Counts another delivery that came back. */
  countReturn(entry: QueueEntry): void
  /** Back to its place. */
  putBack(entry: QueueEntry): void
  settle(entry: QueueEntry): void
  /** Settles the next message unread; false when none is ready. */
  dropHead(): boolean
  /** Settles all that is ready. Answers how many there were. */
  purge(): number
  /** Ready messages from the front without taking them. */
  peek(count: number): Promise<readonly QueueEntry[]>
  /** After the content was handed over: it is read again when it has to be. */
  handedOver(entry: QueueEntry): void
  close(): void
}

export interface LaneHooks {
  /** Something is ready that was not, or can be delivered by now. */
  wake(): void
  /** Whether somebody waits for messages, so that it is worth keeping what comes in. */
  isWanted(): boolean
  /** The lowest position that is not settled is another one. */
  floorMoved(): void
  /** Damage took messages that were ready. */
  lost(count: number): void
}

/** How the records of a lane's log are read. */
export type ReadRecord = (cursor: RecordCursor) => QueuedMessage
