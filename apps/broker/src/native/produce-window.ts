/**
 * The PRODUCE requests of a connection that the engine has not completed, oldest first. The engine
 * completes in submit order; a request that failed before it reached the engine waits here for its
 * turn, so that answers leave in the order of the requests.
 *
 * ```
 *   first                                    next
 *   | waiting | waiting | failed | silent | waiting |      slot = sequence mod capacity
 * ```
 * One array per field: no object per request.
 */
import type { BrokerError } from '@millrace/codec'

const WAITING = 0
const SILENT = 1
const FAILED = 2

const INITIAL_CAPACITY = 64

export class ProduceWindow {
  #channels: Uint16Array
  #correlations: Uint32Array
  #kinds: Uint8Array
  #errors: (BrokerError | undefined)[]
  #mask: number
  #first: number
  #next: number
  #answerableCount: number

  constructor() {
    this.#channels = new Uint16Array(INITIAL_CAPACITY)
    this.#correlations = new Uint32Array(INITIAL_CAPACITY)
    this.#kinds = new Uint8Array(INITIAL_CAPACITY)
    this.#errors = new Array<BrokerError | undefined>(INITIAL_CAPACITY).fill(undefined)
    this.#mask = INITIAL_CAPACITY - 1
    this.#first = 0
    this.#next = 0
    this.#answerableCount = 0
  }

  /** Requests the peer expects an answer to. */
  get answerableCount(): number {
    return this.#answerableCount
  }

  get count(): number {
    return this.#next - this.#first
  }

  get nextSequence(): number {
    return this.#next
  }

  get firstSequence(): number {
    return this.#first
  }

  get firstChannel(): number {
    return this.#channels[this.#first & this.#mask] as number
  }

  get firstCorrelation(): number {
    return this.#correlations[this.#first & this.#mask] as number
  }

  get isFirstSilent(): boolean {
    return this.#kinds[this.#first & this.#mask] === SILENT
  }

  /** The error of the oldest request if it failed before it reached the engine. */
  get firstError(): BrokerError | undefined {
    return this.count === 0 ? undefined : this.#errors[this.#first & this.#mask]
  }

  push(channel: number, correlation: number, isSilent: boolean, error?: BrokerError): void {
    if (this.count > this.#mask) this.#grow()
    const slot = this.#next & this.#mask
    this.#channels[slot] = channel
    this.#correlations[slot] = correlation
    this.#kinds[slot] = error !== undefined ? FAILED : isSilent ? SILENT : WAITING
    this.#errors[slot] = error
    this.#next += 1
    if (!isSilent) this.#answerableCount += 1
  }

  shift(): void {
    const slot = this.#first & this.#mask
    if (this.#kinds[slot] !== SILENT) this.#answerableCount -= 1
    this.#errors[slot] = undefined
    this.#first += 1
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2
    const channels = new Uint16Array(capacity)
    const correlations = new Uint32Array(capacity)
    const kinds = new Uint8Array(capacity)
    const errors = new Array<BrokerError | undefined>(capacity).fill(undefined)
    for (let sequence = this.#first; sequence < this.#next; sequence++) {
      const source = sequence & this.#mask
      const target = sequence & (capacity - 1)
      channels[target] = this.#channels[source] as number
      correlations[target] = this.#correlations[source] as number
      kinds[target] = this.#kinds[source] as number
      errors[target] = this.#errors[source]
    }
    this.#channels = channels
    this.#correlations = correlations
    this.#kinds = kinds
    this.#errors = errors
    this.#mask = capacity - 1
  }
}
