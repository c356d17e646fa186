/**
 * The messages of one PUBLISH, from the first that is written into it until the broker has said what
 * became of each. The bytes stay as they are: sent again, it is the same messages with the same ids.
 */
import { BrokerError } from '@millrace/codec'
import {
  outcomeErrorOf,
  PUBLISH_HEAD_BYTES,
  publishedCount,
  type PublishedMessage,
  publishedText,
  receivedError,
  targetsOf,
  writePublishedMessage,
  writePublishHead,
} from '@millrace/protocol'
import { explainedCopy } from '../errors.ts'
import { MESSAGES_PER_PUBLISH_MAX, PUBLISH_BYTES_MAX, PUBLISH_BYTES_MIN } from '../limits.ts'
import type { AnswerSink } from '../session/request-map.ts'

export interface PublishWaiter {
  resolve(targets: number): void
  reject(error: BrokerError): void
}

/**
 * Who is told of a message: somebody who waits, nobody, or nobody but when its queue, whose name this
 * is, does not exist.
 */
export type PublishEntry = PublishWaiter | string | undefined

export interface PublishBatchOwner {
  onAnswered(batch: PublishBatch): void
  onFailed(batch: PublishBatch, error: BrokerError, isUnknown: boolean): void
  /** A message that nobody waits for has failed. */
  onUnheard(error: BrokerError): void
}

export class PublishBatch implements AnswerSink {
  readonly deadlineMs: number
  /** Whether it may be sent a second time when nobody knows what became of it. */
  readonly resends: boolean
  readonly #owner: PublishBatchOwner
  readonly #entries: PublishEntry[]
  #bytes: Uint8Array
  #end: number

  constructor(owner: PublishBatchOwner, deadlineMs: number, resends: boolean) {
    this.deadlineMs = deadlineMs
    this.resends = resends
    this.#owner = owner
    this.#entries = []
    this.#bytes = new Uint8Array(PUBLISH_BYTES_MIN)
    this.#end = PUBLISH_HEAD_BYTES
    writePublishHead(this.#bytes, 0, false)
  }

  get messageBytes(): number {
    return this.#end - PUBLISH_HEAD_BYTES
  }

  get body(): Uint8Array {
    return this.#bytes.subarray(0, this.#end)
  }

  hasRoom(bytes: number): boolean {
    if (this.#entries.length === 0) return true
    return this.#entries.length < MESSAGES_PER_PUBLISH_MAX && this.#end + bytes <= PUBLISH_BYTES_MAX
  }

  append(message: PublishedMessage, bytes: number, entry: PublishEntry): void {
    if (this.#end + bytes > this.#bytes.length) this.#grow(this.#end + bytes)
    this.#end = writePublishedMessage(this.#bytes, this.#end, message)
    this.#entries.push(entry)
  }

  onAnswer(body: Uint8Array): void {
    const count = publishedCount(body)
    if (count !== this.#entries.length) {
      const text = `${count} outcomes for ${this.#entries.length} messages`
      throw new BrokerError('ERR_MALFORMED_BODY', [text])
    }
    this.#owner.onAnswered(this)
    const text = publishedText(body)
    let firstWire = 0
    for (let index = 0; index < count; index++) {
      const wire = outcomeErrorOf(body, index)
      if (firstWire === 0) firstWire = wire
      // The text is that of the first error.
      const error = wire === 0 ? undefined : receivedError(wire, wire === firstWire ? text : '')
      this.#tell(this.#entries[index], targetsOf(body, index), error)
    }
  }

  onError(error: BrokerError, isUnknown: boolean): void {
    this.#owner.onFailed(this, error, isUnknown)
  }

  /** It is given up. `text` says what is known of it. */
  fail(error: BrokerError, text?: string): void {
    for (const entry of this.#entries) {
      this.#tell(entry, 0, text === undefined ? error : explainedCopy(error, text))
    }
  }

  #tell(entry: PublishEntry, targets: number, error: BrokerError | undefined): void {
    if (typeof entry === 'object') {
      if (error === undefined) entry.resolve(targets)
      else entry.reject(error)
      return
    }
    if (error !== undefined) this.#owner.onUnheard(error)
    else if (targets === 0 && entry !== undefined) {
      this.#owner.onUnheard(new BrokerError('ERR_QUEUE_NOT_FOUND', [entry]))
    }
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 4))
    grown.set(this.body)
    this.#bytes = grown
  }
}
