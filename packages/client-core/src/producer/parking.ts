/**
 * Messages that wait for room, or for the topic to be opened, in the order of the calls. Between
 * them may stand a `flush`: it concerns what is before it.
 */
import { BrokerError, RingQueue } from '@millrace/codec'
import { PARKED_BYTES_MAX, PARKED_MESSAGES_MAX } from '../limits.ts'
import { type MessageFields, keepFields } from './message-fields.ts'
import type { SendWaiter } from './outgoing-batch.ts'

/** A waiter that gave up: the message is not sent. */
export interface ParkedWaiter extends SendWaiter {
  isAborted: boolean
}

export interface ParkedMessage<T> {
  readonly fields: MessageFields<T>
  readonly waiter: ParkedWaiter | undefined
  /** By the monotonic clock. */
  readonly sinceMs: number
}

type Parked<T> = ParkedMessage<T> | (() => void)

const bytesOf = <T>(fields: MessageFields<T>): number =>
  (fields.key?.length ?? 0) + (fields.value?.length ?? 0)

export class Parking<T> {
  readonly #queue = new RingQueue<Parked<T>>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number = PARKED_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#queue.length
  }

  get bytes(): number {
    return this.#bytes
  }

  add(fields: MessageFields<T>, waiter: ParkedWaiter | undefined, nowMs: number): void {
    if (this.#queue.length >= PARKED_MESSAGES_MAX) {
      const what = 'messages waiting to be sent: await some of the promises of send()'
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [PARKED_MESSAGES_MAX, what])
    }
    const bytes = bytesOf(fields)
    if (this.#bytes + bytes > this.#bytesMax) {
      const what = 'bytes waiting to be sent: await some of the promises of send()'
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [this.#bytesMax, what])
    }
    this.#bytes += bytes
    this.#queue.push({ fields: keepFields(fields), waiter, sinceMs: nowMs })
  }

  /** Calls `run` when everything before it has left. */
  addMark(run: () => void): void {
    this.#queue.push(run)
  }

  /** When the next message came; marks in front of it are called. */
  oldestMs(): number | undefined {
    for (;;) {
      const first = this.#queue.peekAt(0)
      if (typeof first !== 'function') return first?.sinceMs
      this.#queue.shift()
      first()
    }
  }

  /** The next message; marks in front of it are called. */
  take(): ParkedMessage<T> | undefined {
    for (;;) {
      const parked = this.#queue.shift()
      if (typeof parked === 'function') {
        parked()
        continue
      }
      if (parked !== undefined) this.#bytes -= bytesOf(parked.fields)
      return parked
    }
  }
}
