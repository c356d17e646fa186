/**
 * Everything a client publishes to exchanges and queues, in the order of the calls: messages of one
 * turn of the event loop share a PUBLISH, and a lost connection sends again what got no answer.
 *
 * ```
 *   publish → gathering → (turn ends) → unsent → (connection) → sent → answered
 *                                          ^                      |
 *                                          '------ (lost) --------'
 * ```
 * Invariants: batches are sent in the order they were made, on one connection at a time; what waits
 * is counted in `bufferedBytes` until it is answered or given up.
 */
import { BrokerError } from '@millrace/codec'
import { Opcode, publishedMessageSize, type PublishedMessage } from '@millrace/protocol'
import { backoffMs } from '../backoff.ts'
import { asBrokerError } from '../errors.ts'
import {
  BUFFERED_BYTES_DEFAULT,
  BUFFERED_BYTES_FACTOR_MAX,
  DELIVERY_TIMEOUT_MS,
  PUBLISH_IN_FLIGHT_MAX,
  RETRY_CEILING_MS,
  RETRY_INITIAL_MS,
} from '../limits.ts'
import type { BrokerSession, LiveConnection, SessionListener } from '../session/broker-session.ts'
import type { TurnTask } from '../session/connection.ts'
import { abortable, type WaitOptions, Waiters } from '../wait.ts'
import { PublishBatch, type PublishBatchOwner, type PublishEntry } from './publish-batch.ts'

const MAYBE = 'the message may or may not have been published'

export class Publisher implements SessionListener, TurnTask, PublishBatchOwner {
  readonly #session: BrokerSession
  readonly #roomWaiters = new Waiters()
  readonly #idleWaiters = new Waiters()
  #gathering: PublishBatch | undefined
  #unsent: PublishBatch[] = []
  /** Sent on a connection that broke, or refused for now: they go first. */
  #returned: PublishBatch[] = []
  readonly #sent = new Set<PublishBatch>()
  /** The connection that `sent` is on. */
  #sentOn: LiveConnection | undefined
  #bufferedBytes = 0
  #isTurnDue = false
  #busyCount = 0
  #cancelRetry: (() => void) | undefined
  #cancelExpiry: (() => void) | undefined
  #end: BrokerError | undefined
  #unheard: BrokerError | undefined

  constructor(session: BrokerSession) {
    this.#session = session
    session.addListener(this)
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get hasRoom(): boolean {
    return this.#bufferedBytes < BUFFERED_BYTES_DEFAULT && this.#roomWaiters.count === 0
  }

  /** Throws ERR_LIMIT_EXCEEDED, ERR_CLOSED. What the message holds is copied at once. */
  publish(message: PublishedMessage, entry: PublishEntry, resends: boolean): void {
    if (this.#end !== undefined) throw this.#end
    const bytes = publishedMessageSize(message)
    this.#checkSize(bytes)
    if (this.#gathering?.resends !== resends || !this.#gathering.hasRoom(bytes)) {
      this.#closeGathering()
      const deadlineMs = this.#session.platform.monotonicMs() + DELIVERY_TIMEOUT_MS
      this.#gathering = new PublishBatch(this, deadlineMs, resends)
    }
    this.#gathering?.append(message, bytes, entry)
    this.#bufferedBytes += bytes
    this.#scheduleTurn()
  }

  /** Resolves when there is room for more; in the order of the calls. */
  async room(options: WaitOptions = {}): Promise<void> {
    if (this.#end !== undefined) throw this.#end
    if (this.hasRoom) return
    await abortable(this.#roomWaiters.wait(), options.signal)
  }

  /** Resolves when everything accepted so far has its outcome; throws what nobody was told. */
  async flush(options: WaitOptions = {}): Promise<void> {
    if (this.#bufferedBytes > 0 && this.#end === undefined) {
      await abortable(this.#idleWaiters.wait(), options.signal)
    }
    const error = this.#unheard
    this.#unheard = undefined
    if (error !== undefined) throw error
  }

  /** Takes and sends nothing more; what is in flight may still be answered. */
  stop(error: BrokerError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#session.removeListener(this)
    this.#cancelRetry?.()
    this.#cancelExpiry?.()
    this.#closeGathering()
    const given = [...this.#returned, ...this.#unsent]
    this.#returned = []
    this.#unsent = []
    for (const batch of given) this.#giveUp(batch, error)
    this.#roomWaiters.rejectAll(error)
  }

  onTurnEnd(): void {
    this.#isTurnDue = false
    this.#closeGathering()
    this.#sendAll()
  }

  onUp(): void {
    this.#isTurnDue = false
    this.#closeGathering()
    this.#sendAll()
  }

  onDown(): void {
    this.#isTurnDue = false
    this.#cancelRetry?.()
    this.#watchExpiry()
  }

  onAnswered(batch: PublishBatch): void {
    this.#busyCount = 0
    this.#sent.delete(batch)
    this.#release(batch)
    this.#sendAll()
  }

  onFailed(batch: PublishBatch, error: BrokerError, isUnknown: boolean): void {
    this.#sent.delete(batch)
    if (this.#mayReturn(batch, error, isUnknown)) {
      this.#returned.push(batch)
      if (error.code === 'ERR_BUSY') this.#retryLater()
      this.#watchExpiry()
    } else {
      // A time-out says it itself.
      const isLost = error.code === 'ERR_CONNECTION_LOST'
      this.#giveUp(batch, error, isUnknown && isLost ? MAYBE : undefined)
    }
    this.#sendAll()
  }

  onUnheard(error: BrokerError): void {
    this.#unheard ??= error
  }

  #mayReturn(batch: PublishBatch, error: BrokerError, isUnknown: boolean): boolean {
    if (this.#end !== undefined || (isUnknown && !batch.resends)) return false
    if (error.code === 'ERR_BUSY') return true
    const isLost = error.code === 'ERR_CONNECTION_LOST' || error.code === 'ERR_GOING_AWAY'
    return isLost && this.#session.mayResume
  }

  #checkSize(bytes: number): void {
    const { batchBytesMax } = this.#session.connected
    if (bytes > batchBytesMax) {
      throw new BrokerError('ERR_LIMIT_EXCEEDED', [batchBytesMax, 'bytes of a message'])
    }
    const limit = BUFFERED_BYTES_DEFAULT * BUFFERED_BYTES_FACTOR_MAX
    if (this.#bufferedBytes < limit) return
    const what = 'bytes waiting to be sent: await ready() when write() returns false'
    throw new BrokerError('ERR_LIMIT_EXCEEDED', [limit, what])
  }

  #scheduleTurn(): void {
    const { live } = this.#session
    if (this.#isTurnDue) return
    if (live === undefined) return this.#watchExpiry()
    this.#isTurnDue = true
    live.connection.atTurnEnd(this)
  }

  #closeGathering(): void {
    if (this.#gathering === undefined) return
    this.#unsent.push(this.#gathering)
    this.#gathering = undefined
  }

  #sendAll(): void {
    const { live } = this.#session
    if (live === undefined || this.#cancelRetry !== undefined) return
    // The connection before still answers: what follows must not come first.
    if (this.#sent.size > 0 && this.#sentOn !== live) return
    this.#unsent = this.#returned.length === 0 ? this.#unsent : this.#returned.concat(this.#unsent)
    this.#returned = []
    while (this.#unsent.length > 0 && this.#sent.size < PUBLISH_IN_FLIGHT_MAX) {
      const batch = this.#unsent.shift() as PublishBatch
      if (!this.#send(live, batch)) return
    }
  }

  #send(live: LiveConnection, batch: PublishBatch): boolean {
    const restMs = batch.deadlineMs - this.#session.platform.monotonicMs()
    this.#sentOn = live
    this.#sent.add(batch)
    try {
      const timeoutMs = Math.max(1, restMs)
      live.connection.request(Opcode.PUBLISH, 0, [batch.body], batch, timeoutMs)
      return true
    } catch (error) {
      this.#sent.delete(batch)
      this.#unsent.unshift(batch)
      const failure = asBrokerError(error)
      if (failure.code === 'ERR_BUSY') this.#retryLater()
      return false
    }
  }

  #retryLater(): void {
    const { platform } = this.#session
    const options = { initialMs: RETRY_INITIAL_MS, ceilingMs: RETRY_CEILING_MS }
    const delayMs = backoffMs(options, this.#busyCount++, platform.random())
    this.#cancelRetry?.()
    const cancel = platform.setTimer(() => {
      this.#cancelRetry = undefined
      this.#sendAll()
    }, delayMs)
    this.#cancelRetry = () => {
      cancel()
      this.#cancelRetry = undefined
    }
  }

  /** While there is no connection nobody else looks at the deadlines. */
  #watchExpiry(): void {
    const first = this.#returned[0] ?? this.#unsent[0] ?? this.#gathering
    if (first === undefined || this.#cancelExpiry !== undefined) return
    const { platform } = this.#session
    const delayMs = Math.max(0, first.deadlineMs - platform.monotonicMs())
    const cancel = platform.setTimer(() => {
      this.#cancelExpiry = undefined
      this.#expire()
    }, delayMs)
    this.#cancelExpiry = () => {
      cancel()
      this.#cancelExpiry = undefined
    }
  }

  #expire(): void {
    const now = this.#session.platform.monotonicMs()
    const isLate = (batch: PublishBatch): boolean => batch.deadlineMs <= now
    if (this.#gathering !== undefined && isLate(this.#gathering)) this.#closeGathering()
    const error = new BrokerError('ERR_TIMED_OUT', [DELIVERY_TIMEOUT_MS])
    const returned = this.#returned.filter(isLate)
    const unsent = this.#unsent.filter(isLate)
    this.#returned = this.#returned.filter((batch) => !isLate(batch))
    this.#unsent = this.#unsent.filter((batch) => !isLate(batch))
    for (const batch of returned) this.#giveUp(batch, error, MAYBE)
    for (const batch of unsent) this.#giveUp(batch, error, 'it was not sent')
    this.#watchExpiry()
  }

  #giveUp(batch: PublishBatch, error: BrokerError, text?: string): void {
    batch.fail(error, text)
    this.#release(batch)
  }

  #release(batch: PublishBatch): void {
    this.#bufferedBytes -= batch.messageBytes
    if (this.#bufferedBytes < BUFFERED_BYTES_DEFAULT) this.#roomWaiters.resolveAll()
    if (this.#bufferedBytes === 0) this.#idleWaiters.resolveAll()
  }
}
