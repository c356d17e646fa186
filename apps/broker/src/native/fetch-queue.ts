/**
 * The FETCH requests of a connection that wait for their answer.
 *
 * What all of them together may bring is bounded: each reserves what it asked for, and when the
 * reserve is spent a fetch gets less than it asked for, never an error. A fetch is free to ask for
 * the rest again.
 */
import type { BrokerError } from '@millrace/codec'
import type { Cancellable, EngineSession, FetchOperation, ReadResult } from '@millrace/core'
import { FETCHED_HEAD_BYTES, Opcode, writeFetchedHead } from '@millrace/protocol'
import { FETCH_BYTES_MAX, FETCH_BYTES_MIN } from '../limits.ts'
import type { FrameOutput } from './frame-output.ts'

class PendingFetch {
  readonly channel: number
  readonly correlation: number
  readonly operation: FetchOperation
  read: Cancellable | undefined

  constructor(channel: number, correlation: number, operation: FetchOperation) {
    this.channel = channel
    this.correlation = correlation
    this.operation = operation
    this.read = undefined
  }
}

export interface FetchQueueOptions {
  readonly engine: EngineSession
  readonly output: FrameOutput
  readonly reserveBytesMax: number
  readonly fail: (error: BrokerError, channel: number, correlation: number) => void
  readonly onAnswered: () => void
}

export class FetchQueue {
  readonly #options: FetchQueueOptions
  readonly #pending = new Set<PendingFetch>()
  #reservedBytes = 0

  constructor(options: FetchQueueOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#pending.size
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  add(channel: number, correlation: number, operation: FetchOperation): void {
    const bytesMax = this.#allot(operation.bytesMax)
    const bytesMin = Math.min(operation.bytesMin, bytesMax)
    const fetch = new PendingFetch(channel, correlation, { ...operation, bytesMax, bytesMin })
    this.#pending.add(fetch)
    this.#reservedBytes += bytesMax
    this.#read(fetch, fetch.operation)
  }

  /** Answers all of them with what there is now. */
  hurry(): void {
    for (const fetch of [...this.#pending]) {
      fetch.read?.cancel()
      this.#read(fetch, { ...fetch.operation, bytesMin: 0, waitMsMax: 0 })
    }
  }

  #allot(asked: number): number {
    const free = this.#options.reserveBytesMax - this.#reservedBytes
    return Math.min(asked, FETCH_BYTES_MAX, Math.max(free, FETCH_BYTES_MIN))
  }

  #read(fetch: PendingFetch, operation: FetchOperation): void {
    fetch.read = this.#options.engine.fetch(operation, (result) => this.#answer(fetch, result))
  }

  #answer(fetch: PendingFetch, result: ReadResult): void {
    if (!this.#pending.delete(fetch)) {
      result.lease?.release()
      return
    }
    this.#reservedBytes -= fetch.operation.bytesMax
    const { output, fail, onAnswered } = this.#options
    const { channel, correlation } = fetch
    if (result.error !== undefined) {
      result.lease?.release()
      fail(result.error, channel, correlation)
    } else {
      output.sendBody(Opcode.FETCHED, channel, correlation, encodeHead(result), result.lease)
    }
    onAnswered()
  }
}

const encodeHead = (result: ReadResult): Uint8Array => {
  const head = new Uint8Array(FETCHED_HEAD_BYTES)
  const { highWatermark, earliestOffset, nextOffset, epoch } = result
  writeFetchedHead(head, 0, highWatermark, earliestOffset, nextOffset, epoch)
  return head
}
