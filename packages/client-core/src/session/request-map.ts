/**
 * Requests that wait for their answers, by correlation id, with one timer for all deadlines.
 *
 * A request that timed out or was abandoned after it was sent keeps its entry until the answer comes:
 * the broker still counts it, and its late answer is not an error. Invariant: `sentCount` is what the
 * broker counts too.
 */
import { BrokerError } from '@millrace/codec'
import { UINT32_MAX, opcodeName } from '@millrace/protocol'
import { explain } from '../errors.ts'
import type { Platform } from '../platform.ts'

/** Who waits. A batch is one, without a promise; `call.ts` makes one of a promise. */
export interface AnswerSink {
  /** The body is borrowed for the call unless `isOwned`. A throw ends the connection. */
  onAnswer(body: Uint8Array, isOwned: boolean): void
  /** `isUnknown`: the request may or may not have happened. */
  onError(error: BrokerError, isUnknown: boolean): void
}

interface PendingRequest {
  /** `undefined` once nobody waits any more. */
  sink: AnswerSink | undefined
  isSent: boolean
  readonly answerOpcode: number
  readonly deadlineMs: number
  readonly timeoutMs: number
}

export class RequestMap {
  readonly #platform: Platform
  readonly #pending = new Map<number, PendingRequest>()
  #sentCount = 0
  #lastCorrelation = 0
  #timerAtMs = Infinity
  #cancelTimer: (() => void) | undefined

  constructor(platform: Platform) {
    this.#platform = platform
  }

  get sentCount(): number {
    return this.#sentCount
  }

  /** The correlation id of the new request. It is not sent yet: {@link markSent}. */
  add(answerOpcode: number, sink: AnswerSink, timeoutMs: number): number {
    const correlation = this.nextCorrelation()
    const deadlineMs = this.#platform.monotonicMs() + timeoutMs
    this.#pending.set(correlation, { sink, isSent: false, answerOpcode, deadlineMs, timeoutMs })
    if (deadlineMs < this.#timerAtMs) this.#schedule(deadlineMs)
    return correlation
  }

  /** Also for frames that get no answer: their correlation must not be 0 either. */
  nextCorrelation(): number {
    do {
      this.#lastCorrelation = this.#lastCorrelation === UINT32_MAX ? 1 : this.#lastCorrelation + 1
    } while (this.#pending.has(this.#lastCorrelation))
    return this.#lastCorrelation
  }

  /** False when the request ended while it waited to be sent: do not send it. */
  markSent(correlation: number): boolean {
    const request = this.#pending.get(correlation)
    if (request === undefined) return false
    request.isSent = true
    this.#sentCount += 1
    return true
  }

  /** Who waits for this answer; `undefined` for a late one. Throws when nothing was asked. */
  take(correlation: number, opcode: number): AnswerSink | undefined {
    const request = this.#pending.get(correlation)
    if (request === undefined || !request.isSent) {
      throw new BrokerError('ERR_UNEXPECTED_FRAME', [
        opcodeName(opcode),
        `with correlation ${correlation}: nothing was asked with it`,
      ])
    }
    if (opcode !== request.answerOpcode) {
      const wanted = opcodeName(request.answerOpcode)
      const text = `where ${wanted} was asked for`
      throw new BrokerError('ERR_UNEXPECTED_FRAME', [opcodeName(opcode), text])
    }
    return this.takeAny(correlation)
  }

  /** The same for an ERROR, which answers any request. */
  takeAny(correlation: number): AnswerSink | undefined {
    const request = this.#pending.get(correlation)
    if (request === undefined) return undefined
    this.#pending.delete(correlation)
    if (request.isSent) this.#sentCount -= 1
    return request.sink
  }

  /** Nobody waits for it any more; its slot stays taken until the answer comes. */
  abandon(correlation: number): void {
    const request = this.#pending.get(correlation)
    if (request === undefined) return
    if (request.isSent) request.sink = undefined
    else this.#pending.delete(correlation)
  }

  /** Nothing more is sent. */
  failUnsent(error: BrokerError): void {
    for (const [correlation, request] of [...this.#pending]) {
      if (request.isSent) continue
      this.#pending.delete(correlation)
      request.sink?.onError(error, false)
    }
  }

  /** The connection is gone. */
  failAll(error: BrokerError): void {
    const requests = [...this.#pending.values()]
    this.#pending.clear()
    this.#sentCount = 0
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    for (const request of requests) request.sink?.onError(error, request.isSent)
  }

  #schedule(atMs: number): void {
    this.#cancelTimer?.()
    this.#timerAtMs = atMs
    const delayMs = Math.max(0, atMs - this.#platform.monotonicMs())
    this.#cancelTimer = this.#platform.setTimer(() => this.#sweep(), delayMs)
  }

  #sweep(): void {
    const now = this.#platform.monotonicMs()
    this.#timerAtMs = Infinity
    this.#cancelTimer = undefined
    const expired: number[] = []
    let earliestMs = Infinity
    for (const [correlation, request] of this.#pending) {
      if (request.sink === undefined) continue
      if (request.deadlineMs <= now) expired.push(correlation)
      else earliestMs = Math.min(earliestMs, request.deadlineMs)
    }
    if (earliestMs < Infinity) this.#schedule(earliestMs)
    for (const correlation of expired) this.#expire(correlation)
  }

  #expire(correlation: number): void {
    const request = this.#pending.get(correlation)
    const sink = request?.sink
    if (request === undefined || sink === undefined) return
    this.abandon(correlation)
    const error = new BrokerError('ERR_TIMED_OUT', [request.timeoutMs])
    const text = request.isSent ? 'it may or may not have happened' : 'it was not sent'
    sink.onError(explain(error, text), request.isSent)
  }
}
