/**
 * PUBLISH on its way into the engine and PUBLISHED on its way out: the hot path of publishers.
 *
 * Invariants: messages reach the engine in the order they came; answers leave in the order of the
 * requests; when the engine takes nothing more, the rest of a request waits and nothing is read.
 * One object a request, none a message.
 */
import { BrokerError, isBrokerError, RingQueue } from '@millrace/codec'
import { type MessagingSession, PUBLISH_BUSY } from '@millrace/core'
import {
  checkPublishHead,
  isSilentPublish,
  MessageCursor,
  PUBLISH_COUNT_MAX,
  PUBLISH_HEAD_BYTES,
} from '@millrace/protocol'
import { PublishedSource } from './published-source.ts'
import { PublishRequest } from './publish-request.ts'

export interface PublishIntakeOptions {
  /** Opened with the first message. */
  readonly engine: () => MessagingSession
  readonly partsBytesMax: number
  /** A whole frame, given away. */
  readonly write: (frame: Uint8Array) => void
  readonly fail: (error: unknown, channel: number, correlation: number) => void
  /** The engine takes nothing more for now, or takes again. */
  readonly onEngineFull: (isFull: boolean) => void
  readonly onAnswered: () => void
}

export class PublishIntake {
  readonly #options: PublishIntakeOptions
  readonly #cursor: MessageCursor
  readonly #source: PublishedSource
  readonly #requests: RingQueue<PublishRequest>
  /** Of the message under the cursor; `undefined` when nobody waits for an answer. */
  #current: PublishRequest | undefined
  #body: Uint8Array
  /** The engine has refused the message under the cursor for want of room. */
  #isWaiting: boolean

  constructor(options: PublishIntakeOptions) {
    this.#options = options
    this.#cursor = new MessageCursor()
    this.#source = new PublishedSource()
    this.#requests = new RingQueue()
    this.#current = undefined
    this.#body = new Uint8Array(0)
    this.#isWaiting = false
  }

  /** Requests under way, those without an answer included. */
  get count(): number {
    return this.#requests.length + (this.#isWaiting && this.#current === undefined ? 1 : 0)
  }

  get answerableCount(): number {
    return this.#requests.length
  }

  accept(channel: number, correlation: number, body: Uint8Array, isOwned: boolean): void {
    const count = this.#check(channel, correlation, body)
    if (count === 0) return
    const isSilent = isSilentPublish(body)
    this.#current = isSilent ? undefined : new PublishRequest(channel, correlation, count)
    if (this.#current !== undefined) this.#requests.push(this.#current)
    this.#body = body
    this.#cursor.reset(body, PUBLISH_HEAD_BYTES)
    this.#cursor.next()
    if (!this.#publishAll()) this.#keepForLater(isOwned)
  }

  onWritable(): void {
    if (!this.#isWaiting || !this.#publishAll()) return
    this.#isWaiting = false
    this.#options.onEngineFull(false)
    this.#options.onAnswered()
  }

  onConfirms(from: number, to: number, error: BrokerError | undefined): void {
    let left = to - from + 1
    while (left > 0) {
      const request = this.#firstWaiting()
      if (request === undefined) throw new BrokerError('ERR_INTERNAL')
      const count = Math.min(left, request.waitingCount)
      request.confirm(count, error)
      left -= count
      this.#answerDone()
    }
    this.#options.onAnswered()
  }

  /** How many messages it has; 0 when it is refused as a whole, and that is dealt with. */
  #check(channel: number, correlation: number, body: Uint8Array): number {
    try {
      return this.#count(body)
    } catch (error) {
      if (!isBrokerError(error)) throw error
      if (isSilentPublish(body)) return 0
      this.#requests.push(new PublishRequest(channel, correlation, 0, error))
      this.#answerDone()
      this.#options.onAnswered()
      return 0
    }
  }

  #count(body: Uint8Array): number {
    checkPublishHead(body)
    this.#cursor.reset(body, PUBLISH_HEAD_BYTES)
    let count = 0
    while (this.#cursor.next()) {
      count += 1
      if (count <= PUBLISH_COUNT_MAX) continue
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [PUBLISH_COUNT_MAX, 'messages of one PUBLISH'])
    }
    if (count > 0) return count
    throw new BrokerError('ERR_MALFORMED_BODY', ['PUBLISH has no message'])
  }

  /** From the message under the cursor to the last; false when the engine takes no more. */
  #publishAll(): boolean {
    const request = this.#current
    do {
      if (!this.#publish(request)) return false
    } while (this.#cursor.next())
    if (request === undefined) return true
    request.isPublished = true
    this.#answerDone()
    this.#options.onAnswered()
    return true
  }

  #publish(request: PublishRequest | undefined): boolean {
    try {
      this.#source.read(this.#body, this.#cursor, this.#options.partsBytesMax)
      const targets = this.#options.engine().publish(this.#source, request !== undefined)
      if (targets === PUBLISH_BUSY) return false
      request?.accept(targets)
    } catch (error) {
      // What ends the session is for all of it.
      if (!isBrokerError(error) || error.scope !== 'request') throw error
      request?.refuse(error)
    }
    return true
  }

  /** The bytes are a view of the socket's buffer: they do not outlive this call unless copied. */
  #keepForLater(isOwned: boolean): void {
    if (!isOwned) {
      // Positions of the cursor stay good: what was published is copied along.
      this.#body = new Uint8Array(this.#body)
      this.#cursor.rebase(this.#body)
    }
    this.#isWaiting = true
    this.#options.onEngineFull(true)
  }

  #firstWaiting(): PublishRequest | undefined {
    for (let index = 0; index < this.#requests.length; index++) {
      const request = this.#requests.peekAt(index)
      if (request !== undefined && request.waitingCount > 0) return request
    }
    return undefined
  }

  #answerDone(): void {
    for (;;) {
      const request = this.#requests.peekAt(0)
      if (request === undefined || !request.isDone) return
      this.#requests.shift()
      if (request.failure === undefined) this.#options.write(request.frame())
      else this.#options.fail(request.failure, request.channel, request.correlation)
    }
  }
}
